"""How long a phase has baked: time for which there is evidence, not time on a clock. And how long it settles before.

Accrual looks at each moment only at what had arrived by then, so accruing twice in halves gives what once does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal

from msgspec import Struct

from amplify_tui.verdict.budget import PATIENCE, pace_of
from amplify_tui.verdict.conditions import Rule, cached_rule, grade, select
from amplify_tui.verdict.gate import judge_term
from amplify_tui.verdict.model import Evidence, Expected, Reading, Term
from amplify_tui.verdict.promises import Promise, is_sequential
from amplify_tui.verdict.trials import cached_promise

DEFAULT_POLL: Final = 15.0  # the applications' SDKs ask the flag server this often unless told otherwise


class Accrual(Struct, frozen=True, kw_only=True):
    """Seconds that count for the bake, and the id of the term that stopped it last (None where every second counts).

    A term that fails is named before one that only lacks data.
    """

    seconds: float
    broken_by: str | None = None


def accrue(
    terms: Sequence[Term],
    evidence: Evidence,
    expected: Expected,
    since: float,
    until: float,
    now: float,
) -> Accrual:
    """The time in (since, until] in which every term had fresh readings and none was failing (verdicts.md 3).

    A condition is covered from a fresh reading of this phase until the next poll is overdue or the data is older than
    `max_age`; a built-in is while it passes. Nothing after *now* counts, and no term at all is no evidence.
    """
    until = min(until, now)
    if not terms or until <= since:
        return Accrual(seconds=0.0)
    stops = [(term.id, _stops(term, evidence, expected, since, until)) for term in terms]
    seconds = 0.0
    broken: str | None = None
    moments = sorted({since, until}.union(*(own.ends for _, own in stops)))
    for start, end in pairwise(moments):
        said = [(name, own.at(end)) for name, own in stops]
        stopped = next((name for why in ("fail", "uncovered") for name, one in said if one == why), None)
        if stopped is None:
            seconds += end - start
        else:
            broken = stopped
    return Accrual(seconds=seconds, broken_by=broken)


def settle_for(
    terms: Sequence[Term],
    lags: Sequence[float],
    polls: Sequence[float],
    given: float | None = None,
    ranges: Sequence[float] = (),
) -> float:
    """How long a phase settles before its evidence counts: *given*, else the largest of the windows and polls + lag.

    lags: of the sources the terms read; polls: how often the applications fetch their flags (15 s where none is told);
    ranges: how far the queries of the terms look back, where that is more than the window of their signals.
    """
    if given is not None:
        return given
    windows = [*ranges, *(term.signal.window for term in terms if term.signal is not None)]
    lag = max((*lags, *(term.lag for term in terms)), default=0.0)
    return max(*windows, *(polls or (DEFAULT_POLL,)), 0.0) + lag


class _Stops(Struct, frozen=True):
    """Until each of `ends` (ascending), whether and why one term stops the bake; "" where it does not."""

    ends: tuple[float, ...]
    why: tuple[Literal["fail", "uncovered", ""], ...]

    def at(self, end: float) -> str:
        """Why it stops the stretch that ends at *end*, which lies within one of its own."""
        return self.why[bisect_left(self.ends, end)]


def _stops(term: Term, evidence: Evidence, expected: Expected, since: float, until: float) -> _Stops:
    """The stretches of one term: it is judged once in each, for between its own moments its answer does not change."""
    moments = _moments(term, evidence, expected, since, until)
    # The middle is inside whatever ends exactly at a moment.
    why = (_stopped_by(term, evidence, expected, (start + end) / 2.0) for start, end in pairwise(moments))
    return _Stops(tuple(moments[1:]), tuple(why))


def _stopped_by(term: Term, evidence: Evidence, expected: Expected, at: float) -> Literal["fail", "uncovered", ""]:
    verdict = judge_term(term, evidence, expected, at)
    if verdict.answer == "fail":
        return "fail"
    if not verdict.applies:
        return ""
    if term.signal is None:
        return "" if verdict.answer == "pass" else "uncovered"
    rules = _rules(term, expected)
    covered = bool(rules) and all(_is_covered(rule, evidence, expected, at) for rule in rules)
    return "" if covered else "uncovered"


def _rules(term: Term, expected: Expected) -> tuple[Rule, ...]:
    """How the readings of a condition are graded: of both cohorts, where it compares them; none where it cannot be."""
    if not is_sequential(term):
        rule = cached_rule(term)
        return (rule,) if isinstance(rule, Rule) else ()
    promise = cached_promise(term)
    if not isinstance(promise, Promise):
        return ()
    return (promise.rule,) if promise.control is None or expected.everybody else (promise.rule, promise.control)


def _is_covered(rule: Rule, evidence: Evidence, expected: Expected, at: float) -> bool:
    return any(
        reading.window_from >= expected.counts_from and at < _covers_until(reading, rule)
        for reading in select(evidence, rule, at)
        if grade(reading, rule)[0] == "ok"
    )


def _covers_until(reading: Reading, rule: Rule) -> float:
    fresh_until = min(reading.data_at, reading.received_at) + rule.max_age
    return min(reading.received_at + rule.tolerance, fresh_until)


def _moments(term: Term, evidence: Evidence, expected: Expected, since: float, until: float) -> list[float]:
    """Every time in the range at which the term's answer can change: arrivals, and the ends of what they cover."""
    moments = {since, until}
    if term.signal is not None:
        for rule in _rules(term, expected):
            mine = select(evidence, rule, until)
            moments.update(reading.received_at for reading in mine)
            moments.update(_covers_until(reading, rule) for reading in mine)
    else:
        looks = [(one.received_at, one.data_at, expected.max_age) for one in evidence.fleet]
        looks += [(one.received_at, one.data_at, expected.max_age) for one in evidence.flags]
        looks += [(one.received_at, one.data_at, one.max_age) for one in evidence.exposures]
        looks += [(one.received_at, one.data_at, PATIENCE * pace_of(one.windows)) for one in evidence.budgets]
        for received_at, data_at, max_age in looks:
            moments.add(received_at)
            moments.add(min(received_at, data_at) + max_age)
    return sorted(moment for moment in moments if since <= moment <= until)
