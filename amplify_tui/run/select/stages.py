"""The stage list: what each stage and step is at, in a sign and a word; and which step matters now."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from amplify_tui.run.select.outage import collapsed
from amplify_tui.run.select.undo_lines import is_taken_back
from amplify_tui.run.select.words import Sign, percent, safe
from amplify_tui.run.shapes import StagePlan, StepRef
from amplify_tui.run.state import EffectState, State, StepState, StepStatus
from amplify_tui.run.undo import rollback_items
from amplify_tui.run.watching import time_left
from amplify_tui.verdict.words import duration

StageStatus = Literal["not_reached", "active", "attention", "done", "done_with_exceptions", "undone"]

STEP_SIGNS: Final[dict[StepStatus, Sign]] = {
    "pending": "later",
    "awaiting": "held",
    "running": "active",
    "observing": "active",
    "stuck": "failed",
    "succeeded": "done",
    "skipped": "skipped",
    "canceled": "later",
}
STEP_WORDS: Final[dict[StepStatus, str]] = {
    "pending": "",
    "awaiting": "waits for you",
    "running": "at work",
    "observing": "watching",
    "stuck": "stuck",
    "succeeded": "",
    "skipped": "skipped",
    "canceled": "canceled",
}
STAGE_SIGNS: Final[dict[StageStatus, Sign]] = {
    "not_reached": "later",
    "active": "active",
    "attention": "held",
    "done": "done",
    "done_with_exceptions": "done",
    "undone": "undone",
}
# The first of these that some step is in is the one that a person should look at.
_URGENCY: Final[tuple[StepStatus, ...]] = ("stuck", "awaiting", "observing", "running")


class StepRow(Struct, frozen=True):
    ref: StepRef
    title: str
    sign: Sign
    note: str = ""


class StageRow(Struct, frozen=True):
    n: int
    id: str
    title: str
    status: StageStatus
    sign: Sign
    note: str
    steps: tuple[StepRow, ...]


class UndoReady(Struct, frozen=True):
    """How many of the planned undos can be carried out, of how many; `none` names what cannot be undone."""

    ready: int
    total: int
    none: tuple[str, ...] = ()


def step_sign(state: State, step: StepState) -> Sign:
    """The sign of a step: a hold on it, an unknown outcome and an undone effect show before its status."""
    if step.status == "stuck":
        if step.cause in ("unknown", "drift"):
            return "unknown"
        if step.cause == "undo":  # nothing is called undone before it is
            return "active" if state.mitigation == "running" else "undone"
        return "held" if step.cause in ("gate", "timeout") else "failed"
    if not step.is_over and any(hold.scope == step.ref for hold in state.holds.values()):
        return "held"
    if step.verdict is not None and step.status == "observing" and step.verdict.answer in ("blind", "error"):
        return "unknown"
    if step.status in ("succeeded", "canceled") and _is_undone(state, step):
        return "undone"
    return STEP_SIGNS[step.status]


def _is_undone(state: State, step: StepState) -> bool:
    """All undoable effects of the step have been taken back by a rollback."""
    if not state.rollback_plan:
        return False
    mine = {effect.id for effect in state.effects_of(step)}
    items = [entry for entry in rollback_items(state) if mine & set(entry.item.effects)]
    return bool(items) and all(is_taken_back(entry) for entry in items)


def step_note(state: State, step: StepState) -> str:
    """A word or two beside the step: its phase, its instances, why it is stuck."""
    if step.status == "stuck":
        if step.cause == "undo":
            return "taking back" if state.mitigation == "running" else "taken back"
        return {"failed": "failed", "unknown": "unknown", "gate": "held", "timeout": "held"}.get(
            step.cause or "", step.cause or "stuck"
        )
    if step.status == "awaiting":
        kinds = {waits.kind for waits in step.awaits}
        return "waits for you" if kinds & {"confirm", "input", "sign_off"} else f"waits: {', '.join(sorted(kinds))}"
    if step.status == "observing" and step.phase_plan is not None:
        plan = step.phase_plan
        if step.watch is not None and step.watch.summed:
            return f"{duration(time_left(step))} left"
        return percent(plan.percent) if plan.percent is not None else safe(plan.target, 20)
    if step.status == "skipped":
        return {"condition": "not needed", "failed": "failed, went on"}.get(step.skipped_by, "skipped")
    if step.status == "running" and step.n > 1:
        return f"try {step.n}"
    return STEP_WORDS[step.status]


def step_title(state: State, step: StepState) -> str:
    """The title of the step (its id where it has none), with its key."""
    plan = state.plan_of(step)
    title = safe(plan.title or plan.id, 60)
    return f"{title} {safe(step.key, 30)}" if step.key else title


def outlived_by(state: State, step: StepState) -> EffectState | None:
    """What has outlived the conductor that started it for *step*, and still runs."""
    return next((e for e in state.effects_of(step) if e.status == "unknown" and e.at_work), None)


def stuck_words(state: State, step: StepState) -> str:
    """Why *step* is stuck, in words."""
    if (outlived := outlived_by(state, step)) is not None:
        return f"its conductor ended, but {safe(outlived.reason)}"
    return safe(step.question or collapsed(step.detail)) or step.cause or "stuck"


def stage_status(state: State, stage: StagePlan) -> StageStatus:
    """A fold of the stage's steps."""
    steps = [step for name in stage.steps for step in state.steps_of(name)]
    signs = {step_sign(state, step) for step in steps}
    statuses = {step.status for step in steps}
    if signs & {"failed", "unknown", "held"}:
        return "attention"
    if "undone" in signs and statuses <= {"succeeded", "skipped", "canceled", "stuck"}:
        return "undone"
    if statuses <= {"pending", "canceled"}:
        return "not_reached"
    if "canceled" in statuses and statuses <= {"succeeded", "skipped", "canceled"}:
        return "attention"
    if statuses <= {"succeeded", "skipped"}:
        human = any(step.skipped_by in ("human", "failed") or step.overridden_at for step in steps)
        return "done_with_exceptions" if human else "done"
    return "active"


