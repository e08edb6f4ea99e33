"""How long a phase has baked: time for which there is evidence, not time on a clock. And how long it settles before.

Accrual looks at each moment only at what had arrived by then, so accruing twice in halves gives what once does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from amplify_tui.verdict.budget import PATIENCE, pace_of
from amplify_tui.verdict.conditions import Rule, grade, rule_of, select
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
    seconds = 0.0
    broken: str | None = None
    moments = _moments(terms, evidence, expected, since, until)
    for start, end in pairwise(moments):
        # Between two moments no answer changes; their middle is inside whatever ends exactly at one of them.
        stopped = _stopped_by(terms, evidence, expected, (start + end) / 2.0)
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
) -> float:
    """How long a phase settles before its evidence counts: *given*, else the largest of the windows and polls + lag.

    lags: of the sources the terms read; polls: how often the applications fetch their flags (15 s where none is told).
    """
    if given is not None:
        return given
    windows = [term.signal.window for term in terms if term.signal is not None]
    lag = max((*lags, *(term.lag for term in terms)), default=0.0)
    return max(*windows, *(polls or (DEFAULT_POLL,)), 0.0) + lag


def _stopped_by(terms: Sequence[Term], evidence: Evidence, expected: Expected, at: float) -> str | None:
    missing: str | None = None
    for term in terms:
        verdict = judge_term(term, evidence, expected, at)
        if verdict.answer == "fail":
            return term.id
        if not verdict.applies:
            continue
        if term.signal is not None:
            rules = _rules(term, expected)
            covered = bool(rules) and all(_is_covered(rule, evidence, expected, at) for rule in rules)
        else:
            covered = verdict.answer == "pass"
        missing = term.id if missing is None and not covered else missing
    return missing


def _rules(term: Term, expected: Expected) -> tuple[Rule, ...]:
    """How the readings of a condition are graded: of both cohorts, where it compares them; none where it cannot be."""
    if not is_sequential(term):
        rule = rule_of(term)
        return (rule,) if isinstance(rule, Rule) else ()
    promise = cached_promise(term)
    if not isinstance(promise, Promise):
        return ()
    return (promise.rule,) if promise.control is None or expected.everybody else (promise.rule, promise.control)


def _is_covered(rule: Rule, evidence: Evidence, expected: Expected, at: float) -> bool:
    return any(
        reading.window_from >= expected.since and at < _covers_until(reading, rule)
        for reading in select(evidence, rule, at)
        if grade(reading, rule)[0] == "ok"
    )


def _covers_until(reading: Reading, rule: Rule) -> float:
    fresh_until = min(reading.data_at, reading.received_at) + rule.max_age
    return min(reading.received_at + rule.tolerance, fresh_until)


def _moments(terms: Sequence[Term], evidence: Evidence, expected: Expected, since: float, until: float) -> list[float]:
    """Every time in the range at which an answer can change: arrivals, and the ends of what they cover."""
    moments = {since, until}
    for term in terms:
        for rule in _rules(term, expected) if term.signal is not None else ():
            mine = select(evidence, rule, until)
            moments.update(reading.received_at for reading in mine)
            moments.update(_covers_until(reading, rule) for reading in mine)
    if any(term.signal is None for term in terms):
        looks = [(one.received_at, one.data_at, expected.max_age) for one in evidence.fleet]
        looks += [(one.received_at, one.data_at, expected.max_age) for one in evidence.flags]
        looks += [(one.received_at, one.data_at, one.max_age) for one in evidence.exposures]
        looks += [(one.received_at, one.data_at, PATIENCE * pace_of(one.windows)) for one in evidence.budgets]
        for received_at, data_at, max_age in looks:
            moments.add(received_at)
            moments.add(min(received_at, data_at) + max_age)
    return sorted(moment for moment in moments if since <= moment <= until)
