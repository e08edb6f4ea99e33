"""Alerts of a real Prometheus as a signal: which are red, since when, and what it means that none is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from amplify_tui.adapters.ports import Problem, Query
from amplify_tui.adapters.prometheus import Prometheus
from amplify_tui.verdict.model import Reading
from tests.adapters.raw_server import Raw, raw_server, reply
from tests.conftest import real_prometheus

RULES = """
groups:
- name: shop
  interval: 200ms
  rules:
  - {alert: Hot, expr: depth > 5, labels: {severity: page}}
  - {alert: Pending, expr: depth > -1, for: 1h}
  - {alert: Waits, expr: depth > 5, for: 2s}
  - {alert: Broken, expr: depth == on (job) two}
"""
CONFIG = """
global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
rule_files: [RULES]
scrape_configs: [{job_name: shop, static_configs: [{targets: ["TARGET"]}]}]
"""


def alerts(name: str, **labels: str) -> Query:
    return Query(signal="alerts", state={"alert": name, **labels})


@dataclass
class Shop:
    source: Prometheus
    depth: int = 0

    def answer(self, path: str) -> bytes:
        return reply(f'depth {self.depth}\ntwo{{a="1"}} 1\ntwo{{a="2"}} 1\n')

    async def until(self, query: Query, wanted: Callable[[Reading], bool]) -> Reading:
        deadline = time.monotonic() + 30
        while True:
            (reading,) = await self.source.read([query], time.time())
            if wanted(reading):
                return reading
            assert time.monotonic() < deadline, reading
            await asyncio.sleep(0.05)

    async def check(self, query: Query) -> list[Problem]:
        return await self.source.check([query])


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    made = Shop(Prometheus("http://127.0.0.1:9", source="prom"))
    async with raw_server(made.answer) as target:
        running = real_prometheus(CONFIG.replace("TARGET", target.url.removeprefix("http://")), rules=RULES)
        server = await asyncio.to_thread(running.__enter__)
        made.source = Prometheus(server.url, source="prom")
        yield made
        await made.source.aclose()
        running.__exit__(None, None, None)


def is_ok(reading: Reading) -> bool:
    return reading.status == "ok"


@pytest.mark.real
async def test_an_alert_is_red_from_when_it_fires_and_its_past_can_be_asked_for(shop: Shop) -> None:
    quiet = await shop.until(alerts("Hot"), is_ok)
    assert (quiet.value, quiet.red, quiet.n) == (0, (), None)
    before = time.time()
    await shop.until(alerts("Broken"), lambda reading: reading.status == "error")  # the target is scraped
    shop.depth = 9
    red = await shop.until(alerts("Hot"), lambda reading: reading.value == 1)
    (since,) = red.red
    assert before - 1 < since <= time.time()
    assert "red: Hot{instance=" in red.note
    assert red.window_from <= red.data_at <= red.received_at + 0.5
    assert (await shop.until(alerts("Hot", severity="page"), is_ok)).value == 1
    assert (await shop.until(alerts("Hot", instance="other"), is_ok)).value == 0
    shop.depth = 0
    await shop.until(alerts("Hot"), lambda reading: reading.value == 0)
    now = time.time()
    (past,) = await shop.source.range([alerts("Hot", severity="page")], before - 2, now, 0.2)
    assert {reading.status for reading in past} == {"ok"}
    assert {reading.value for reading in past} == {0, 1}
    assert {round(moment) for reading in past for moment in reading.red} <= {
        round(since) - 1,
        round(since),
        round(since) + 1,
    }


@pytest.mark.real
async def test_an_alert_that_waited_is_red_from_when_it_fired_now_and_in_the_past(shop: Shop) -> None:
    await shop.until(alerts("Hot"), is_ok)
    shop.depth = 9
    (began,) = (await shop.until(alerts("Hot"), lambda reading: reading.value == 1)).red
    red = await shop.until(alerts("Waits"), lambda reading: reading.value == 1)
    assert red.red == (pytest.approx(began + 2.0, abs=0.5),)
    told: list[Reading] = []
    deadline = time.monotonic() + 30
    while not told and time.monotonic() < deadline:  # what an evaluation found is in the past a moment later
        (past,) = await shop.source.range([alerts("Waits")], red.data_at, time.time(), 0.2)
        told = [reading for reading in past if reading.red]
    assert told[-1].red == (pytest.approx(red.red[0], abs=1.1),)  # a Prometheus keeps that in whole seconds


@pytest.mark.real
async def test_that_none_is_red_says_something_only_where_somebody_looks(shop: Shop) -> None:
    pending = await shop.until(alerts("Pending"), is_ok)
    assert pending.value == 0
    gone = await shop.until(alerts("Gone"), lambda reading: reading.status != "error")
    assert (gone.status, gone.value) == ("nodata", None)
    assert gone.note == "the alerting rule Gone does not exist"
    other = await shop.until(alerts("Hot", severity="ticket"), lambda reading: reading.status != "error")
    assert other.status == "nodata"
    broken = await shop.until(alerts("Broken"), lambda reading: reading.status == "error")
    assert "many-to-many" in broken.note or "duplicate" in broken.note


@pytest.mark.real
async def test_the_check_names_a_rule_that_is_not_there_and_one_that_fails(shop: Shop) -> None:
    await shop.until(alerts("Broken"), lambda reading: reading.status == "error")
    assert await shop.check(alerts("Hot", severity="page")) == []
    (gone,) = await shop.check(alerts("Hott"))
    assert (gone.severity, gone.where) == ("error", "signals.alerts.state")
    assert (gone.what, gone.fix) == ("there is no alerting rule Hott", 'did you mean "Hot"?')
    (labels,) = await shop.check(alerts("Hot", severity="ticket"))
    assert labels.what == "no alerting rule Hot has these labels"
    (broken,) = await shop.check(alerts("Broken"))
    assert broken.what.startswith("the rule fails: ")


EVALUATED = "2023-11-14T22:13:20.123456789Z"  # 1700000000 and a bit
GROUPS = f'{{"groups":[{{"interval":60,"rules":[{{"type":"alerting","name":"Hot","health":"ok","lastEvaluation":"{EVALUATED}"}}]}}]}}'
HOT = f'{{"alerts":[{{"labels":{{"alertname":"Hot"}},"state":"firing","activeAt":"{EVALUATED}"}}]}}'


def server(rules: bytes, red: bytes) -> Callable[[str], bytes]:
    return lambda path: rules if path.startswith("/api/v1/rules") else red


def told(data: str) -> bytes:
    return reply(f'{{"status":"success","data":{data}}}')


async def read(server: Raw, at: float) -> Reading:
    source = Prometheus(server.url, source="prom", timeout=0.5)
    (reading,) = await source.read([alerts("Hot")], at)
    await source.aclose()
    return reading


@pytest.mark.parametrize(("later", "age"), [(10, 0), (60, 0), (600, 540)])
async def test_an_evaluation_speaks_for_its_interval_and_then_grows_old(later: float, age: float) -> None:
    async with raw_server(server(told(GROUPS), told(HOT))) as prom:
        reading = await read(prom, 1700000000.0 + later)
    assert (reading.status, reading.value) == ("ok", 1)
    assert 1700000000.0 + later - reading.data_at == pytest.approx(age, abs=0.2)
    assert reading.window_from == pytest.approx(1700000000.123, abs=0.01)
    assert reading.red == (pytest.approx(1700000000.123, abs=0.01),)


async def test_an_alert_turned_red_when_its_rule_had_waited_and_not_when_it_began_to_wait() -> None:
    """Pending since before the phase, red within it: `activeAt` alone would take it for an older fire."""
    waits = GROUPS.replace('"name":"Hot"', '"name":"Hot","duration":290')
    async with raw_server(server(told(waits), told(HOT))) as prom:
        reading = await read(prom, 1700000400.0)
    assert reading.red == (pytest.approx(1700000000.123 + 300, abs=0.01),)  # the fifth evaluation, one a minute


async def test_a_rule_that_was_never_evaluated_is_no_data() -> None:
    never = GROUPS.replace(EVALUATED, "0001-01-01T00:00:00Z").replace('"ok"', '"unknown"')
    async with raw_server(server(told(never), told('{"alerts":[]}'))) as prom:
        reading = await read(prom, 1700000000.0)
    assert (reading.status, reading.note) == ("nodata", "the alerting rule Hot is not evaluated yet")


async def test_a_gateway_that_hides_the_rules_leaves_the_alerts() -> None:
    async with raw_server(server(reply("not here", "404 Not Found"), told(HOT))) as prom:
        reading = await read(prom, 1700000000.0)
    assert (reading.status, reading.value) == ("ok", 1)
    assert "when its rule was last evaluated is not told" in reading.note


@pytest.mark.parametrize(
    ("rules", "red", "status", "words"),
    [
        (told(GROUPS), reply("slow down", "429 Too Many Requests"), "stale", "429"),
        (reply("<html>"), told(HOT), "error", "web page"),
        (told(GROUPS), reply("<html>"), "error", "web page"),
        (told('{"groups":[{"rules":[{}]}]}'), told(HOT), "error", "not Prometheus'"),
        (told(GROUPS), told('{"alerts":[{"state":"firing"}]}'), "error", "not Prometheus'"),
        (reply("who?", "401 Unauthorized"), told(HOT), "error", "the token is missing"),
    ],
)
async def test_a_sick_server_is_never_a_green_board(rules: bytes, red: bytes, status: str, words: str) -> None:
    async with raw_server(server(rules, red)) as prom:
        reading = await read(prom, 1700000000.0)
    assert (reading.status, reading.value, reading.red) == (status, None, ())
    assert words in reading.note


async def test_what_an_alert_says_of_itself_is_cleaned() -> None:
    evil = HOT.replace('"alertname":"Hot"', r'"alertname":"Hot","x":"\u001b[31mred"')
    async with raw_server(server(told(GROUPS), told(evil))) as prom:
        reading = await read(prom, 1700000000.0)
    assert reading.value == 1
    assert "\x1b" not in reading.note
