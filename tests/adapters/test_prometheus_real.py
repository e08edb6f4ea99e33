"""The Prometheus adapter against a real Prometheus: back-filled series with known numbers, and its own live metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from amplify_tui.adapters.poll import Target
from amplify_tui.adapters.ports import Query
from amplify_tui.adapters.prometheus import Prometheus
from amplify_tui.adapters.promtext import quantile
from amplify_tui.adapters.scrape import ScrapeSource
from amplify_tui.verdict.model import Reading
from tests.adapters.raw_server import raw_server, reply
from tests.conftest import real_prometheus
from tests.real import services

pytestmark = pytest.mark.real

CONFIG = """
global: {scrape_interval: 1s}
scrape_configs: [{job_name: self, static_configs: [{targets: ["SELF"]}]}]
"""
BUCKETS = {0.1: 30.0, 0.5: 80.0, 1.0: 95.0, float("inf"): 100.0}


def history(base: int) -> str:
    """Ten minutes at one sample each 15 s: 20 requests a second, one of them bad; a gauge; a histogram."""
    lines: dict[str, list[str]] = {"hits": [], "idle": [], "odd": [], "secs": []}
    for step in range(41):
        at = base + step * 15
        lines["hits"] += [f'hits_total{{code="200"}} {step * 285} {at}', f'hits_total{{code="500"}} {step * 15} {at}']
        lines["idle"].append(f"idle_total 7 {at}")
        lines["odd"].append(f"odd NaN {at}")
        for edge, share in BUCKETS.items():
            name = "+Inf" if edge == float("inf") else edge
            lines["secs"].append(f'secs_bucket{{le="{name}"}} {step * share} {at}')
        lines["secs"] += [f"secs_count {step * 100} {at}", f"secs_sum {step} {at}"]
    kinds = {"hits": "counter", "idle": "counter", "odd": "gauge", "secs": "histogram"}

    def grouped(rows: list[str]) -> list[str]:
        return sorted(rows, key=lambda row: row.rpartition(" ")[0].rpartition(" ")[0])

    parts = [f"# TYPE {name} {kind}\n" + "\n".join(grouped(lines[name])) for name, kind in kinds.items()]
    return "\n".join(parts) + "\n# EOF\n"


@pytest.fixture(scope="module")
def base() -> int:
    return int(time.time()) // 60 * 60 - 1800


@pytest.fixture(scope="module")
def server(base: int) -> Iterator[services.Prometheus]:
    with real_prometheus(CONFIG, openmetrics=history(base)) as running:
        yield running


async def one(prometheus: Prometheus, query: Query, at: float) -> Reading:
    (reading,) = await prometheus.read([query], at)
    return reading


def pair(bad: str, total: str, **more: object) -> Query:
    return Query(signal="errors", bad=bad, total=total, **more)  # type: ignore[arg-type]


TOTAL = "sum(rate(hits_total[1m]))"


async def test_a_pair_is_a_share_with_the_number_of_requests_in_its_window(prometheus: Prometheus, base: int) -> None:
    at = base + 300.0
    reading = await one(prometheus, pair('sum(rate(hits_total{code="500"}[1m]))', TOTAL), at)
    assert (reading.status, reading.note) == ("ok", "")
    assert reading.value == pytest.approx(0.05)
    assert reading.total == pytest.approx(20)
    assert reading.n == pytest.approx(1200)
    assert (reading.data_at, reading.window_from, reading.window_to) == (at, at - 60, at)


async def test_an_instance_each_says_who_stands_out_and_is_no_part_of_the_judgement(
    prometheus: Prometheus, base: int
) -> None:
    each = "sum by (code) (rate(hits_total[1m]))"
    told = await one(prometheus, pair("vector(0)", TOTAL, by_instance=each), base + 300.0)
    assert [(part.instance, round(part.value)) for part in told.parts] == [("200", 19), ("500", 1)]
    broken = await one(prometheus, pair("vector(0)", TOTAL, by_instance="sum by (code) (rate("), base + 300.0)
    assert (broken.status, broken.value, broken.parts) == (told.status, told.value, ())


async def test_counts_are_taken_as_they_are(prometheus: Prometheus, base: int) -> None:
    query = pair('sum(increase(hits_total{code="500"}[1m]))', "sum(increase(hits_total[1m]))", as_increase=True)
    reading = await one(prometheus, query, base + 300.0)
    assert reading.total == pytest.approx(1200)
    assert reading.n == pytest.approx(1200)


async def test_a_quantile_comes_with_its_count_and_equals_ours(prometheus: Prometheus, base: int) -> None:
    for q in (0.2, 0.5, 0.9, 0.99):
        value = f"histogram_quantile({q}, sum by (le) (rate(secs_bucket[2m])))"
        query = Query(signal="latency", value=value, count="sum(rate(secs_count[2m]))")
        reading = await one(prometheus, query, base + 300.0)
        assert reading.value == pytest.approx(quantile(q, BUCKETS))
        assert reading.n == pytest.approx(800)


async def test_an_absent_error_series_beside_requests_is_zero_errors(prometheus: Prometheus, base: int) -> None:
    reading = await one(prometheus, pair('sum(rate(hits_total{code="599"}[1m]))', TOTAL), base + 300.0)
    assert (reading.status, reading.bad, reading.value) == ("ok", 0, 0)
    assert "counted as 0" in reading.note


@pytest.mark.parametrize(
    "total",
    ["sum(rate(nothing_total[1m]))", "sum(rate(idle_total[1m]))", "odd", "1/0", "sum(rate(hits_total[1m] offset 1d))"],
    ids=["no series", "no requests", "NaN", "Inf", "before the data"],
)
async def test_what_is_no_number_of_requests_is_no_data(prometheus: Prometheus, base: int, total: str) -> None:
    reading = await one(prometheus, pair('sum(rate(hits_total{code="500"}[1m]))', total), base + 300.0)
    assert (reading.status, reading.value, reading.n) == ("nodata", None, None)


async def test_a_rate_is_empty_once_its_data_is_too_old(prometheus: Prometheus, base: int) -> None:
    reading = await one(prometheus, pair(TOTAL, TOTAL), base + 600 + 120.0)
    assert reading.status == "nodata"


async def test_several_series_are_an_error_that_says_to_aggregate(prometheus: Prometheus, base: int) -> None:
    reading = await one(prometheus, pair(TOTAL, "rate(hits_total[1m])"), base + 300.0)
    assert reading.status == "error"
    assert "answers 2 series" in reading.note
    assert "sum(...)" in reading.note


@pytest.mark.parametrize("text", ["sum(rate(hits_total[1m])", "hits_total[1m]", '"text"'])
async def test_a_query_that_is_no_number_is_an_error_in_the_servers_words(
    prometheus: Prometheus, base: int, text: str
) -> None:
    reading = await one(prometheus, Query(signal="x", value=text), base + 300.0)
    assert reading.status == "error"
    assert reading.note


async def test_a_bad_query_spoils_no_other(prometheus: Prometheus, base: int) -> None:
    good = pair('sum(rate(hits_total{code="500"}[1m]))', TOTAL)
    readings = await prometheus.read([pair("((", TOTAL), good], base + 300.0)
    assert [reading.status for reading in readings] == ["error", "ok"]


async def test_a_very_long_query_still_reaches_the_server(prometheus: Prometheus, base: int) -> None:
    long = f'sum(rate(hits_total{{code!~"{"|".join(str(n) for n in range(600, 1400))}"}}[1m]))'
    assert len(long) > 2000
    assert (await one(prometheus, pair(long, TOTAL), base + 300.0)).value == pytest.approx(1)


async def test_a_good_server_has_no_problems_and_tells_its_version(prometheus: Prometheus) -> None:
    assert await prometheus.check() == []
    assert (await prometheus.build())[0].isdigit()


async def test_a_server_that_is_no_prometheus_is_told_from_one_that_is_down() -> None:
    async with raw_server(reply("not here", "404 Not Found")) as other:
        for url, words in ((other.url, "no Prometheus API"), ("http://127.0.0.1:9", "no connection")):
            source = Prometheus(url, source="prom")
            (problem,) = await source.check()
            assert words in problem.what
            await source.aclose()


async def test_a_live_servers_own_metrics_scraped_by_us_and_by_itself_agree_on_what_exists(
    server: services.Prometheus, prometheus: Prometheus
) -> None:
    target = Target(service="prom", instance="prom-1", url=server.url)
    own = ScrapeSource([target], source="own", every=0.2)
    count = Query(signal="traffic", bad='prometheus_http_requests_total{code=~"5.."}',
                  total="prometheus_http_requests_total", window=5, every=1)  # fmt: skip
    latency = Query(signal="latency", value="p90 of prometheus_http_request_duration_seconds", window=5, every=1)
    theirs = Query(signal="traffic", value="sum(prometheus_http_requests_total)")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        readings = await own.read([count, latency], time.time())
        seen = await one(prometheus, theirs, time.time())
        if [reading.status for reading in readings] == ["ok", "ok"] and seen.status == "ok":
            break
        await asyncio.sleep(0.1)
    await own.aclose()
    assert [reading.status for reading in readings] == ["ok", "ok"], readings
    assert readings[0].value == 0
    assert readings[1].value is not None
    assert readings[1].value > 0
    assert seen.value is not None


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (None, "error", "no answer within"),
        (reply("slow down", "429 Too Many Requests"), "stale", "429"),
        (reply('{"status":"error","error":"overloaded"}', "503 Unavailable"), "error", "503: overloaded"),
        (reply("<html>"), "error", "web page"),
        (reply('{"status":"success"}'), "error", "not Prometheus'"),
        (reply("who?", "401 Unauthorized"), "error", "the token is missing"),
    ],
)
async def test_a_sick_server_gives_readings_that_say_so(answer: bytes | None, status: str, words: str) -> None:
    async with raw_server(answer) as sick:
        source = Prometheus(sick.url, source="prom", timeout=0.3)
        reading = await one(source, pair("a", "b"), time.time())
        await source.aclose()
    assert (reading.status, reading.value) == (status, None)
    assert words in reading.note


async def test_partial_answers_are_marked() -> None:
    body = (
        '{"status":"success","warnings":["store eu is gone"],"data":{"resultType":"scalar","result":[1700000000,"3"]}}'
    )
    async with raw_server(reply(body)) as server:
        source = Prometheus(server.url, source="prom")
        reading = await one(source, Query(signal="x", value="a"), 1700000000.0)
        await source.aclose()
    assert (reading.status, reading.value, reading.note) == ("ok", 3, "store eu is gone")


@pytest.mark.parametrize(("year", "status"), [("2001", "error"), ("", "ok")])
async def test_a_clock_that_is_far_off_makes_its_data_unusable(year: str, status: str) -> None:
    body = '{"status":"success","data":{"resultType":"scalar","result":[1700000000,"3"]}}'
    date = [f"date: Mon, 01 Jan {year} 00:00:00 GMT"] if year else []
    async with raw_server(reply(body, "200 OK", *date)) as server:
        source = Prometheus(server.url, source="prom")
        reading = await one(source, Query(signal="x", value="a"), 1700000000.0)
        await source.aclose()
    assert reading.status == status
