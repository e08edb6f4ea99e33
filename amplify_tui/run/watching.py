"""What came of a watch, in words: the outputs of a monitor, and the lines of its report. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from amplify_tui.run.state import StepState
from amplify_tui.verdict.model import Term, Verdict
from amplify_tui.verdict.promises import shown_rule
from amplify_tui.verdict.seen import Seen, nearness, worst_of
from amplify_tui.verdict.words import decimal, duration, quantity

BARELY_S = 1.0  # a shorter time is not worth a word


def outputs_of(step: StepState, verdict: Verdict | None) -> dict[str, Any]:
    """What a monitor gives to the steps after it, should *verdict* end it: all of it texts."""
    worst = worst_of(step.seen)
    return {
        "verdict": verdict.answer if verdict else "undecided",
        "summary": summary_of(step, verdict),
        "worst": worst_words(step, worst) if worst is not None else "",
    }


def summary_of(step: StepState, verdict: Verdict | None) -> str:
    """For how long it was watched and what came of it, as a message to people would say it."""
    if verdict is None:
        return "nothing was judged"
    phase = step.phase_plan
    parts = [f"{duration(phase.bake)}: {verdict.reason}" if phase else verdict.reason]
    if step.overridden:
        parts.append(f"overridden: {', '.join(step.overridden)}")
    worst = worst_of(step.seen)
    if worst is not None and nearness(worst) > 0.0:
        parts.append(f"worst: {worst_words(step, worst)}")
    parts += [f"{budget_words(step, one)} spent" for one in step.seen if one.spent is not None]
    blind = max((one.blind for one in step.seen), default=0.0)
    if blind >= BARELY_S:
        parts.append(f"without evidence for {duration(blind)}")
    return "; ".join(parts)


def time_left(step: StepState) -> float:
    """Seconds of evidence that a watch still wants."""
    return max(0.0, step.need - step.accrued)


def worst_words(step: StepState, seen: Seen) -> str:
    """`errors 0.9 %, limit 1 %, at 16:02:11 UTC`; of a condition without a number the worst that it answered."""
    if seen.worst is None:
        return f"{seen.id}: {seen.answer}"
    return f"{seen.id} {value_words(step, seen)}, {limit_words(step, seen)}, at {moment(seen.at)}"


def condition_words(step: StepState, seen: Seen) -> str:
    """The line of one condition in a report: its worst with its time and limit, its spells, the budget it spent."""
    if seen.worst is None:
        parts = [] if seen.answer == "pass" else [f"worst {seen.answer}"]
    else:
        parts = [f"worst {value_words(step, seen)} at {moment(seen.at)}, {limit_words(step, seen)}"]
    parts.append(spells(seen))
    if seen.spent is not None:
        parts.append(f"spent {budget_words(step, seen)}")
    return "; ".join(parts)


def value_words(step: StepState, seen: Seen) -> str:
    """`0.9 %`, `412 ms`, `2.4x`; a dash where it has no number."""
    return "–" if seen.worst is None else _number(_term(step, seen), seen.worst)


def limit_words(step: StepState, seen: Seen) -> str:
    """`limit 1 %`, or `at least 0.4/s` where low is bad; empty where it has none."""
    if seen.limit is None:
        return ""
    return f"{'at least' if seen.below else 'limit'} {_number(_term(step, seen), seen.limit)}"


def budget_words(step: StepState, seen: Seen) -> str:
    """`about 0.4 % of the 30d budget of checkout`."""
    term = _term(step, seen)
    name = term.condition.slo if term is not None and term.condition is not None else seen.id
    window = f"{duration(term.slo.window)} " if term is not None and term.slo is not None else ""
    return f"about {quantity(seen.spent or 0.0, 'share')} of the {window}budget of {name}"


def spells(seen: Seen) -> str:
    """`good 1h58m, blind 2m`: for how long it was what; a time that is barely one is left out."""
    named = (("good", seen.good), ("bad", seen.bad), ("blind", seen.blind), ("undecided", seen.undecided))
    said = [f"{name} {duration(seconds)}" for name, seconds in named if seconds >= BARELY_S]
    return ", ".join(said) or "not watched"


def moment(at: float) -> str:
    """`2026-11-28 16:02:11 UTC`: outputs and reports are read in other places, and on other days."""
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _term(step: StepState, seen: Seen) -> Term | None:
    return next((term for term in step.watch.gate if term.id == seen.id), None) if step.watch is not None else None


def _number(term: Term | None, value: float) -> str:
    if term is not None and term.slo is not None:
        return f"{decimal(value, 3)}x"
    rule = shown_rule(term) if term is not None else None
    return quantity(value, rule.unit if rule is not None else "number")
