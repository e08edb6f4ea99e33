"""From a term to its promise: what a sequential condition asks, with every default filled in.

A condition is sequential where it compares (`worse_than`) or gives its own chance of a false fail (`alpha`). Four
kinds: the share of bad requests against control's, a value (a latency) against control's, the share of bad requests
against a limit, and either against the same hour of the past.
"""

from __future__ import annotations

import hashlib
import math
from typing import Final, Literal

import msgspec
from msgspec import Struct

from amplify_tui.playbook.model import Condition, Limit, Signal
from amplify_tui.verdict.conditions import Rule, default_samples, rule_of
from amplify_tui.verdict.model import Cohort, Past, Term
from amplify_tui.verdict.words import Unit

PROOF: Final = 20.0  # the evidence that a proof takes: wrong once in twenty
LIMIT_EDGE: Final = 0.5  # an alpha above it promises nothing

Kind = Literal["ratio", "value", "limit", "past"]
PAST_WORDS: Final[dict[Past, str]] = {"yesterday": "yesterday", "last_week": "last week"}


class Promise(Struct, frozen=True, kw_only=True):
    """One sequential condition. Times in seconds; `by` and `harm` are fractions.

    key: the same for the same question, in whatever gate or trigger it stands: they share one trial. rule: how readings
    of the treatment (or the only cohort) are graded; control: of the other. alpha: the chance of a false fail.
    samples: the fewest requests of each cohort that a pass rests on, None: as many as `harm` asks for. past: with which
    hour it compares, of the kind that does.
    """

    key: str
    kind: Kind
    rule: Rule
    control: Rule | None
    by: float
    alpha: float
    block: float
    harm: float
    independent: bool
    proven: bool
    samples: int | None
    enough: float | None = None
    past: Past | None = None

    @property
    def fail_at(self) -> float:
        """ln of the evidence at which it fails. A value's test has two sides, of which one counts."""
        return -math.log(2.0 * self.alpha if self.kind == "value" else self.alpha)

    @property
    def proven_at(self) -> float:
        """ln of the evidence at which it is proven not to be worse."""
        return math.log(PROOF / 2.0 if self.kind == "value" else PROOF)


def is_sequential(term: Term) -> bool:
    """Whether the term is judged by a sequential test and not by spans."""
    condition, signal = term.condition, term.signal
    if condition is None or signal is None or not condition.signal or condition.slo or condition.burn is not None:
        return False
    asked = _asked(condition, signal)
    return asked.worse_than is not None or _alpha(condition, asked) is not None


def promise_of(term: Term) -> Promise | str | None:
    """The promise of *term*; a sentence that says why it cannot be kept; None where the term is not sequential."""
    condition, signal = term.condition, term.signal
    if condition is None or signal is None or not is_sequential(term):
        return None
    asked = _asked(condition, signal)
    given = _alpha(condition, asked)
    alpha = term.alpha if given is None else given
    if not 0.0 < alpha <= LIMIT_EDGE:
        return "alpha is a chance above 0 and at most 0.5"
    compares = asked.worse_than is not None
    past: Past | None = None if asked.worse_than is None or asked.worse_than == "control" else asked.worse_than
    refusal = _no_past(asked, signal) if past else ""
    if not past:
        refusal = _compares_nothing(condition, asked, signal) if compares else _limits_nothing(asked, signal)
    if refusal:
        return refusal
    by = next((one for one in (condition.by, asked.by) if one is not None), 0.0)
    if not (math.isfinite(by) and by >= 0.0):
        return "by is a share of 0 or more"
    kind: Kind = "limit" if not compares else "ratio" if signal.total is not None else "value"
    kind = "past" if past else kind
    limit = by if compares else asked.above if asked.above is not None else asked.below
    assert limit is not None
    rule = _rule(term, condition, signal, limit=limit, below=asked.below is not None, control=False)
    samples = next((n for n in (condition.min_samples, asked.min_samples, signal.min_samples) if n is not None), None)
    enough = float(default_samples(signal, limit, below=False)) if kind == "value" else None
    if kind == "limit" and samples is None:
        samples = default_samples(signal, limit, asked.below is not None)
    return Promise(
        key=_key(condition, asked, signal, given, by),
        kind=kind,
        rule=rule,
        control=_rule(term, condition, signal, limit=limit, below=False, control=True)
        if compares and not past
        else None,
        by=by,
        alpha=alpha,
        block=max(signal.block, signal.window),
        harm=signal.harm,
        independent=signal.independent,
        proven=signal.pass_ == "proven",  # noqa: S105  # a gate's pass
        samples=int(enough) if samples is None and enough is not None else samples,
        enough=enough,
        past=past,
    )


