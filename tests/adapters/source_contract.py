"""What Amplify takes for granted of every metric source: one function a promise. CHECKS has them all.

A seat is one source with what a test needs around it: its other side can be made to tell good numbers, none, nonsense or
nothing at all. Where kinds differ, the abilities say so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from amplify_tui.adapters.ports import Invalid, MetricSource, Query
from amplify_tui.verdict.model import Reading


@dataclass(frozen=True)
class Seat:
    """good: queries that find numbers, a pair whose share is `share`, and a value. wrong: one that is an error.

    advance: makes the other side tell new numbers, and waits until the source can have them. dead: the same source
    with nobody on the other side. sick: what the other side can be told to do wrong, and the words that are said then;
    a kind that asks nobody has none.
    """

    source: MetricSource
    good: tuple[Query, Query]
    wrong: Query
    share: float
    advance: Callable[[], Awaitable[None]]
    dead: MetricSource
    sick: dict[str, tuple[Callable[[], None], str]]


Check = Callable[[Seat], Awaitable[None]]


async def until_ok(seat: Seat, *queries: Query) -> list[Reading]:
    """The first answer in which each of *queries* has numbers."""
    deadline = time.monotonic() + 30
    while True:
        await seat.advance()
        readings = await seat.source.read(queries, time.time())
        if all(reading.status == "ok" for reading in readings):
            return readings
        assert time.monotonic() < deadline, readings


async def each_query_is_answered_once_and_in_order(seat: Seat) -> None:
    pair, value = seat.good
    asked = [value, pair, seat.wrong, pair]
    await until_ok(seat, pair, value)
    readings = await seat.source.read(asked, time.time())
    assert [reading.signal for reading in readings] == [query.signal for query in asked]
    assert [reading.status for reading in readings] == ["ok", "ok", "error", "ok"]
    assert readings[1] == readings[3]
    assert await seat.source.read([], time.time()) == []


async def a_pair_is_a_share_and_a_value_is_a_value(seat: Seat) -> None:
    pair, value = await until_ok(seat, *seat.good)
    assert pair.value == pytest.approx(seat.share)
    assert pair.total is not None
    assert pair.bad == pytest.approx(seat.share * pair.total)
    assert pair.n is not None
    assert pair.n > 0
    assert value.value is not None
    assert (value.bad, value.total) == (None, None)


async def a_reading_carries_the_time_of_its_data_and_its_window(seat: Seat) -> None:
    before = time.time()
    readings = await until_ok(seat, *seat.good)
    for reading in readings:
        age = reading.received_at - reading.data_at
        assert -1.0 <= age <= seat.source.abilities.lag + 3 * seat.good[0].window, reading
        assert reading.received_at >= before
        assert reading.window_from <= reading.data_at
        assert reading.window_to == reading.data_at


async def what_is_wrong_with_a_query_is_a_reading_with_a_note_and_a_problem_with_its_place(seat: Seat) -> None:
    await until_ok(seat, *seat.good)
    (reading,) = await seat.source.read([seat.wrong], time.time())
    assert (reading.status, reading.value, reading.n) == ("error", None, None)
    assert reading.note
    problems = await seat.source.check([*seat.good, seat.wrong])
    assert [problem.severity for problem in problems] == ["error"], problems
    assert problems[0].where.startswith(f"signals.{seat.wrong.signal}.")


async def nobody_there_is_a_reading_and_never_an_exception(seat: Seat) -> None:
    readings = await seat.dead.read(seat.good, time.time())
    assert len(readings) == 2
    for reading in readings:
        assert reading.status in ("error", "nodata", "stale")
        assert (reading.value, reading.n, reading.bad, reading.total) == (None, None, None, None)
        assert reading.note


async def every_fault_of_the_other_side_is_said_in_words(seat: Seat) -> None:
    await until_ok(seat, *seat.good)
    for name, (begin, words) in seat.sick.items():
        begin()
        deadline = time.monotonic() + 30
        while True:
            readings = await seat.source.read(seat.good, time.time())
            if all(reading.status in ("error", "stale") and words in reading.note for reading in readings):
                break
            assert time.monotonic() < deadline, (name, readings)
            await asyncio.sleep(0.02)
        for reading in readings:
            assert (reading.value, reading.n) == (None, None)


async def it_recovers_by_itself(seat: Seat) -> None:
    await every_fault_of_the_other_side_is_said_in_words(seat)
    await until_ok(seat, *seat.good)


async def the_past_is_there_or_is_refused_in_words(seat: Seat) -> None:
    now = time.time()
    if seat.source.abilities.range:
        await until_ok(seat, *seat.good)
        past = await seat.source.range(seat.good, now - 4, now, 1.0)
        assert [len(readings) for readings in past] == [5, 5]
        assert [[reading.signal for reading in readings] for readings in past] == [[q.signal] * 5 for q in seat.good]
    else:
        with pytest.raises(Invalid, match="has no past to ask for"):
            await seat.source.range(seat.good, now - 4, now, 1.0)


async def closing_twice_is_no_fault(seat: Seat) -> None:
    await seat.source.read(seat.good, time.time())
    await seat.source.aclose()
    await seat.source.aclose()


CHECKS: tuple[Check, ...] = (
    each_query_is_answered_once_and_in_order,
    a_pair_is_a_share_and_a_value_is_a_value,
    a_reading_carries_the_time_of_its_data_and_its_window,
    what_is_wrong_with_a_query_is_a_reading_with_a_note_and_a_problem_with_its_place,
    nobody_there_is_a_reading_and_never_an_exception,
    every_fault_of_the_other_side_is_said_in_words,
    it_recovers_by_itself,
    the_past_is_there_or_is_refused_in_words,
    closing_twice_is_no_fault,
)
