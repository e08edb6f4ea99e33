"""Runners: simulated traffic through the code that judges a run. Nothing here decides anything itself.

| what is simulated | goes through               | because                                                          |
|-------------------|----------------------------|------------------------------------------------------------------|
| closed blocks     | trials.added               | a sequential verdict changes only where a block closes           |
| readings, a batch | trials.advance             | which closes the blocks, and takes the same reading once only    |
| readings, looks   | trials.advance, bake.accrue, gate.judge | all that a run asks at each tick                    |
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from msgspec.structs import replace

from amplify_tui.playbook.model import Cohorts, Condition, Signal
from amplify_tui.verdict.bake import accrue
from amplify_tui.verdict.blocks import Block
from amplify_tui.verdict.conditions import COUNTED_S, Rule, grade, looks_back, rule_of
from amplify_tui.verdict.evidence import bad_needed
from amplify_tui.verdict.gate import judge, judge_term
from amplify_tui.verdict.model import Evidence, Expected, Reading, Term, Verdict
from amplify_tui.verdict.promises import Promise, promise_of
from amplify_tui.verdict.spans import ENOUGH, GOOD_IN_A_ROW
from amplify_tui.verdict.trial import Trial
from amplify_tui.verdict.trials import Asking, added, advance
from tests.proof.worlds import World, counts

REF: Final = "proof"
SIGNAL: Final = Signal(
    golden="errors", source="prom", bad="b", total="t", cohorts=Cohorts(treatment="on", control="off")
)
COMPARED: Final = Term(id="compared", condition=Condition(signal="errors", worse_than="control", by=0.0), signal=SIGNAL)


def limited(limit: float, lasting: float = 60.0) -> Term:
    """`errors above LIMIT for LASTING` on the treatment."""
    return Term(id="limited", condition=Condition(signal="errors", above=limit, for_=lasting), signal=SIGNAL)


def compared(block: float) -> Term:
    """`errors worse_than control` with another `block:` on the signal."""
    return replace(COMPARED, signal=replace(SIGNAL, block=block))


def promised(term: Term) -> Promise:
    """The promise of a sequential term."""
    promise = promise_of(term)
    assert isinstance(promise, Promise)
    return promise


def blocks(seed: int, world: World, seconds: float, length: float, *, alone: bool = False) -> Iterator[Block]:
    """The closed blocks of a release, each *length* seconds long; those in which a cohort had no request stay open.

    alone: there is no control that has to have one.
    """
    treated, control = (counts(Random(4 * seed + n), world, seconds, length, treated=n == 0) for n in (0, 1))
    held = [0, 0, 0, 0]
    since = 0.0
    for i, found in enumerate(zip(*treated, *control, strict=True)):
        held = [one + other for one, other in zip(held, found, strict=True)]
        end = (i + 1) * length
        if not held[0] or not (held[2] or alone):
            continue
        yield Block(
            since=since, until=(end, end), total=held[0], bad=held[1], control_total=held[2], control_bad=held[3]
        )
        held, since = [0, 0, 0, 0], end


def fails_at(seed: int, world: World, seconds: float, term: Term = COMPARED) -> float | None:
    """When a release fails (seconds since the begin), None where it does not within *seconds*."""
    promise, trial = promised(term), Trial()
    for block in blocks(seed, world, seconds, promise.block, alone=promise.control is None):
        trial = added(trial, promise, block, ())
        if trial.fired_at is not None:
            return trial.fired_at
    return None


def fails_by_readings(readings: Sequence[Reading], term: Term = COMPARED, batch: float = 1800.0) -> float | None:
    """As `fails_at`, from *readings* (in the order of their arrival), a batch at a time."""
    promise = promised(term)
    asking = Asking(ref=REF, since=min(one.window_from for one in readings), terms=(term,))
    arrived = [one.received_at for one in readings]
    trials: dict[str, Trial] = {}
    now = arrived[0]
    while now < arrived[-1]:
        now += batch
        back = bisect_left(arrived, now - batch - 4.0 * promise.block - 120.0)
        upto = bisect_right(arrived, now)
        trials |= advance(trials, [asking], Evidence(signals=tuple(readings[back:upto])), now)
        fired = trials.get(promise.key, Trial()).fired_at
        if fired is not None:
            return fired
    return None


class Look:
    """What a run knew at one tick: the verdict of the gate, and the seconds that its bake had accrued."""

    __slots__ = ("at", "baked", "verdict")

    def __init__(self, at: float, verdict: Verdict, baked: float) -> None:
        self.at, self.verdict, self.baked = at, verdict, baked

    def would_advance(self, bake: float) -> bool:
        """Whether a phase with such a bake would go on now."""
        return self.verdict.answer == "pass" and self.baked >= bake


def looks(
    terms: Sequence[Term], readings: Sequence[Reading], ticks: Sequence[float], *, bakes: bool = False
) -> Iterator[Look]:
    """A look at each of *ticks*, whether readings came or not, as a conductor does it. The phase begins with the first.

    backtest.replay looks where readings arrive; in an outage none do. bakes: whether the bake is accrued too.
    """
    ordered = sorted(readings, key=lambda one: one.received_at)
    arrived = [one.received_at for one in ordered]
    since = min(one.window_from for one in ordered)
    kept = max([COUNTED_S, *map(looks_back, terms)])
    asking = Asking(ref=REF, since=since, terms=tuple(terms))
    trials: dict[str, Trial] = {}
    baked, before = 0.0, ticks[0]
    for now in ticks:
        evidence = Evidence(signals=tuple(ordered[bisect_left(arrived, now - kept) : bisect_right(arrived, now)]))
        trials |= advance(trials, [asking], evidence, now)
        expected = Expected(since=since, ref=REF, trials=dict(trials))
        baked += accrue(terms, evidence, expected, before, now, now).seconds if bakes else 0.0
        before = now
        yield Look(now, judge(terms, evidence, expected, now), baked)


def span_fails(term: Term, readings: Sequence[Reading]) -> list[float]:
    """When `errors above LIMIT for SPAN` turned to fail: every look that can be a fail is judged, and no other.

    A fail begins with a bad reading, after a span of at least `for` in which no three good ones came in a row; where no
    reading was lost since it opened four fifths were bad, and more than a dispersion of 1 explains. readings: of one
    cohort, as they arrived.
    """
    rule = rule_of(term)
    assert isinstance(rule, Rule)
    arrived = [one.received_at for one in readings]
    since = readings[0].window_from
    fails: list[float] = []
    span, failing = _Span(rule), False
    for i, reading in enumerate(readings):
        status, value = grade(reading, rule)
        span.add(reading, is_fresh=status == "ok", is_bad=rule.is_bad(value))
        failing = failing and span.opened is not None
        if failing or status != "ok" or not rule.is_bad(value) or not span.can_fail():
            continue
        back = bisect_left(arrived, reading.received_at - COUNTED_S)
        evidence = Evidence(signals=tuple(readings[back : i + 1]))
        if judge_term(term, evidence, Expected(since=since), reading.received_at).answer == "fail":
            fails.append(reading.received_at)
            failing = True
    return fails


class _Span:
    """What is certain of a bad span without judging it: too short, too thin, or too few bad ones however even they came."""

    def __init__(self, rule: Rule) -> None:
        self.opened: float | None = None
        self._rule = rule
        self._goods = self._bad = self._all = 0
        self._newest = self._requests = self._broken = 0.0
        self._is_whole = True

    def add(self, reading: Reading, *, is_fresh: bool, is_bad: bool) -> None:
        """One reading more, in the order of arrival."""
        if not is_fresh or reading.data_at <= self._newest:
            self._is_whole = False
        if not is_fresh:
            return
        total, bad = reading.total or 0.0, reading.bad or 0.0
        covers = reading.data_at - self._newest
        if is_bad and self.opened is None:
            self.opened, self._is_whole = reading.data_at, True
            self._bad = self._all = 0
            self._requests = self._broken = 0.0
            covers = reading.window_to - reading.window_from
        self._requests += total * covers
        self._broken += bad * covers
        self._goods = 0 if is_bad else self._goods + (reading.data_at > self._newest)
        self._newest = max(self._newest, reading.data_at)
        self._bad += is_bad
        self._all += 1
        if self._goods >= GOOD_IN_A_ROW:
            self.opened = None

    def can_fail(self) -> bool:
        """Whether it is worth a judgement. A span that lost a reading always is."""
        if self.opened is None or self._newest - self.opened < self._rule.for_ - 1e-6:
            return False
        fewest = bad_needed(self._requests, self._rule.limit, 1.0)
        return not self._is_whole or (self._bad >= ENOUGH * self._all and self._broken >= fewest - 1e-6)
