"""The past of a real Prometheus, moment by moment: what a backtest replays is what a poll would have answered then."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from amplify_tui.adapters import prometheus as module
from amplify_tui.adapters.poll import Target
from amplify_tui.adapters.ports import Invalid, Query
from amplify_tui.adapters.prometheus import Prometheus
from amplify_tui.adapters.scrape import ScrapeSource
from tests.adapters.raw_server import raw_server, reply
from tests.conftest import real_prometheus
from tests.real import services

pytestmark = pytest.mark.real

CONFIG = "global: {scrape_interval: 1s}\n"


def history(base: int) -> str:
    """Ten minutes at one sample each 15 s. The counter is reset at 5 min, another instance begins there; a gauge goes
    below zero, is NaN and Inf for a while, and then is gone."""
    hits: list[str] = []
    late: list[str] = []
    odd: list[str] = []
    for step in range(41):
        at = base + step * 15
        hits.append(f'hits_total{{i="1"}} {(step if step < 20 else step - 20) * 150} {at}')
        if step >= 20:
            late.append(f'hits_total{{i="2"}} {(step - 20) * 150} {at}')
        if step < 30:
            odd.append(f"odd {'NaN' if 10 <= step < 15 else '+Inf' if 15 <= step < 20 else -3} {at}")
    return "\n".join(["# TYPE hits counter", *hits, *late, "# TYPE odd gauge", *odd, "# EOF\n"])


@pytest.fixture(scope="module")
def base() -> int:
    return int(time.time()) // 60 * 60 - 1800


@pytest.fixture(scope="module")
def server(base: int) -> Iterator[services.Prometheus]:
    with real_prometheus(CONFIG, openmetrics=history(base)) as running:
        yield running


TOTAL = "sum(rate(hits_total[1m]))"
PAIR = Query(signal="errors", bad='sum(rate(hits_total{i="9"}[1m]))', total=TOTAL)
ODD = Query(signal="odd", value="max_over_time(odd[15s])")


async def test_a_range_answers_what_a_poll_at_each_moment_would_have(prometheus: Prometheus, base: int) -> None:
    moments = [base + 60.0 + number * 20 for number in range(31)]
    past = await prometheus.range([PAIR, ODD], moments[0], moments[-1], 20.0)
    assert [len(readings) for readings in past] == [31, 31]
    for number, moment in enumerate(moments):
        for query, readings in zip([PAIR, ODD], past, strict=True):
            (polled,) = await prometheus.read([query], moment)
            then = readings[number]
            assert then.received_at == moment
            assert (then.status, then.data_at, then.value, then.n, then.note) == (
                polled.status, polled.data_at, polled.value, polled.n, polled.note
            )  # fmt: skip
    statuses = {reading.status for readings in past for reading in readings}
    assert statuses == {"ok", "nodata"}


async def test_a_reset_and_a_series_that_appears_in_the_middle_never_make_a_rate_negative_or_an_error(
    prometheus: Prometheus, base: int
) -> None:
    (readings,) = await prometheus.range([PAIR], base + 60.0, base + 600.0, 5.0)
    assert {reading.status for reading in readings} == {"ok"}
    assert all(reading.total is not None and 5.0 < reading.total < 20.5 for reading in readings)
    assert readings[0].total == pytest.approx(10)
    assert readings[-1].total == pytest.approx(20)


async def test_more_moments_than_an_answer_may_hold_are_asked_for_in_parts(
    prometheus: Prometheus, base: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = await prometheus.range([PAIR], base + 60.0, base + 600.0, 20.0)
    monkeypatch.setattr(module, "MOST_POINTS", 4)
    (parts,) = await prometheus.range([PAIR], base + 60.0, base + 600.0, 20.0)
    assert parts == whole
    monkeypatch.undo()
    (fine,) = await prometheus.range([PAIR], base + 0.0, base + 600.0, 0.05)
    assert len(fine) == 12001
    assert fine[-1].status == "ok"


async def test_several_series_are_an_error_only_at_the_moments_that_have_them(
    prometheus: Prometheus, base: int
) -> None:
    query = Query(signal="traffic", value="rate(hits_total[1m])")
    (readings,) = await prometheus.range([query], base + 60.0, base + 600.0, 60.0)
    assert [reading.status for reading in readings] == ["ok"] * 5 + ["error"] * 5
    assert "answers 2 series" in readings[-1].note


async def test_what_cannot_be_asked_says_so_at_each_moment_in_the_servers_words(
    prometheus: Prometheus, base: int
) -> None:
    (readings,) = await prometheus.range([Query(signal="x", value="sum(")], base + 0.0, base + 60.0, 20.0)
    assert [reading.status for reading in readings] == ["error"] * 4
    assert "parse error" in readings[0].note


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (reply("slow down", "429 Too Many Requests"), "stale", "429"),
        (reply("<html>"), "error", "web page"),
        (reply('{"status":"success","data":{"resultType":"vector","result":[]}}'), "error", "answers a vector"),
        (reply('{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1]]}]}}'), "error", "not Prom"),
    ],
)
async def test_a_sick_servers_past_is_readings_that_say_so(answer: bytes, status: str, words: str) -> None:
    async with raw_server(answer) as sick:
        source = Prometheus(sick.url, source="prom")
        (readings,) = await source.range([PAIR], 0.0, 40.0, 20.0)
        await source.aclose()
    assert [(reading.status, reading.value) for reading in readings] == [(status, None)] * 3
    assert words in readings[0].note


async def test_a_partial_answer_of_the_past_is_marked() -> None:
    body = '{"status":"success","warnings":["store eu is gone"],"data":{"resultType":"matrix","result":[{"values":[[20,"3"]]}]}}'
    async with raw_server(reply(body)) as server:
        source = Prometheus(server.url, source="prom")
        (readings,) = await source.range([Query(signal="x", value="a")], 0.0, 20.0, 20.0)
        await source.aclose()
    assert [(reading.status, reading.value) for reading in readings] == [("nodata", None), ("ok", 3)]
    assert readings[1].note == "store eu is gone"


async def test_a_source_without_a_past_says_so_beforehand_and_when_asked() -> None:
    source = ScrapeSource([Target(service="shop", instance="shop-1", url="http://127.0.0.1:9")], source="own")
    assert not source.abilities.range
    with pytest.raises(Invalid, match=r"sources\.own has no past"):
        await source.range([PAIR], 0.0, 60.0, 5.0)
    await source.aclose()
