"""Rates, quantiles and averages from instances' own /metrics, on real sockets, at times that the test chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from amplify_tui.adapters.poll import Target
from amplify_tui.adapters.ports import Query
from amplify_tui.adapters.scrape import ScrapeSource
from amplify_tui.verdict.model import Part, Reading
from tests.adapters.raw_server import Raw, raw_server, reply

ERRORS = Query(signal="errors", bad='hits_total{code=~"5.."}', total="hits_total", window=10, every=5)
LATENCY = Query(signal="latency", value="p50 of seconds", window=10, every=5)
QUEUE = Query(signal="queue", value="avg of depth", window=10, every=5)


class World:
    """Instances whose page the test sets, and a clock that it turns: `/metrics` is scraped at `now`."""

    def __init__(self, servers: list[Raw], pages: dict[int, str | None]) -> None:
        targets = [Target(service="shop", instance=f"shop-{n}", url=one.url) for n, one in enumerate(servers, 1)]
        self.source = ScrapeSource(targets, source="own", every=5.0, timeout=1.5, clock=lambda: self.now)
        self.servers, self.pages = servers, pages
        self.now = 1000.0

    async def step(self, seconds: float, *queries: Query, **pages: str | None) -> list[Reading]:
        self.now += seconds
        self.pages.update({int(name[1:]): page for name, page in pages.items()})
        return await self.source.read(queries, self.now)


@asynccontextmanager
async def world(instances: int = 1) -> AsyncIterator[World]:
    pages: dict[int, str | None] = {}
    async with AsyncExitStack() as stack:
        servers = []
        for number in range(1, instances + 1):

            def answer(path: str, number: int = number) -> bytes | None:
                page = pages.get(number)
                return None if page is None else reply(page)

            servers.append(await stack.enter_async_context(raw_server(answer)))
        made = World(servers, pages)
        yield made
        await made.source.aclose()


def hits(good: float, bad: float | None = None, start: float = 1.0) -> str:
    broken = "" if bad is None else f'\nhits_total{{code="500"}} {bad}'
    return f'process_start_time_seconds {start}\nhits_total{{code="200"}} {good}{broken}\n'


async def test_a_rate_needs_two_scrapes_and_is_what_the_counter_grew_by() -> None:
    async with world() as w:
        (first,) = await w.step(0, ERRORS, _1=hits(100, 10))
        (second,) = await w.step(5, ERRORS, _1=hits(190, 20))
    assert first.status == "nodata"
    assert "a rate needs two" in first.note
    assert second.status == "ok"
    assert (second.bad, second.total, second.value, second.n) == (2, 20, 0.1, 100)
    assert (second.window_from, second.data_at) == (1000, 1005)


async def test_a_service_without_an_error_series_has_no_errors() -> None:
    async with world() as w:
        await w.step(0, ERRORS, _1=hits(100))
        (reading,) = await w.step(5, ERRORS, _1=hits(200))
    assert (reading.status, reading.bad, reading.value) == ("ok", 0, 0)


async def test_the_first_error_ever_counts() -> None:
    async with world() as w:
        await w.step(0, ERRORS, _1=hits(100))
        (reading,) = await w.step(5, ERRORS, _1=hits(195, 5))
    assert (reading.bad, reading.total) == (1, 20)


async def test_without_a_request_there_is_no_data_however_good_it_looks() -> None:
    async with world() as w:
        await w.step(0, ERRORS, _1=hits(100, 0))
        (idle,) = await w.step(5, ERRORS, _1=hits(100, 0))
        (gone,) = await w.step(5, ERRORS, _1="up 1\n")
    assert (idle.status, idle.value) == ("nodata", None)
    assert gone.status == "nodata"


async def test_a_counter_that_fell_was_reset_and_its_new_value_is_the_growth() -> None:
    async with world() as w:
        await w.step(0, ERRORS, _1=hits(1000, 0))
        (reading,) = await w.step(5, ERRORS, _1=hits(50, 0))
    assert reading.total == 10


async def test_a_restart_resets_even_a_counter_that_is_higher_again() -> None:
    async with world() as w:
        await w.step(0, ERRORS, _1=hits(10, 0, start=1))
        (reading,) = await w.step(5, ERRORS, _1=hits(50, 0, start=2))
    assert reading.total == 10


async def test_a_reading_says_what_each_instance_had_of_it_the_worst_first() -> None:
    async with world(3) as w:
        await w.step(0, ERRORS, QUEUE, _1=hits(0, 0) + "depth 4\n", _2=hits(0, 0) + "depth 1\n", _3="depth 2\n")
        errors, queue = await w.step(
            5, ERRORS, QUEUE, _1=hits(100, 0) + "depth 4\n", _2=hits(75, 25) + "depth 1\n", _3="depth 9\n"
        )
    assert errors.parts == (Part("shop-2", 0.25, 100.0), Part("shop-1", 0.0, 100.0))  # shop-3 was asked nothing
    assert queue.parts == (Part("shop-3", 9.0), Part("shop-1", 4.0), Part("shop-2", 1.0))


async def test_instances_are_summed_and_a_silent_one_is_named() -> None:
    async with world(2) as w:
        await w.step(0, ERRORS, _1=hits(0, 0), _2=hits(0, 0))
        (both,) = await w.step(5, ERRORS, _1=hits(100, 0), _2=hits(50, 50))
        await w.step(5, ERRORS, _2=None)
        (one,) = await w.step(5, ERRORS, _1=hits(300, 0), _2=None)
        w.pages[1] = None
        await w.step(5, ERRORS)
        (none,) = await w.step(5, ERRORS)
    assert (both.status, both.bad, both.total, both.note) == ("ok", 10, 40, "")
    assert (one.status, one.bad, one.note) == ("ok", 0, "without shop-2: no answer within 1.5s")
    assert (none.status, none.value) == ("error", None)
    assert "shop-1: no answer" in none.note


@pytest.mark.parametrize("page", ["<html>", "hits_total{cod", "hits_total 1\njunk", ""])
async def test_half_a_page_is_never_taken_for_counters_that_fell(page: str) -> None:
    async with world() as w:
        await w.step(0, ERRORS, _1=hits(1000, 0))
        await w.step(5, ERRORS, _1=page)
        (reading,) = await w.step(20, ERRORS, _1=page)
    assert reading.status == "error"
    assert reading.note.startswith("shop-1: /metrics: ")


async def test_a_quantile_is_of_what_the_histogram_grew_by() -> None:
    def page(low: int, high: int) -> str:
        edges = {"0.1": low, "0.5": high, "+Inf": high}
        return "\n".join(f'seconds_bucket{{le="{edge}"}} {n}' for edge, n in edges.items()) + "\nseconds_count 1\n"

    async with world() as w:
        await w.step(0, LATENCY, _1=page(1000, 1000))
        (reading,) = await w.step(5, LATENCY, _1=page(1000, 1100))
    assert reading.value == pytest.approx(0.3)  # the fast thousand from before has no say
    assert reading.n == pytest.approx(100)


async def test_an_average_is_of_all_instances_now() -> None:
    async with world(2) as w:
        (reading,) = await w.step(0, QUEUE, _1="depth 10\n", _2='depth{q="a"} 1\ndepth{q="b"} 1\n')
        (lost,) = await w.step(5, QUEUE, _1="other 1\n", _2="other 1\n")
        (infinite,) = await w.step(5, QUEUE, _1="depth +Inf\n", _2="depth 1\n")
    assert (reading.status, reading.value) == ("ok", 4)
    assert lost.status == "nodata"
    assert infinite.status == "nodata"


async def test_promql_in_a_scrape_signal_is_an_error_that_says_what_to_write() -> None:
    query = Query(signal="errors", bad="rate(hits_total[1m])", total="hits_total")
    async with world() as w:
        (reading,) = await w.step(0, query, _1=hits(1))
    assert reading.status == "error"
    assert "without functions or ranges" in reading.note


async def test_two_signals_share_one_scrape() -> None:
    async with world() as w:
        await w.step(0, ERRORS, QUEUE, LATENCY, _1=hits(1))
        await w.step(0.1, ERRORS)
        assert w.servers[0].paths == ["/metrics"]
        assert w.servers[0].connections == 1


async def test_the_check_names_each_instance_that_cannot_be_scraped() -> None:
    async with world(2) as w:
        w.pages.update({1: hits(1), 2: "<html>"})
        (problem,) = await w.source.check()
    assert problem.what.startswith("shop-2: /metrics: line 1 is no sample")


def looking(**query: str) -> Query:
    return Query(signal="errors", **query)  # type: ignore[arg-type]


async def test_the_check_names_what_no_instance_has_and_lets_errors_that_never_happened_be() -> None:
    page = 'hits_total{code="200",variant="on"} 7\nhits_total{code="200",variant="off"} 7\n'
    fine = looking(bad='hits_total{code=~"5.."}', total='hits_total{variant="on"}')
    async with world(2) as w:
        w.pages.update({1: page, 2: page})
        assert await w.source.check([fine]) == []
        bad, total = await w.source.check([looking(bad="errors_total", total="rate(hits_total[1m])")])
        (cohort,) = await w.source.check(
            [looking(bad="hits_total", total='hits_total{variant="blue"}', cohort="treatment", cohort_value="blue")]
        )
        (value,) = await w.source.check([looking(value="p99 of seconds")])
    assert (bad.severity, bad.where, bad.what) == ("warning", "signals.errors.bad", "there is no metric errors_total")
    assert "counts as 0 errors" in bad.fix
    assert (total.severity, total.where) == ("error", "signals.errors.total")
    assert "without functions or ranges" in total.what
    assert cohort.what == 'the cohort treatment matches nothing: no series of hits_total has variant="blue"'
    assert cohort.fix == "it has off, on"
    assert value.what == "there is no metric seconds_bucket"