def shown_rule(term: Term) -> Rule | None:
    """How the numbers of a condition are read and shown, sequential or not; None of a built-in, and of what is none."""
    if term.builtin is not None:
        return None
    rule = promise_of(term) if is_sequential(term) else rule_of(term)
    rule = rule.rule if isinstance(rule, Promise) else rule
    return rule if isinstance(rule, Rule) else None


def compared_with(term: Term) -> str:
    """`control`, `yesterday`, `last week`: what the term compares with, and its limit is a part of; else ""."""
    promise = promise_of(term) if is_sequential(term) else None
    if not isinstance(promise, Promise):
        return ""
    return PAST_WORDS[promise.past] if promise.past else "control" if promise.control is not None else ""


def _asked(condition: Condition, signal: Signal) -> Condition | Limit:
    own = (condition.above, condition.below, condition.worse_than) != (None, None, None)
    return condition if own or signal.limit is None else signal.limit


def _alpha(condition: Condition, asked: Condition | Limit) -> float | None:
    return condition.alpha if condition.alpha is not None else asked.alpha


def _compares_nothing(condition: Condition, asked: Condition | Limit, signal: Signal) -> str:
    if asked.above is not None or asked.below is not None:
        return "one of above, below, worse_than bounds a condition"
    if signal.cohorts is None:
        return "worse_than needs a signal with cohorts"
    if condition.cohort == "control":
        return "control is not worse than itself: leave the cohort out"
    if signal.total is None and (signal.golden != "latency" or signal.count is None):
        return "worse_than needs bad and total, or a latency with value and count"
    return ""


def _no_past(asked: Condition | Limit, signal: Signal) -> str:
    if asked.above is not None or asked.below is not None:
        return "one of above, below, worse_than bounds a condition"
    if signal.cohorts is not None:
        return "the signal has a control: worse_than: control compares with it"
    if signal.golden == "traffic":
        return "more traffic is not worse than less: bound it with below or above"
    if signal.state is not None or (signal.total is None and signal.value is None):
        return "the past is compared by bad and total, or by value"
    is_proof = signal.pass_ == "proven"  # noqa: S105  # a gate's pass
    return "a comparison with the past proves nothing: leave pass out" if is_proof else ""


def _limits_nothing(asked: Condition | Limit, signal: Signal) -> str:
    limits = [one for one in (asked.above, asked.below) if one is not None]
    if len(limits) != 1 or not math.isfinite(limits[0]):
        return "the condition has no limit: one of above, below is needed"
    if signal.total is None:
        return "alpha needs a signal of bad and total"
    if not 0.0 < limits[0] < 1.0:
        return "alpha needs a limit above 0 and below 1"
    return ""


def _rule(term: Term, condition: Condition, signal: Signal, *, limit: float, below: bool, control: bool) -> Rule:
    """How readings of one cohort are selected and graded. `limit` is what the gate screen shows."""
    inherited = signal.limit or Limit()
    every = condition.every if condition.every is not None else signal.every
    lasting = next((one for one in (condition.for_, inherited.for_) if one is not None), 3.0 * every)
    ages = (condition.max_age, signal.max_age, term.lag + signal.window + 3.0 * every)
    cohort: Cohort | None = "control" if control else condition.cohort or ("treatment" if signal.cohorts else None)
    unit: Unit = "share" if signal.total is not None else "latency" if signal.golden == "latency" else "number"
    return Rule(
        name=f"{condition.signal} (control)" if cohort == "control" else condition.signal or "",
        signal=condition.signal or "",
        cohort=cohort,
        limit=limit,
        below=below,
        for_=lasting,
        every=every,
        window=signal.window,
        max_age=next(one for one in ages if one is not None),
        min_samples=0,
        pair=signal.total is not None,
        increase=signal.as_ == "increase",
        counted=signal.total is not None or signal.count is not None,
        unit=unit,
    )


def _key(condition: Condition, asked: Condition | Limit, signal: Signal, alpha: float | None, by: float) -> str:
    """A name that a person can read, and a fingerprint of all that decides which evidence counts for what."""
    asks = (asked.above, asked.below, asked.worse_than, by, alpha, condition.cohort, condition.every)
    content = (signal.source, signal.value, signal.count, signal.bad, signal.total, signal.as_, signal.cohorts,
               signal.window, signal.block, signal.harm, signal.quantile, signal.independent, signal.pass_)  # fmt: skip
    mark = hashlib.sha256(msgspec.json.encode((asks, content))).hexdigest()[:8]
    return f"{condition.signal}-{mark}"
