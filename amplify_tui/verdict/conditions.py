"""From a term to its rule: which readings, which limit, how long, how many. Defaults live here and nowhere else.

Also here: what a reading is worth as evidence at its arrival (`grade`). No history and no judgement: see spans.py.
"""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

from amplify_tui.playbook.model import Condition, Limit, Signal
from amplify_tui.verdict import alerts
from amplify_tui.verdict.model import Cohort, Evidence, Reading, Status, Term
from amplify_tui.verdict.words import Unit

_LATE_S: Final = 60.0
COUNTED_S: Final = 900.0  # requests are counted over the readings of so long at most

_MOST_RULES: Final = 4096

# A value below zero by less than this part of the total is rounding of `total - bucket`, not nonsense.
_ROUNDING: Final = 1e-6

# Nobody serves so many requests a second; sums of more would overflow into infinity and compare as evidence.
_MOST: Final = 1e15


class Rule(Struct, frozen=True, kw_only=True):
    """A threshold condition with every default filled in. Times in seconds; `limit` in the signal's own unit."""

    name: str
    signal: str
    cohort: Cohort | None
    limit: float
    below: bool
    for_: float
    every: float
    window: float
    max_age: float
    min_samples: int
    pair: bool
    increase: bool
    counted: bool
    unit: Unit
    alerts: bool = False

    def is_bad(self, value: float) -> bool:
        """Whether *value* is on the wrong side; a value that equals the limit is good."""
        return value < self.limit if self.below else value > self.limit

    @property
    def tolerance(self) -> float:
        """The longest time between two polls that is still jitter and not a lost reading."""
        return 1.5 * self.every


_rules: dict[int, tuple[Term, Rule | str]] = {}  # the term is kept, so that no other can have its id


def rule_of(term: Term) -> Rule | str:
    """The rule that *term* asks for, or a sentence that says why this version cannot judge it.

    A condition without its own limit takes the signal's. `for` falls back to the signal's limit, then 3 x every;
    `max_age` to lag + window + 3 x every; `min_samples` to `default_samples`. A signal with cohorts is judged by
    `treatment` unless the condition names one.
    """
    condition, signal = term.condition, term.signal
    if condition is None or signal is None or not condition.signal:
        return "the condition names no signal"
    own = (condition.above, condition.below, condition.worse_than) != (None, None, None)
    of_alerts = signal.state is not None
    default = alerts.LIMIT if of_alerts else Limit()
    asked: Condition | Limit = condition if own or not (signal.limit or of_alerts) else signal.limit or default
    refusal = _refusal(condition, asked)
    if refusal:
        return refusal
    above, below = asked.above, asked.below
    limit = above if above is not None else below
    assert limit is not None
    inherited = signal.limit or default
    every = _first(condition.every, signal.every)
    cohort: Cohort | None = condition.cohort or ("treatment" if signal.cohorts else None)
    samples = (condition.min_samples, inherited.min_samples, signal.min_samples)
    given = next((n for n in samples if n is not None), None)
    return Rule(
        name=f"{condition.signal} ({cohort})" if cohort == "control" else condition.signal,
        signal=condition.signal,
        cohort=cohort,
        limit=limit,
        below=below is not None,
        for_=_first(condition.for_, inherited.for_, 0.0 if of_alerts else 3.0 * every),
        every=every,
        window=signal.window,
        max_age=_first(condition.max_age, signal.max_age, term.lag + signal.window + 3.0 * every),
        min_samples=default_samples(signal, limit, below is not None) if given is None else given,
        pair=signal.total is not None,
        increase=signal.as_ == "increase",
        counted=signal.total is not None or signal.count is not None,
        unit=_unit(signal),
        alerts=of_alerts,
    )


def cached_rule(term: Term) -> Rule | str:
    """`rule_of`, remembered: the same terms are asked about at each tick. By identity, for some have no hash."""
    known = _rules.get(id(term))
    if known is not None and known[0] is term:
        return known[1]
    if len(_rules) >= _MOST_RULES:
        _rules.clear()
    rule = rule_of(term)
    _rules[id(term)] = (term, rule)
    return rule


def looks_back(term: Term) -> float:
    """How many seconds of readings a judge of *term* asks for: flapping is looked for in max(5 x for, 2m).

    A sequential test needs its open block, and the one before where readings come late. What is older can change
    nothing but the count of requests.
    """
    condition, signal = term.condition, term.signal
    if condition is None or signal is None:
        return 0.0
    rule = rule_of(term)
    if isinstance(rule, Rule):
        return max(5.0 * rule.for_, 120.0) + rule.window + rule.max_age
    lasting = max(2.0 * max(signal.block, signal.window), condition.for_ or 0.0)
    return lasting + signal.window + term.lag + _LATE_S


def default_samples(signal: Signal, limit: float, below: bool) -> int:
    """The fewest requests a pass may rest on: the rule of three for a share, 5 / (1 - quantile) for a quantile.

    0 of n bad bounds a share by 3/n once, at one look (judge.md 5): a floor on asking, not a proof. A limit of 0
    would ask for ever, so the smallest harm that the signal cares for stands in. A plain value has no floor.
    """
    if signal.total is not None:
        share = (1.0 - limit) if below else limit
        share = share if share > 0.0 else signal.harm
        return math.ceil(round(3.0 / share, 6)) if 0.0 < share < 1.0 else 1
    if signal.quantile is not None and 0.0 < signal.quantile < 1.0:
        return math.ceil(round(5.0 / (1.0 - signal.quantile), 6))
    return 0


def grade(reading: Reading, rule: Rule) -> tuple[Status, float]:
    """What *reading* was worth when it arrived, and its value (0.0 where it is no evidence).

    Never better than the status it came with. A NaN, an infinite or a negative number and a total of 0 are `nodata`;
    an empty `bad` beside a total is 0; data older than `max_age` is `stale`, from the future by as much is `error`.
    """
    if reading.status != "ok":
        return reading.status, 0.0
    if not (math.isfinite(reading.data_at) and math.isfinite(reading.received_at)):
        return "error", 0.0
    age = reading.received_at - reading.data_at
    if abs(age) > rule.max_age:
        return ("stale" if age > 0 else "error"), 0.0
    value = _share(reading) if rule.pair else reading.value
    if value is None or not math.isfinite(value):
        return "nodata", 0.0
    if reading.n is not None and not (0.0 < reading.n <= _MOST if rule.counted else math.isfinite(reading.n)):
        return "nodata", 0.0
    return "ok", value


def select(evidence: Evidence, rule: Rule, now: float) -> list[Reading]:
    """The readings of the rule's signal and cohort that have arrived by *now*."""
    mine = evidence.series.get((rule.signal, rule.cohort), [])
    return [reading for reading in mine if reading.received_at <= now]


def _share(reading: Reading) -> float | None:
    total, bad = reading.total, reading.bad
    if total is None or not 0.0 < total <= _MOST:
        return None
    bad = 0.0 if bad is None else bad
    if not math.isfinite(bad) or bad < -_ROUNDING * total:
        return None
    return min(1.0, max(0.0, bad / total))


def _refusal(condition: Condition, asked: Condition | Limit) -> str:
    if asked.worse_than is not None or condition.alpha is not None or asked.alpha is not None:
        return "the condition is judged by a sequential test"
    limits = [limit for limit in (asked.above, asked.below) if limit is not None]
    if len(limits) != 1 or not math.isfinite(limits[0]):
        return "the condition has no limit: one of above, below is needed"
    return ""


def _unit(signal: Signal) -> Unit:
    if signal.total is not None:
        return "share"
    return "latency" if signal.golden == "latency" else "number"


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)
