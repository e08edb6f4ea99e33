"""The simulations of tests/proof: their short cuts change no answer, and a few runs of each table keep its promise.

`python -m tests.proof` has the tables with many more runs, which docs/verdicts.md shows.
"""

from __future__ import annotations

from typing import Final

import pytest
from msgspec.structs import replace

from amplify_tui.adapters.promtext import parse, selector
from amplify_tui.adapters.scrape import Scrape, growth
from amplify_tui.verdict import evidence
from amplify_tui.verdict.model import Reading, Term
from tests.proof import days, limits, page, peers, polls, power
from tests.proof.__main__ import QUICK, TABLES
from tests.proof.chance import interval, median
from tests.proof.false_fails import BURSTS, LOST
from tests.proof.polls import ALL, EVERY, T0, Sample, Trouble
from tests.proof.tables import Table
from tests.proof.through import COMPARED, compared, fails_at, fails_by_readings, limited, looks, span_fails
from tests.proof.worlds import DRIFT, HARD_5M, HOUR, INDEPENDENT, LONGEST, RAMP, Sessions, World

NAMES: Final = frozenset({"hits_total", "process_start_time_seconds"})


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
        name="", rate=lambda at: 4.0, share=lambda at: 0.03 if at % 900.0 < 240.0 else 0.004,
        exposure=lambda at: 1.0, sessions=Sessions(30.0, 0.5),
    )  # fmt: skip
    told = 0
    for seed in (2, 3):
        readings = polls.of(seed, world, 1200.0, trouble)
        term = limited(0.01, 40.0)
        expected = first_fail(term, readings)
        assert next(iter(span_fails(term, readings)), None) == expected
        told += expected is not None
    assert told == 1  # the other one keeps asking and never fails


# --- a few runs of each table -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", [INDEPENDENT, DRIFT, RAMP])
def test_a_healthy_release_does_not_fail_under_ten_thousand_looks(world: World) -> None:
    assert [fails_at(seed, world, LONGEST) for seed in range(5)] == [None] * 5


def test_a_healthy_release_does_not_fail_where_bursts_hit_and_polls_are_lost() -> None:
    assert [fails_by_readings(polls.both(seed, BURSTS, LONGEST, LOST)) for seed in range(2)] == [None] * 2


def test_a_healthy_release_that_long_sessions_fail_does_not_fail_with_blocks_of_that_length() -> None:
    seed = 21  # the one of the first 24 that fails with the default
    assert fails_at(seed, HARD_5M, LONGEST) is not None
    assert fails_at(seed, HARD_5M, LONGEST, compared(300.0)) is None


@pytest.mark.parametrize("key", [(2.0, 0.25, 100.0), (5.0, 0.05, 10.0), (5.0, 0.25, 1.0), (5.0, 0.01, 100.0)])
def test_a_fault_is_found_as_soon_as_the_method_allowed_when_it_was_chosen(key: tuple[float, float, float]) -> None:
    found = [fails_at(seed, power.faulty(*key), 3.0 * HOUR) for seed in range(40)]
    minutes, percent = power.reference(*key)
    assert minutes is not None
    middle = median(found)
    assert middle is not None
    assert middle <= power.SLOWER * 60.0 * minutes
    within = 100.0 * sum(at is not None and at <= HOUR for at in found) / len(found)
    assert within >= percent - power.POINTS


@pytest.mark.parametrize("rate", limits.RATES)
def test_a_limit_that_is_kept_at_four_fifths_of_itself_does_not_fail_within_a_day(rate: float) -> None:
    for seed in range(2):
        assert span_fails(limits.span_term(), polls.of(seed, limits.held(rate, "independent"), limits.DAY)) == []


def test_errors_that_come_in_clusters_all_day_are_learnt_from_the_clusters() -> None:
    world = limits.held(100.0, "hard, sessions of up to 30 s")
    for seed in range(3):
        readings = polls.readings(polls.answered(seed, world, limits.DAY), round(limits.DAY / EVERY), "treatment")
        assert span_fails(limits.span_term(), readings) == []


@pytest.mark.parametrize("rate", [10.0, 100.0])
def test_one_short_incident_does_not_dull_the_judge_for_the_next(rate: float) -> None:
    """15 s in which half of all fail is over before `for`; five minutes later it begins in earnest."""
    world = replace(
        limits.held(rate, "independent"),
        share=lambda at: 0.5 if 1200.0 <= at < 1215.0 or at >= 1500.0 else 0.001,
    )
    for seed in range(3):
        readings = polls.readings(polls.answered(seed, world, 2100.0), 420, "treatment")
        (first, *_) = (at for at in span_fails(limits.span_term(), readings) if at > T0 + 1500.0)
        assert first - T0 - 1500.0 <= 70.0


