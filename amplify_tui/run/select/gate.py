"""A phase and its gate: where the rollout stands, what each condition says, and what a person could do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.run.select.outage import collapsed
from amplify_tui.run.select.words import NO_VALUE, Sign, percent, safe, since
from amplify_tui.run.shapes import GateNow
from amplify_tui.run.state import State, StepState
from amplify_tui.verdict.conditions import Rule
from amplify_tui.verdict.model import Answer, Term, TermVerdict
from amplify_tui.verdict.promises import compared_with, shown_rule
from amplify_tui.verdict.words import count, duration, quantity

ANSWER_SIGNS: Final[dict[Answer, Sign]] = {
    "pass": "done",
    "fail": "failed",
    "undecided": "active",
    "blind": "unknown",
    "error": "unknown",
}


class PhaseCell(Struct, frozen=True):
    """One phase of the bar: `25 ◆ 04:51/15:00`."""

    label: str
    sign: Sign
    text: str
    percent: float | None = None


class ConditionRow(Struct, frozen=True):
    """One condition of a gate, in columns; `word` is the answer in one word, with how long it has held."""

    id: str
    sign: Sign
    value: str
    control: str
    limit: str
    word: str
    reason: str
    need: str
    n: str
    age: float | None = None
    overridden: bool = False
    who: str = ""


class Choice(Struct, frozen=True):
    """Something a person could do: its key, what it does, and why not where it cannot be done now."""

    key: str
    text: str
    refused: str = ""


def phase_cells(state: State, step: StepState) -> tuple[PhaseCell, ...]:
    """The phases of a step, the passed ones with how long they baked, the open one with its progress."""
    if step.watch is None:
        return ()
    cells = []
    for i, phase in enumerate(step.watch.phases):
        label = f"{phase.percent:g}" if phase.percent is not None else safe(phase.target, 24)
        if step.status == "succeeded" or i < step.phase:
            took = since(step.baked[i]) if i < len(step.baked) else ""
            cells.append(PhaseCell(label, "done", took, phase.percent))
        elif i > step.phase or step.status in ("pending", "awaiting", "canceled"):
            cells.append(PhaseCell(label, "later", "", phase.percent))
        else:
            cells.append(PhaseCell(label, phase_sign(state, step), phase_progress(state, step), phase.percent))
    return tuple(cells)


def phase_sign(state: State, step: StepState) -> Sign:
    if step.status == "stuck":
        if step.cause == "undo":
            return "active" if state.mitigation == "running" else "undone"
        return "unknown" if step.cause in ("unknown", "drift") else "held"
    return "held" if state.holds_on(step.ref) else "active"


def phase_progress(state: State, step: StepState) -> str:
    """`04:51/15:00` of the bake; `settling` and `setting` before it."""
    if step.phase_at is None:
        if step.cause == "undo":
            return "taking back" if state.mitigation == "running" else "taken back"
        return "setting"
    if step.judged_at < step.settle_until and not step.accrued:
        return "settling"
    return f"{since(step.accrued)}/{since(step.need)}" if step.need else "watching"


def observed(state: State, ref: str = "") -> StepState | None:
    """The step whose gate is meant: *ref* where it has one, else the one that is being watched, else the last."""
    steps = [step for step in state.steps.values() if step.watch is not None]
    named = next((step for step in steps if step.ref == ref), None)
    if named is not None:
        return named
    live = [step for step in steps if step.status in ("observing", "stuck", "running")]
    live.sort(key=lambda step: step.status == "observing" and step.in_background)
    return live[0] if live else (steps[-1] if steps else None)


def condition_rows(step: StepState) -> tuple[ConditionRow, ...]:
    """A row per term of the gate, in the playbook's order; one that was never judged says so."""
    if step.watch is None:
        return ()
    said = {term.id: term for term in step.verdict.terms} if step.verdict else {}
    return tuple(_row(step, term, said.get(term.id)) for term in step.watch.gate)


def _row(step: StepState, term: Term, verdict: TermVerdict | None) -> ConditionRow:
    rule = shown_rule(term)
    limit = _limit(term, rule) if rule is not None else ""
    if verdict is None:
        none = NO_VALUE
        return ConditionRow(safe(term.id, 24), "later", none, none, limit, "not judged yet", "", "", none)
    unit = rule.unit if rule is not None else "number"
    shown = [quantity(v, unit) if v is not None else NO_VALUE for v in (verdict.value, verdict.control)]
    if verdict.baseline:
        shown[1] += f" {verdict.baseline}"
    over = term.id in step.overridden
    n = count(verdict.n) if verdict.n is not None else NO_VALUE
    if verdict.n is not None and verdict.n_needed is not None and verdict.n < verdict.n_needed:
        n += f" of {count(verdict.n_needed)}"
    return ConditionRow(
        id=safe(term.id, 24),
        sign="skipped" if over or not verdict.applies else ANSWER_SIGNS[verdict.answer],
        value=shown[0],
        control=shown[1],
        limit=limit or (quantity(verdict.limit, unit) if verdict.limit is not None else ""),
        word=_word(verdict, over),
        reason=safe(collapsed(verdict.reason.removeprefix(f"{term.id}: "))),
        need=safe(verdict.need),
        n=n,
        age=verdict.age,
        overridden=over,
        who=safe(verdict.who),
    )


