"""Accrual: only time with fresh evidence and no fail counts for a bake."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from amplify_tui.verdict.bake import Accrual, accrue, settle_for
from amplify_tui.verdict.model import Expected, Term
from tests.verdict.histories import ERRORS, LATENCY, T0, WORLD, at, errors, evidence, instance, latency, pairs, values


def test_a_watched_and_healthy_minute_is_a_minute() -> None:
    baked = accrue([errors()], evidence(pairs("G" * 13)), WORLD, at(0), at(12), at(12))
    assert baked == Accrual(seconds=60.0)


@pytest.mark.parametrize("missing", ["-", "N", "E", "S", "F"])
def test_time_without_a_fresh_reading_does_not_count(missing: str) -> None:
    pattern = "GGG____GG".replace("_", missing)
    baked = accrue([errors()], evidence(pairs(pattern)), WORLD, at(0), at(8), at(8))
    assert baked.seconds == pytest.approx(10.0 + 7.5 + 5.0)
    assert baked.broken_by == "errors"


def test_a_failing_term_stops_the_bake_and_is_named() -> None:
    readings = pairs("G" * 40 + "B" * 13)
    terms = [latency(), errors()]
    baked = accrue(terms, evidence([*readings, *values("G" * 30)]), WORLD, at(39), at(53), at(53))
    assert baked.broken_by == "errors"
    alone = accrue([errors()], evidence(readings), WORLD, at(39), at(53), at(53))
    assert alone == Accrual(seconds=65.0, broken_by="errors")  # bad readings count until they are a fail


def test_every_term_must_be_covered() -> None:
    both = evidence([*pairs("G" * 13), *values("G" * 7)])
    assert accrue([errors(), latency()], both, WORLD, at(0), at(12), at(12)).seconds == pytest.approx(37.5)
    assert accrue([errors(), Term(id="drift", builtin="drift")], both, WORLD, at(0), at(12), at(12)) == Accrual(
        seconds=0.0, broken_by="drift"
    )


def test_a_builtin_counts_while_it_passes() -> None:
    fleet = [instance("checkout-1", received=at(poll)) for poll in range(7)]
    world = replace(WORLD, versions={"checkout": {"checkout-1": "3.0.0"}})
    baked = accrue([Term(id="health", builtin="health")], evidence(fleet=fleet), world, at(0), at(20), at(20))
    assert baked == Accrual(seconds=45.0, broken_by="health")


def test_nothing_asked_and_no_time_is_no_bake() -> None:
    whole = evidence(pairs("G" * 13))
    assert accrue([], whole, WORLD, at(0), at(12), at(12)).seconds == 0.0
    assert accrue([errors()], whole, WORLD, at(12), at(12), at(12)).seconds == 0.0
    assert accrue([errors()], whole, WORLD, at(0), at(12), at(6)).seconds == 30.0
    assert accrue([errors()], evidence(), WORLD, at(0), at(12), at(12)) == Accrual(seconds=0.0, broken_by="errors")


def test_the_phase_before_does_not_count() -> None:
    begun = Expected(since=at(6))
    # The first window that lies in the phase ends 30 s after it begins.
    assert accrue([errors()], evidence(pairs("G" * 25)), begun, at(6), at(24), at(24)).seconds == 60.0


@settings(max_examples=60, deadline=None)
@given(
    pattern=st.text("GBN-E", min_size=4, max_size=30),
    cut=st.floats(0.0, 1.0),
    for_=st.sampled_from([0.0, 10.0, 60.0]),
)
def test_accruing_in_halves_equals_accruing_once(pattern: str, cut: float, for_: float) -> None:
    end = at(len(pattern))
    middle = T0 + cut * (end - T0)
    readings = pairs(pattern)
    terms = [errors(for_=for_)]
    whole = accrue(terms, evidence(readings), WORLD, T0, end, end)
    known = evidence(reading for reading in readings if reading.received_at <= middle)
    first = accrue(terms, known, WORLD, T0, middle, middle)
    second = accrue(terms, evidence(readings), WORLD, middle, end, end)
    assert first.seconds + second.seconds == pytest.approx(whole.seconds, abs=1e-3)
    assert whole.seconds <= end - T0


def test_settling_takes_the_longest_window_or_poll_and_the_lag() -> None:
    slow = replace(errors(signal=replace(ERRORS, window=60.0)), lag=0.0)
    assert settle_for([slow, latency(signal=LATENCY)], [], []) == 60.0
    assert settle_for([slow], [120.0], [90.0]) == 210.0
    assert settle_for([replace(slow, lag=30.0)], [0.0], [5.0]) == 90.0
    assert settle_for([], [], []) == 15.0
    assert settle_for([], [], [5.0]) == 5.0
    assert settle_for([slow], [120.0], [90.0], given=0.0) == 0.0
