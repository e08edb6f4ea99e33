"""The span machine: a history of readings of one condition, folded to how long it has been bad, or good.

| now       | fresh bad                       | fresh good                  | nodata, stale, error, foreign |
|-----------|---------------------------------|-----------------------------|-------------------------------|
| bad span  | opens or grows                  | 3 in a row close it         | frozen                        |
| good time | back to 0                       | grows by the time covered   | frozen                        |

Time grows only by what was covered: by the data's own progress, and never by more than the polls that saw it. A frozen
exporter therefore earns nothing, and a lost reading costs its interval. Sources: verdicts.md 2, judge.md C.
What is made of a span (pass, fail, undecided, blind, error) is decided in terms.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.verdict.conditions import Rule, grade
from amplify_tui.verdict.evidence import BLOCK_SECONDS, Dispersion, span_evidence
from amplify_tui.verdict.memo import Running
from amplify_tui.verdict.model import Reading

GOOD_IN_A_ROW: Final = 3
ENOUGH: Final = 0.8  # of the expected readings fresh, and of the fresh ones bad
ONCE: Final = 7.0
_EPSILON: Final = 1e-6


class Mark(Struct, frozen=True, kw_only=True):
    """One fresh reading on the time line. `gain` is the time it covers since the mark before it.

    bad_rate, total_rate: requests per second that count against the limit, and all. repeat: the same data as the mark
    before. lost_before: at least one expected poll is missing before it. counted: its window lies in this phase.
    """

    data_at: float
    received_at: float
    value: float
    bad: bool
    bad_rate: float
    total_rate: float
    width: float
    gain: float = 0.0
    repeat: bool = False
    lost_before: bool = False
    counted: bool = True


@dataclass(slots=True)
class History:
    """What the fold leaves: the counted marks, and where the open bad span and the good time began.

    span: index in `marks` of the first bad reading of the open bad span, None when none is open. good: index of the
    first reading of the unbroken good run, None when the last fresh reading is bad. seen: a lower bound of the
    requests that the counted readings saw. bads: how many were bad, repeats aside. heard: when the last one arrived.
    """

    marks: list[Mark]
    span: int | None = None
    good: int | None = None
    seen: float = 0.0
    dispersion: float = 1.0
    bads: int = 0
    heard: float = 0.0
    bad_for: float = 0.0
    good_for: float = 0.0

    def time_since(self, start: int) -> float:
        """Covered seconds from the mark *start* to the last one."""
        return sum(mark.gain for mark in self.marks[start + 1 :])


@dataclass(slots=True)
class _Spent:
    """What the open bad span and the window before it held; failed: it was more than the limit explains."""

    bad: float = 0.0
    total: float = 0.0
    failed: bool = False

    def add(self, mark: Mark, *, is_first: bool) -> None:
        if is_first:
            self.bad = self.total = 0.0
            self.failed = False
        seconds = mark.width if is_first else mark.gain
        self.bad += mark.bad_rate * seconds
        self.total += mark.total_rate * seconds

    def is_evidence(self, rule: Rule, dispersion: float) -> bool:
        return span_evidence(self.bad, self.total, 1.0 - rule.limit if rule.below else rule.limit, dispersion)


class _Folding:
    """A fold under way: marks go in by the order of their data, and a mark that belongs before another does not."""

    def __init__(self, rule: Rule, since: float) -> None:
        self._rule = rule
        self._since = since
        self._dispersion = Dispersion(1.0 - rule.limit if rule.below else rule.limit)
        self._block = _Block(max(BLOCK_SECONDS, rule.window), self._dispersion)
        self._watched = 0.0
        self._goods = 0
        self._spent = _Spent()
        self._last: Mark | None = None
        self._before = History(marks=[])
        self.history = History(marks=[], dispersion=self._dispersion.value())

    @classmethod
    def of(cls, readings: Sequence[Reading], rule: Rule, since: float) -> _Folding:
        """All of *readings*, which may be in any order."""
        folding = cls(rule, since)
        marks = (_mark(reading, rule, since) for reading in readings)
        for mark in sorted((mark for mark in marks if mark is not None), key=_order):
            folding._add(mark)
        return folding

    def more(self, reading: Reading) -> bool:
        """One more reading; False, and nothing is changed, where it belongs before another."""
        mark = _mark(reading, self._rule, self._since)
        if mark is None:
            return True
        if self._last is not None and _order(mark) < _order(self._last):
            return False
        self._add(mark)
        return True

    def _add(self, mark: Mark) -> None:
        placed = self._placed(mark)
        if placed.counted and (self._last is None or not self._last.counted):
            self._goods = 0  # the phase begins: what was before it only taught the dispersion
            self._block.drop()
            self._spent = _Spent()
        self._last = placed
        self._walk(self.history if placed.counted else self._before, placed)

    def _placed(self, mark: Mark) -> Mark:
        """The mark with the time it covers since the one before it."""
        before = self._last
        if before is None:
            return mark
        waited = max(0.0, mark.received_at - before.received_at)
        self._watched += _seen_of(waited, self._rule)
        progress = mark.data_at - before.data_at
        gain = 0.0
        if progress > 0.0:
            gain, self._watched = min(progress, self._watched), 0.0
        repeat = progress <= 0.0 and mark.bad == before.bad
        return replace(mark, gain=gain, repeat=repeat, lost_before=waited > self._rule.tolerance)

    def _walk(self, history: History, mark: Mark) -> None:
        index = len(history.marks)
        history.marks.append(mark)
        history.heard = max(history.heard, mark.received_at)
        history.bad_for += mark.gain if history.span is not None else 0.0
        history.good_for += mark.gain if history.good is not None else 0.0
        if mark.repeat:
            return
        asked = mark.total_rate
        # Any window alone held this many requests: losing the readings before it must not raise the count.
        history.seen = max(history.seen + asked * mark.gain, asked * mark.width)
        if mark.bad:
            self._goods = 0
            history.bads += 1
            history.span = index if history.span is None else history.span
            history.good, history.good_for = None, 0.0
        else:
            self._goods += 1
            if self._goods >= GOOD_IN_A_ROW:
                history.span, history.bad_for = None, 0.0
            history.good = index if history.good is None else history.good
        if history.span is not None:
            self._spent.add(mark, is_first=history.span == index)
            if reached(history.bad_for, self._rule.for_) and self._spent.is_evidence(
                self._rule, self.history.dispersion
            ):
                self._spent.failed = True
        elif self._spent.failed:
            self._block.drop()
            self._spent = _Spent()
        if self._block.add(mark, is_open=history.span is not None):
            self.history.dispersion = self._dispersion.value()


_folds: Running[_Folding] = Running()


def fold(readings: Sequence[Reading], rule: Rule, since: float) -> History:
    """Fold the readings of one condition, in any order, to its history; a pure function of the set of readings.

    Readings whose window began before *since* belong to the phase before: they only teach the dispersion. The history
    holds until the next call for the same rule and phase.
    """

    def start(all_: Sequence[Reading]) -> _Folding:
        return _Folding.of(all_, rule, since)

    return _folds.get((rule, since), readings, start, _Folding.more).history


def _order(mark: Mark) -> tuple[bool, float, bool, float, float, float]:
    """By the data's own time. Of two of one instant the worse stands last: the order of arrival decides nothing."""
    return (mark.counted, mark.data_at, mark.bad, mark.received_at, mark.value, mark.total_rate)


