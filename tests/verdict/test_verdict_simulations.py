"""The simulations of tests/proof: their short cuts change no answer, and a few runs of each table keep its promise.

`python -m tests.proof` has the tables with many more runs, which docs/verdicts.md shows.
"""

from __future__ import annotations

from typing import Final

import pytest
from msgspec.structs import replace

from amplify_tui.adapters.promtext import parse, selector
from amplify_tui.adapters.scrape import Scrape, growth
from amplify_tui.verdict.model import Reading, Term
from tests.proof import polls
from tests.proof.polls import ALL, EVERY, T0, Sample, Trouble
from tests.proof.through import COMPARED, fails_by_readings, limited, looks, span_fails
from tests.proof.worlds import INDEPENDENT, Sessions, World

NAMES: Final = frozenset({"hits_total", "process_start_time_seconds"})
HOUR: Final = 3600.0


def test_the_simulated_counters_grow_as_the_source_that_reads_them_says() -> None:
    trouble = Trouble(lost=0.3, restart=120.0, reset=95.0)
    found = polls.samples(polls.Random(7), [40] * 200, [3] * 200, trouble)
    assert {one.started for one in found} > {0.0}
    compared = 0
    for reading in polls.readings(found, 200):
        begin, end = reading.window_from - T0, reading.window_to - T0
        if reading.status == "error":
            continue
        pages = [_scraped(one) for one in found if begin <= one.at <= end]
        for asked, told in (('hits_total{code="500"}', reading.bad), ("hits_total", reading.total)):
            grown = growth(pages, selector(asked).of)
            assert told == pytest.approx(sum(grown.by.values()) / grown.seconds)
        compared += 1
    assert compared > 150


def _scraped(one: Sample) -> Scrape:
    text = (
        f"process_start_time_seconds {one.started}\n"
        f'hits_total{{code="200"}} {one.good}\nhits_total{{code="500"}} {one.bad}\n'
    )
    return Scrape(one.at, parse(text), NAMES)


def first_fail(term: Term, readings: list[Reading]) -> float | None:
    """When a gate that is asked each 5 s fails first."""
    ticks = sorted({one.received_at for one in readings})
    return next((look.at for look in looks([term], readings, ticks) if look.verdict.answer == "fail"), None)


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_of_readings_gives_the_fail_of_a_look_at_each_of_them(seed: int) -> None:
    world = replace(INDEPENDENT, exposure=lambda at: 0.25, worse=6.0)
    readings = polls.both(seed, world, HOUR, ALL)
    fired = first_fail(COMPARED, readings)
    assert fired is not None
    by_batch = fails_by_readings(readings, batch=600.0)
    assert by_batch is not None
    assert fired - EVERY <= by_batch <= fired


@pytest.mark.parametrize("trouble", [polls.NONE, ALL, Trouble(lost=0.15)])
def test_a_look_that_is_skipped_was_no_fail(trouble: Trouble) -> None:
    world = World(
        name="", rate=lambda at: 4.0, share=lambda at: 0.015 if at % 900.0 < 240.0 else 0.004,
        exposure=lambda at: 1.0, sessions=Sessions(30.0, 0.5),
    )  # fmt: skip
    told = 0
    for seed in range(4):
        readings = polls.of(seed, world, HOUR, trouble)
        term = limited(0.01, 40.0)
        expected = first_fail(term, readings)
        assert next(iter(span_fails(term, readings)), None) == expected
        told += expected is not None
    assert 0 < told < 4