@pytest.mark.parametrize("rate", [10.0, 100.0])
def test_a_fail_does_not_teach_the_judge_that_its_own_effect_is_usual(rate: float) -> None:
    """Five minutes of half of all failing, then good again; five minutes later a twentieth fails."""
    world = replace(
        limits.held(rate, "independent"),
        share=lambda at: 0.5 if 1200.0 <= at < 1500.0 else 0.05 if at >= 1800.0 else 0.001,
    )
    for seed in range(3):
        readings = polls.readings(polls.answered(seed, world, 2400.0), 480, "treatment")
        (first, *_) = (at for at in span_fails(limits.span_term(), readings) if at > T0 + 1800.0)
        assert first - T0 - 1800.0 <= 180.0


@pytest.mark.parametrize("rate", [1.0, 10.0])
def test_a_limit_with_alpha_finds_five_times_as_many_bad_ones_as_soon_as_the_method_allowed(rate: float) -> None:
    world = limits.held(rate, "independent", share=0.05)
    middle = median([fails_at(seed, world, HOUR, limits.bet_term()) for seed in range(12)])
    assert middle is not None
    assert middle <= power.SLOWER * 570.0


def test_a_day_of_bursts_restarts_resets_and_lost_polls_is_no_fault_of_the_release() -> None:
    readings = polls.both(1, days.bursting(1), limits.DAY, ALL)
    assert fails_by_readings(readings) is None
    treated = [one for one in readings if one.cohort == "treatment"]
    assert span_fails(limited(days.LIMIT, 120.0), treated) == []


# --- the peers that the page compares with ------------------------------------------------------------------------------


def answers(pattern: str) -> dict[float, Reading]:
    """One answer each 10 s: G good, B bad, E none."""
    made = polls.readings([Sample(0.0, 0, 0, 0.0), Sample(10.0, 90, 10, 0.0)], 2)[-1]
    values = {"G": 0.0, "B": 0.5}
    return {
        10.0 * i: replace(made, value=values.get(letter), status="ok" if letter in values else "error")
        for i, letter in enumerate(pattern)
    }


@pytest.mark.parametrize(
    ("pattern", "argo", "flagger"),
    [
        ("G" * 70, [], []),
        ("BGGGGG" * 10, [180.0, 420.0], [300.0]),  # more than 3 failures; 5 failed checks, and an interval later
        ("GGGGGG" + "EEEE" + "G" * 20, [], []),  # four errors, ten seconds apart
        ("GGGGGG" + "EEEEE" + "G" * 20, [100.0], []),
        ("E" * 37, [40.0, 140.0, 240.0, 340.0], [300.0]),
    ],
)
def test_the_peers_abort_as_their_sources_say(pattern: str, argo: list[float], flagger: list[float]) -> None:
    heard, end = answers(pattern), 10.0 * (len(pattern) - 1)
    assert peers.argo(heard, 0.01, 0.0, end) == argo
    assert peers.flagger(heard, 0.01, 0.0, end) == flagger


# --- the page -----------------------------------------------------------------------------------------------------------


def test_an_interval_is_that_of_clopper_and_pearson() -> None:
    assert interval(0, 300) == (0.0, pytest.approx(0.012221, abs=1e-6))
    assert interval(1, 100) == pytest.approx((0.000253, 0.054459), abs=1e-6)
    assert interval(10, 10) == (pytest.approx(0.691503, abs=1e-6), 1.0)


def test_the_page_of_figures_is_what_the_code_gives() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    fresh = [TABLES[name][0](TABLES[name][1], 1) for name in QUICK]
    assert list(page.stale(text, fresh, TABLES)) == [], "python -m tests.proof"
    other = text.replace(f"| {evidence.SIGMAS:g} |", "| 3 |")
    assert list(page.stale(other, fresh, TABLES)) == ["the table constants is not what the code gives now"]
    emptied = page.filled(text, [Table(place="power", head=(), rows=())]).replace("table days", "table weeks")
    assert "the table days has no place" in list(page.stale(emptied, fresh, TABLES))


@pytest.mark.parametrize("name", sorted(TABLES))
def test_no_target_of_the_page_is_missed(name: str) -> None:
    assert "MISSED" not in page.places(page.PAGE.read_text(encoding="utf-8"))[name]