def lost_since(history: History, start: int) -> float:
    """Seconds between the data of the mark *start* and of the last one that no reading covers."""
    wall = history.marks[-1].data_at - history.marks[start].data_at
    return max(0.0, wall - history.time_since(start))


def overdue(history: History, rule: Rule, now: float) -> float:
    """Seconds for which an answer has been missing at *now*, by arrival: a source with latency still answers polls."""
    waited = max(0.0, now - history.heard)
    return waited - _seen_of(waited, rule)


def fresh_share(covered: float, lost: float, rule: Rule) -> float:
    """The share of the expected readings that came: a stretch of n intervals has n + 1 readings."""
    came = covered + rule.every
    return came / (came + lost)


def stretch(history: History, first: int, seconds: float) -> int:
    """The index of the latest mark, not before *first*, from which *seconds* are covered; *first* where none is."""
    covered = 0.0
    for index in range(len(history.marks) - 1, first, -1):
        if reached(covered, seconds):
            return index
        covered += history.marks[index].gain
    return first


def reached(seconds: float, wanted: float) -> bool:
    """Whether *seconds* are at least *wanted*, rounding of sums aside."""
    return seconds >= wanted - _EPSILON


def is_flapping(history: History, rule: Rule, now: float) -> bool:
    """Whether the condition went bad twice, or was bad for 30 % of the fresh readings, within max(5 x for, 2m).

    Twice bad and good again is four changes. The change that lost readings or the edge of the window hide is counted
    as one: a missing reading between two bad ones may have been good, and must not make the pair look steady.
    """
    if history.bads < 2:
        return False
    edge = now - max(5.0 * rule.for_, 120.0)
    marks = [mark for mark in history.marks if mark.data_at >= edge and not mark.repeat]
    runs = 0
    before: Mark | None = None
    for mark in marks:
        if mark.bad and (before is None or not before.bad or mark.lost_before):
            runs += 1
        before = mark
    bads = sum(mark.bad for mark in marks)
    return bads >= 2 and (runs >= 2 or bads >= 0.3 * len(marks))