def stage_rows(state: State) -> tuple[StageRow, ...]:
    """The whole list, in the playbook's order."""
    rows = []
    for n, stage in enumerate(state.plan.stages, 1):
        status = stage_status(state, stage)
        steps = [step for name in stage.steps for step in state.steps_of(name)]
        rows.append(
            StageRow(
                n=n,
                id=stage.id,
                title=safe(stage.title or stage.id, 40),
                status=status,
                sign="skipped" if _all_skipped(steps) else STAGE_SIGNS[status],
                note=_stage_note(state, status, steps),
                steps=tuple(
                    StepRow(s.ref, step_title(state, s), step_sign(state, s), step_note(state, s)) for s in steps
                ),
            )
        )
    return tuple(rows)


def _all_skipped(steps: list[StepState]) -> bool:
    return bool(steps) and all(step.status == "skipped" for step in steps)


def _stage_note(state: State, status: StageStatus, steps: list[StepState]) -> str:
    match status:
        case "attention":
            worst = next((s for urgent in _URGENCY for s in steps if s.status == urgent), None)
            stopped = any(s.status == "canceled" for s in steps)
            return step_note(state, worst) if worst else "stopped" if stopped else "held"
        case "done_with_exceptions":
            exceptional = sum(s.skipped_by in ("human", "failed") or bool(s.overridden_at) for s in steps)
            return f"{exceptional} exception" + ("s" if exceptional > 1 else "")
        case "undone":
            return "undone"
        case "active":
            over = sum(step.is_over for step in steps)
            behind = next((step for step in steps if watches_behind(step)), None)
            if behind is not None and all(step.is_over or step is behind for step in steps):
                return step_note(state, behind)
            return f"{over}/{len(steps)}" if len(steps) > 1 else ""
        case "not_reached" | "done":
            return ""


def in_order(state: State) -> list[StepState]:
    """The forward steps as the playbook orders them; a journal keeps dicts by name, so only the stages know."""
    return [step for stage in state.plan.stages for name in stage.steps for step in state.steps_of(name)]


def current(state: State) -> StepState | None:
    """The step that a person should look at: the most urgent one, else the next to come, else none.

    A monitor that watches well in the background comes after whatever goes on in front of it.
    """
    steps = in_order(state)
    if state.phase == "rolling_back":
        steps = [s for s in state.steps.values() if state.plan_of(s).lane != "forward"] or steps
    for status in _URGENCY:
        found = next((step for step in steps if step.status == status and not watches_behind(step)), None)
        if found is not None:
            return found
    behind = next((step for step in steps if watches_behind(step)), None)
    return behind or next((step for step in steps if step.status == "pending"), steps[-1] if steps else None)


def watches_behind(step: StepState) -> bool:
    """Whether it is a monitor that watches while other steps go on, and asks nobody."""
    return step.status == "observing" and step.in_background


def undo_ready(state: State) -> UndoReady:
    """`ready 9/9` of the rollback lane: items that have a way back, of all."""
    items = [e for e in rollback_items(state) if not e.item.only_looks and not e.never_happened]
    without = tuple(safe(e.item.says or e.item.target.id, 60) for e in items if e.item.cls == "none")
    return UndoReady(len(items) - len(without), len(items), without)