def _word(verdict: TermVerdict, over: bool) -> str:
    if over:
        return f"overridden ({verdict.answer})"
    if not verdict.applies:
        return "does not apply"
    if verdict.recovered:
        return "fail, good since"
    if verdict.answer == "fail" and verdict.bad_for:
        return f"fail {duration(verdict.bad_for)}"
    return verdict.answer


def _limit(term: Term, rule: Rule) -> str:
    if compared_with(term):
        return f"≤ +{quantity(rule.limit, 'share')}"
    sign = "≥" if rule.below else "≤"
    return f"{sign} {quantity(rule.limit, rule.unit)}"


def limit_of(term: Term, name: str) -> str:
    """` > 5 %`: the limit of a term beside its name; empty where the name says it already, or there is none."""
    rule = shown_rule(term)
    if rule is None or any(sign in name for sign in "<>%+"):
        return ""
    if other := compared_with(term):
        return f" > {other} +{quantity(rule.limit, 'share')}"
    return f" {'<' if rule.below else '>'} {quantity(rule.limit, rule.unit)}"


def failing(step: StepState) -> tuple[TermVerdict, ...]:
    """The conditions that keep the phase from passing and that nobody overrode.

    One that does not apply keeps it only where no other does.
    """
    if step.verdict is None:
        return ()
    applying = tuple(t for t in step.verdict.terms if t.applies) or step.verdict.terms
    return tuple(t for t in applying if t.answer != "pass" and t.id not in step.overridden)


def gate_line(step: StepState, now: float) -> str:
    """`FAIL for 2m10s: …`: the verdict of the gate in one line; honest where there is none."""
    if step.watch is None:
        return "no gate: this step is not watched"
    if step.verdict is None:
        return "not judged yet" if step.status != "succeeded" else "passed"
    held = f" for {duration(max(0.0, now - step.verdict_at))}" if step.verdict_at else ""
    return f"{step.verdict.answer.upper()}{held}: {safe(collapsed(step.verdict.reason))}"


def next_phase(step: StepState) -> str:
    """`50 %` of the phase that follows; empty in the last."""
    if step.watch is None or step.phase + 1 >= len(step.watch.phases):
        return ""
    following = step.watch.phases[step.phase + 1]
    return percent(following.percent) if following.percent is not None else safe(following.target, 24)


def lower_phases(step: StepState) -> tuple[float, ...]:
    """The percentages below the open phase, highest first: where a retreat could go."""
    if step.watch is None:
        return ()
    here = step.phase_plan
    top = here.percent if here is not None and here.percent is not None else 0.0
    return tuple(
        sorted({p.percent for p in step.watch.phases if p.percent is not None and p.percent < top}, reverse=True)
    )


def choices(state: State, step: StepState) -> tuple[Choice, ...]:
    """What a person could do about this gate now. The refusal of `decide` is the law; this is a hint beforehand."""
    found = [Choice("", "wait")]
    lower = lower_phases(step)
    if lower and state.phase == "forward":
        found.append(Choice("b", f"back to {percent(lower[0])}"))
    found += [Choice("M Y", "mitigate"), Choice("R", "roll back")]
    bad = failing(step)
    roles = " or ".join(state.plan.override_roles)
    if bad:
        found.append(Choice("o", f"override {', '.join(t.id for t in bad)}: {roles}, reason, this phase only"))
    after = next_phase(step)
    refused = ""
    if bad:
        refused = f"{bad[0].id}: {bad[0].answer}"
    elif state.holds_on(step.ref):
        refused = "held"
    elif step.verdict is None:
        refused = "not judged yet"
    found.append(Choice("a", f"advance to {after}" if after else "finish the watch", refused))
    return tuple(found)


def live(step: StepState, board: Mapping[str, Any]) -> StepState:
    """*step* as of the conductor's last tick: the journal keeps changes of its verdict, and one look in 30 s.

    What the board holds of a phase that is over says nothing of the one that is open.
    """
    raw = board.get(f"gate:{step.ref}")
    if raw is None or step.phase_at is None or step.status not in ("observing", "stuck"):
        return step
    try:
        now = msgspec.convert(raw, GateNow, strict=False)
    except msgspec.ValidationError:
        return step
    if now.at < max(step.judged_at, step.phase_at):
        return step
    return replace(
        step,
        verdict=now.verdict,
        judged_at=now.at,
        accrued=now.accrued,
        accrued_at=now.at,
        seen=now.seen or step.seen,
    )


def live_state(state: State, board: Mapping[str, Any]) -> State:
    """*state* with each watched step as of the conductor's last tick."""
    fresh = {ref: live(step, board) for ref, step in state.steps.items() if step.status in ("observing", "stuck")}
    changed = any(step is not state.steps[ref] for ref, step in fresh.items())
    return replace(state, steps=state.steps | fresh) if changed else state