class _Block:
    """Hands 30 s of requests at a time to the dispersion; those of a bad span only once it has closed without a fail.

    A cluster of errors opens a span itself: who never learnt of those would take errors for independent that are not.
    But a fail must not teach the judge that its own effect is usual, nor one incident that clusters are: it takes
    several to say so, for a block of a span tells no more than ONCE standard deviations.
    """

    def __init__(self, seconds: float, dispersion: Dispersion) -> None:
        self._seconds = seconds
        self._dispersion = dispersion
        self._held: list[tuple[float, float, float]] = []
        self._was_open = False
        self._age = self._bad = self._total = 0.0

    def add(self, mark: Mark, *, is_open: bool) -> bool:
        """Whether the dispersion learnt of something with it."""
        self._was_open = self._was_open or is_open
        self._age += mark.gain
        self._bad += mark.bad_rate * mark.gain
        self._total += mark.total_rate * mark.gain
        if reached(self._age, self._seconds):
            self._held.append((self._bad, self._total, ONCE if self._was_open else math.inf))
            self._age = self._bad = self._total = 0.0
            self._was_open = is_open
        if is_open or not self._held:
            return False
        for bad, total, sigmas in self._held:
            self._dispersion.add(bad, total, sigmas)
        self._held.clear()
        return True

    def drop(self) -> None:
        """Forget what is held: it was a fail, or nobody knows what becomes of it."""
        self._held.clear()
        self._was_open = False
        self._age = self._bad = self._total = 0.0


def _mark(reading: Reading, rule: Rule, since: float) -> Mark | None:
    """The mark of one reading by itself; None where it is no evidence."""
    status, value = grade(reading, rule)
    if status != "ok":
        return None
    window = reading.window_to - reading.window_from
    width = rule.every if rule.increase else (window if window > 0.0 else rule.window)
    per = rule.every if rule.increase else 1.0
    if rule.pair:
        total_rate = (reading.total or 0.0) / per
        bad_rate = total_rate * (1.0 - value if rule.below else value)
    else:
        total_rate = (reading.n or 0.0) / width
        bad_rate = 0.0
    return Mark(
        # Data is never newer than its arrival: a provider's fast clock must not prolong its freshness.
        data_at=min(reading.data_at, reading.received_at),
        received_at=reading.received_at,
        value=value,
        bad=rule.is_bad(value),
        bad_rate=bad_rate,
        total_rate=total_rate,
        width=width,
        counted=not reading.window_from < since,
    )


def _seen_of(waited: float, rule: Rule) -> float:
    # Beyond jitter the polls between two marks are lost: the later one speaks for its own interval only.
    return waited if waited <= rule.tolerance else min(waited, rule.every)
