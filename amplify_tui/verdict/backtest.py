"""What a gate would have said on recorded readings: the same judge, asked again at the arrival of each reading.

A gate that is tried on last month's series shows its false aborts, and how soon it would have noticed the bad hour.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.playbook.model import Condition
from amplify_tui.verdict.bake import accrue
from amplify_tui.verdict.conditions import COUNTED_S, looks_back
from amplify_tui.verdict.gate import judge
from amplify_tui.verdict.model import Answer, Evidence, Expected, Reading, Term, Verdict
from amplify_tui.verdict.trial import Trial
from amplify_tui.verdict.trials import Asking, advance

_REF: Final = "backtest"


class Moment(Struct, frozen=True, kw_only=True):
    """The verdict at the arrival of a reading (Unix seconds), and the seconds that a bake had accrued by then."""

    at: float
    verdict: Verdict
    baked: float


class Outcome(Struct, frozen=True, kw_only=True):
    """What a replay came to. fails: the times at which the answer turned to `fail`. passed_at: bake full, and a pass.

    false: how many of the fails began before *onset*, when nothing was wrong. noticed: seconds from *onset* to the
    first fail since; None where there was none, or no onset is known.
    """

    last: Answer
    fails: tuple[float, ...] = ()
    passed_at: float | None = None
    false: int = 0
    noticed: float | None = None


def replay(terms: Sequence[Term], readings: Sequence[Reading], *, bake: float = 0.0) -> Iterator[Moment]:
    """The verdict of a phase that began with the first reading, once for each time at which readings arrived.

    Only terms with a condition can be told from readings. Nothing is kept of what the judge does not look back at, as
    in a run.
    """
    ordered = sorted(readings, key=lambda reading: reading.received_at)
    if not ordered:
        return
    kept = max([COUNTED_S, *map(looks_back, terms)])
    since = min(reading.window_from for reading in ordered)
    asking = Asking(ref=_REF, since=since, terms=tuple(terms))
    trials: dict[str, Trial] = {}
    history: deque[Reading] = deque()
    baked, upto = 0.0, ordered[0].received_at
    for at, arrived in groupby(ordered, key=lambda reading: reading.received_at):
        history.extend(arrived)
        while history[0].received_at < at - kept:
            history.popleft()
        evidence = Evidence(signals=tuple(history))
        trials |= advance(trials, [asking], evidence, at)
        expected = Expected(since=since, ref=_REF, trials=dict(trials))
        baked += accrue(terms, evidence, expected, upto, at, at).seconds
        upto = at
        yield Moment(at=at, verdict=judge(terms, evidence, expected, at), baked=baked)


def outcome(moments: Sequence[Moment], *, bake: float = 0.0, onset: float | None = None) -> Outcome:
    """What the *moments* of one replay came to. Needs at least one."""
    fails = [
        moment.at
        for before, moment in zip((None, *moments), moments, strict=False)
        if moment.verdict.answer == "fail" and (before is None or before.verdict.answer != "fail")
    ]
    passed = (one.at for one in moments if one.verdict.answer == "pass" and one.baked >= bake)
    since = [at for at in fails if onset is None or at >= onset]
    return Outcome(
        last=moments[-1].verdict.answer,
        fails=tuple(fails),
        passed_at=next(passed, None),
        false=len(fails) - len(since),
        noticed=since[0] - onset if onset is not None and since else None,
    )


def varied(terms: Sequence[Term], *, limit: float | None = None, for_: float | None = None) -> tuple[Term, ...]:
    """The same terms with another limit, another `for`, or both. A limit keeps its side: above stays above."""
    return tuple(_varied(term, limit, for_) for term in terms)


def _varied(term: Term, limit: float | None, for_: float | None) -> Term:
    condition = _own(term)
    if condition is None:
        return term
    if limit is not None and condition.above is not None:
        condition = replace(condition, above=limit)
    elif limit is not None and condition.below is not None:
        condition = replace(condition, below=limit)
    return replace(term, condition=replace(condition, for_=condition.for_ if for_ is None else for_))


def _own(term: Term) -> Condition | None:
    """The condition with the limit that it would inherit from its signal written into it."""
    condition, limit = term.condition, term.signal.limit if term.signal is not None else None
    if condition is None or limit is None:
        return condition
    if (condition.above, condition.below, condition.worse_than) == (None, None, None):
        condition = replace(
            condition,
            above=limit.above,
            below=limit.below,
            worse_than=limit.worse_than,
            by=limit.by if condition.by is None else condition.by,
            alpha=limit.alpha if condition.alpha is None else condition.alpha,
        )
    return replace(
        condition,
        for_=limit.for_ if condition.for_ is None else condition.for_,
        min_samples=limit.min_samples if condition.min_samples is None else condition.min_samples,
    )
