"""A replay of recorded readings says what a run's gate would have said, and what other limits would have made of them."""

from __future__ import annotations

import pytest
from histories import EVERY, T0, at, errors, pair

from amplify_tui.playbook.model import Condition, Limit, Signal
from amplify_tui.verdict.backtest import outcome, replay, varied
from amplify_tui.verdict.gate import judge
from amplify_tui.verdict.model import Evidence, Expected, Reading, Term
from amplify_tui.verdict.promises import is_sequential

GOOD, BAD = 0.002, 0.2


def series(*parts: tuple[float, int]) -> list[Reading]:
    """Readings of an error share: (share, how many polls) after one another."""
    shares = [share for share, polls in parts for _ in range(polls)]
    return [pair(poll, share) for poll, share in enumerate(shares)]


def test_each_moment_has_the_verdict_that_a_run_would_have_had_then() -> None:
    readings = series((GOOD, 40), (BAD, 20), (GOOD, 40))
    terms = (errors(),)
    moments = list(replay(terms, readings[::-1], bake=120.0))
    assert [moment.at for moment in moments] == [reading.received_at for reading in readings]
    for poll in (0, 20, 45, 55, 80):
        evidence = Evidence(signals=tuple(readings[: poll + 1]))
        assert moments[poll].verdict == judge(terms, evidence, Expected(since=T0 - 30.0), at(poll))


def test_a_bake_accrues_while_it_is_good_and_the_phase_would_go_on_once_it_is_full() -> None:
    moments = list(replay((errors(),), series((GOOD, 60)), bake=120.0))
    assert moments[-1].baked == pytest.approx(59 * EVERY)
    found = outcome(moments, bake=120.0)
    assert (found.last, found.passed_at, found.fails) == ("pass", at(24), ())


def test_fails_before_the_onset_are_false_and_the_first_one_after_it_tells_how_soon_it_was_noticed() -> None:
    readings = series((GOOD, 20), (BAD, 20), (GOOD, 120), (BAD, 40))
    moments = list(replay((errors(),), readings))
    assert outcome(moments).fails == (at(32), at(172))
    found = outcome(moments, onset=at(160))
    assert (found.false, found.noticed, found.last) == (1, 60.0, "fail")
    assert outcome(moments, onset=at(199)).noticed is None


def test_a_variation_changes_the_limit_that_counts_wherever_it_is_written() -> None:
    own = errors(above=0.01, for_=60.0)
    (wider,) = varied([own], limit=0.5)
    assert outcome(list(replay([wider], series((BAD, 40))))).fails == ()
    (sooner,) = varied([own], for_=20.0)
    assert outcome(list(replay([sooner], series((BAD, 40))))).fails == (at(4),)
    signal = Signal(golden="errors", source="prom", bad="b", total="t", limit=Limit(below=0.9, for_=60.0))
    inherited = Term(id="errors", condition=Condition(signal="errors"), signal=signal)
    (changed,) = varied([inherited], limit=0.1)
    assert changed.condition is not None
    assert (changed.condition.above, changed.condition.below, changed.condition.for_) == (None, 0.1, 60.0)


def test_a_variation_of_a_limit_with_a_promise_is_still_judged_by_its_test() -> None:
    limit = Limit(above=0.01, alpha=0.001, min_samples=77)
    signal = Signal(golden="errors", source="prom", bad="b", total="t", limit=limit)
    (changed,) = varied([Term(id="errors", condition=Condition(signal="errors"), signal=signal)], for_=30.0)
    assert changed.condition is not None
    assert (changed.condition.alpha, changed.condition.min_samples) == (0.001, 77)
    assert is_sequential(changed)


def test_without_readings_there_is_nothing_to_say() -> None:
    assert list(replay((errors(),), [])) == []
