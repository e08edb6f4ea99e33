"""What a judge sees and says: readings, evidence, verdicts. Shapes only; verdicts.md 1-2 is their source.

Times are Unix seconds (UTC). A share is a fraction (0.01 is 1 %). Unknown is never good: a reading whose status is not
`ok` is no evidence, whatever number it carries.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import chain
from math import isfinite
from typing import Any, Final, Literal

from msgspec import Struct

from amplify_tui.playbook.model import Condition, Signal, Slo
from amplify_tui.verdict.burn import Spent
from amplify_tui.verdict.trial import Trial

Answer = Literal["pass", "fail", "undecided", "blind", "error"]
MOST_PARTS: Final = 50  # a reading goes to every cockpit

Status = Literal["ok", "nodata", "stale", "error", "foreign"]
Cohort = Literal["treatment", "control"]
Past = Literal["yesterday", "last_week"]


class Part(Struct, frozen=True):
    """What one instance had of a reading; n: its requests in the window, None where nobody counts them."""

    instance: str
    value: float
    n: float | None = None

    @staticmethod
    def worst(parts: Iterable[Part]) -> tuple[Part, ...]:
        """Those that are numbers, the highest values first; no more than a reading may hold."""
        known = (part for part in parts if isfinite(part.value))
        return tuple(sorted(known, key=lambda part: (-part.value, part.instance))[:MOST_PARTS])


class Reading(Struct, frozen=True, kw_only=True):
    """One sample of one signal (and cohort): a value with its sample count, or a bad/total pair.

    For a pair `value` is bad/total and `bad`, `total` are what the source answered (per second, or counts where the
    signal says `as: increase`); `n` is the number of requests the window held. `data_at` is the data's own time, never
    the query's; age is judged by it. red: of a signal of alerts, since when each is active; `value` is how many.
    parts: the instances that it was made of, where the source knows them; those with the highest values.
    """

    signal: str
    source: str
    status: Status
    data_at: float
    received_at: float
    window_from: float
    window_to: float
    cohort: Cohort | None = None
    value: float | None = None
    n: float | None = None
    bad: float | None = None
    total: float | None = None
    red: tuple[float, ...] = ()
    note: str = ""
    parts: tuple[Part, ...] = ()


class InstanceReading(Struct, frozen=True, kw_only=True):
    """What one instance of one service last answered. `ok` None means it did not answer."""

    service: str
    instance: str
    url: str
    status: Status
    data_at: float
    received_at: float
    ok: bool | None = None
    version: str | None = None
    started: float | None = None
    schema: str | None = None
    latency: float | None = None
    note: str = ""


class FlagReading(Struct, frozen=True, kw_only=True):
    """What the flag server last said of one flag in the run's environment. `fingerprint` is the normalised state.

    `reach` changes whenever anybody's evaluation may, with a segment too; "" where the source does not tell. `says` is
    who gets it, in one sentence.
    """

    source: str
    flag: str
    status: Status
    data_at: float
    received_at: float
    enabled: bool | None = None
    percent: float | None = None
    rules: tuple[str, ...] = ()
    says: str = ""
    fingerprint: str = ""
    reach: str = ""
    revision: str = ""
    note: str = ""


class FlagUse(Struct, frozen=True, kw_only=True):
    """How often an application asked for a flag within an hour (Unix seconds of its begin), and what it was told."""

    app: str
    hour: float
    yes: int
    no: int
    env: str = ""


class Asked(Struct, frozen=True):
    """The share of evaluations that the rules of a flag ask for: at least `low`, at most `high`; fractions.

    They differ where rules overlap, and where one means users of whom nobody knows how many there are (`high` is 1).
    sticks_to: the fields that a rollout needs from its applications; without one it answers "off" to everybody.
    """

    low: float
    high: float
    sticks_to: tuple[str, ...] = ()


class Finding(Struct, frozen=True, kw_only=True):
    """Something that is wrong with what applications evaluate: what was seen, and what to do, in a sentence.

    warns: False where it is likely meant so, and only worth reading where somebody looks closer.
    """

    kind: Literal["silent", "behind", "field", "nobody", "off", "group", "environment"]
    text: str
    app: str = ""
    warns: bool = True


class ExposureReading(Struct, frozen=True, kw_only=True):
    """What applications really evaluated of one flag since its rules last changed, beside what those rules ask for.

    origin: `usage` (what SDKs tell the flag server), or the signal whose cohorts were counted. `share` and `tolerance`
    are fractions, `yes` of `n` evaluations were "on". fits: None where there is too little to tell. since: what was
    evaluated before is not in it. max_age: how old `data_at` may be.
    """

    source: str
    flag: str
    origin: str
    status: Status
    data_at: float
    received_at: float
    asked: Asked | None = None
    share: float | None = None
    yes: float = 0.0
    n: float = 0.0
    tolerance: float = 0.0
    fits: bool | None = None
    since: float = 0.0
    max_age: float = 60.0
    note: str = ""
    findings: tuple[Finding, ...] = ()


class BudgetReading(Struct, frozen=True, kw_only=True):
    """How much of an SLO's error budget was spent in two windows (`windows`, seconds, the long one first).

    left: the part of the budget that is left in the SLO's own window, below 0 where more than all is spent. `nodata`:
    no request in the long window.
    """

    source: str
    slo: str
    status: Status
    data_at: float
    received_at: float
    windows: tuple[float, float]
    long: Spent = Spent()
    short: Spent = Spent()
    left: float | None = None
    note: str = ""


class PastReading(Struct, frozen=True, kw_only=True):
    """What a signal was like an hour long around this time yesterday, or a week ago: one number for each block of it.

    levels: oldest first; the share of bad requests, or the mean value, of each. data_at: the middle of that hour. `ok`
    with few levels is an hour in which little was measured.
    """

    source: str
    signal: str
    when: Past
    status: Status
    data_at: float
    received_at: float
    levels: tuple[float, ...] = ()
    note: str = ""


class Evidence(Struct, frozen=True, kw_only=True, dict=True):
    """Everything a judgement may look at: the history of readings that it spans, and the fleet now.

    `fleet` holds the latest reading of every instance, and for `health` the earlier ones since `since` too.
    """

    signals: tuple[Reading, ...] = ()
    fleet: tuple[InstanceReading, ...] = ()
    flags: tuple[FlagReading, ...] = ()
    exposures: tuple[ExposureReading, ...] = ()
    budgets: tuple[BudgetReading, ...] = ()
    pasts: tuple[PastReading, ...] = ()

    @classmethod
    def of(cls, series: dict[tuple[str, Cohort | None], list[Reading]], **rest: Any) -> Evidence:
        """As it is made of readings that stand together by signal and cohort already."""
        made = cls(signals=tuple(chain.from_iterable(series.values())), **rest)
        made.__dict__["series"] = series
        return made

    @cached_property
    def series(self) -> dict[tuple[str, Cohort | None], list[Reading]]:
        """The readings of each signal and cohort, in the order given: hundreds of conditions ask, each for its own."""
        found: dict[tuple[str, Cohort | None], list[Reading]] = {}
        for reading in self.signals:
            found.setdefault((reading.signal, reading.cohort), []).append(reading)
        return found


class Expected(Struct, frozen=True, kw_only=True):
    """The world a phase expects: each instance's version, and what the built-ins compare with.

    versions: service -> instance -> version it must report (the waved ones the new, the others the baseline).
    requires: service -> {needed service: range}; schemas: service -> (field name, accepted range).
    flags: `source/name` of those that somebody gets. drifts: of those that somebody else changed, what was done.
    since: when the phase began. poll: how long after it applications may still act on the phase before; a reading
    counts only if its window began after both.
    trials: how the sequential tests stand; ref: the step whose phase it is, "" for triggers. everybody: nobody is left
    in control.
    """

    versions: dict[str, dict[str, str | None]] = {}
    requires: dict[str, dict[str, str]] = {}
    schemas: dict[str, tuple[str, str]] = {}
    flags: tuple[str, ...] = ()
    drifts: dict[str, str] = {}
    max_age: float = 15.0
    since: float = 0.0
    poll: float = 0.0
    trials: dict[str, Trial] = {}
    ref: str = ""
    everybody: bool = False

    @property
    def counts_from(self) -> float:
        """From when on what is measured is of this phase alone."""
        return self.since + self.poll


class Term(Struct, frozen=True, kw_only=True):
    """One entry of a gate, self-contained: a condition with the signal or the SLO it reads, or a built-in.

    alpha: what a sequential condition may spend on false fails where it does not say so itself: its part of 1 %.
    """

    id: str
    builtin: Literal["health", "fleet", "dependencies", "exposure", "drift"] | None = None
    condition: Condition | None = None
    signal: Signal | None = None
    slo: Slo | None = None
    lag: float = 0.0
    alpha: float = 0.01


class TermVerdict(Struct, frozen=True, kw_only=True):
    """The answer of one term, in a sentence with both numbers, and what it still needs.

    control: the other cohort's value. baseline: whose, if not that of control now. applies: False where there
    is nothing to compare with; the gate then answers without it. recovered: a fail that stays until its hold is
    released, whose evidence has been good since for a full `for`. who: which instance stands out, or that none does.
    burning: of a condition on an SLO, how many times as fast as allowed its budget burns over the short window.
    """

    id: str
    answer: Answer
    reason: str
    need: str = ""
    value: float | None = None
    control: float | None = None
    limit: float | None = None
    n: float | None = None
    n_needed: float | None = None
    age: float | None = None
    bad_for: float = 0.0
    good_for: float = 0.0
    baseline: Literal["", "before", "yesterday", "last week"] = ""
    applies: bool = True
    recovered: bool = False
    who: str = ""
    burning: float | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """The answer of a gate: any fail fails, then error, blind, undecided; a pass only where every term passes."""

    answer: Answer
    reason: str
    need: str = ""
    terms: tuple[TermVerdict, ...] = ()
