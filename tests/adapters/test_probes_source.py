"""Signals from health checks that somebody else made: which count, for how long, and what an instance's silence is."""

from __future__ import annotations

import pytest

from amplify_tui.adapters.poll import Target
from amplify_tui.adapters.ports import Query
from amplify_tui.adapters.probes import ProbesSource
from amplify_tui.playbook.model import Health
from amplify_tui.verdict.model import InstanceReading, Reading

ERRORS = Query(signal="errors", bad="failed", total="probes", window=10, every=5)
LATENCY = Query(signal="latency", value="p90 of latency", window=10, every=5)


def source(instances: int = 2) -> ProbesSource:
    targets = [
        Target(service="shop", instance=f"shop-{n}", url="http://127.0.0.1:9", health=Health(every=5.0))
        for n in range(1, instances + 1)
    ]
    return ProbesSource(targets, source="checks")


def look(at: float, instance: int = 1, latency: float | None = 0.1, ok: bool | None = True) -> InstanceReading:
    return InstanceReading(
        service="shop",
        instance=f"shop-{instance}",
        url="",
        status="ok" if latency is not None else "error",
        data_at=at if latency is not None else 0.0,
        received_at=at,
        ok=ok if latency is not None else None,
        latency=latency,
    )


async def read(own: ProbesSource, query: Query, at: float, *looks: InstanceReading) -> Reading:
    for one in looks:
        own.see(one)
    (reading,) = await own.read([query], at)
    return reading


async def test_what_was_not_answered_and_what_was_answered_wrongly_has_failed() -> None:
    looks = [look(1001), look(1002, latency=None), look(1006, ok=False), look(1007, 2)]
    reading = await read(source(), ERRORS, 1010.0, *looks)
    assert (reading.status, reading.value, reading.n) == ("ok", 0.5, 4)
    assert (reading.bad, reading.total) == (0.2, 0.4)
    assert (reading.window_from, reading.data_at) == (1000.0, 1006)


async def test_a_failed_check_is_data_of_when_it_failed() -> None:
    reading = await read(source(1), ERRORS, 1005.0, look(1003, latency=None))
    assert (reading.status, reading.value, reading.data_at) == ("ok", 1.0, 1003)


async def test_a_latency_is_of_those_that_answered_and_says_how_many_did_not() -> None:
    looks = [look(1000 + n, latency=n / 10) for n in range(1, 10)] + [look(1010, latency=None)]
    reading = await read(source(1), LATENCY, 1010.0, *looks)
    assert reading.value == pytest.approx(0.82)
    assert (reading.n, reading.note) == (9, "1 of 10 were not answered")


async def test_where_none_answered_there_is_no_latency() -> None:
    reading = await read(source(1), LATENCY, 1010.0, look(1009, latency=None))
    assert (reading.status, reading.value, reading.n) == ("nodata", None, None)


async def test_what_is_older_than_the_window_does_not_count_and_an_instance_without_any_is_named() -> None:
    reading = await read(source(), ERRORS, 1020.0, look(1005, latency=None), look(1006, 2), look(1015, 2))
    assert (reading.value, reading.n) == (0, 1)
    assert reading.note == "without shop-1: no health check in time"


async def test_a_poller_that_ended_is_stale_and_one_that_has_not_begun_is_no_data() -> None:
    own = source()
    before = await read(own, ERRORS, 1000.0)
    assert (before.status, before.note) == ("nodata", "no health check yet")
    after = await read(own, ERRORS, 1030.0, look(1005))
    assert (after.status, after.value, after.data_at) == ("stale", None, 1005)
    assert after.note == "the last health check is 25s ago"


async def test_instances_can_be_chosen_and_other_services_are_none_of_them() -> None:
    own = source()
    other = InstanceReading(service="other", instance="shop-1", url="", status="error", data_at=0, received_at=1006)
    chosen = Query(signal="errors", bad='failed{instance="shop-2"}', total='probes{instance="shop-2"}', window=10)
    reading = await read(own, chosen, 1010.0, look(1005, latency=None), look(1006, 2), other)
    assert (reading.value, reading.n) == (0, 1)
    nobody = await read(own, Query(signal="x", bad='failed{instance="shop-9"}', total="probes", window=10), 1010.0)
    assert (nobody.status, nobody.note) == ("error", "no instance of the service is chosen")


async def test_counts_are_of_the_time_between_two_readings() -> None:
    counts = Query(signal="errors", bad="failed", total="probes", as_increase=True, window=60, every=5)
    reading = await read(source(1), counts, 1010.0, look(1004), look(1008, latency=None))
    assert (reading.bad, reading.total, reading.n) == (1, 1, 1)


async def test_a_window_of_an_hour_is_kept_once_a_signal_has_asked_for_it() -> None:
    own = source(1)
    long = Query(signal="errors", bad="failed", total="probes", window=3600, every=5)
    await read(own, long, 1000.0)
    reading = await read(own, long, 4600.0, *(look(1000.0 + n * 5) for n in range(1, 721)))
    assert reading.n == pytest.approx(720)
    await read(own, long, 9000.0, *(look(4600.0 + n * 5) for n in range(1, 1441)))
    assert len(own._seen["shop-1"]) <= 724


@pytest.mark.parametrize(
    ("part", "text", "words"),
    [
        ("bad", "errors_total", "health checks have no errors_total"),
        ("bad", 'failed{zone="eu"}', "told apart by instance, not by zone"),
        ("value", "p99 of seconds", "health checks have no seconds"),
        ("value", "latency", "is no value"),
    ],
)
async def test_another_language_is_an_error_that_says_what_to_write(part: str, text: str, words: str) -> None:
    query = Query(signal="x", window=10, **{part: text})  # type: ignore[arg-type]
    reading = await read(source(1), query, 1010.0, look(1009))
    assert reading.status == "error"
    assert words in reading.note
    (problem,) = await source().check([query])
    assert words in problem.what
    assert problem.where == f"signals.x.{part}"
