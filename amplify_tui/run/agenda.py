"""What the conductor should do now, read from the state: a list of things, no decision.

Pure, so that the search over all states can walk the very loop that production walks. Doing one of these still goes
through `decide`, which may refuse.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from amplify_tui.run.drift import to_mend
from amplify_tui.run.rereads import late_writes, looks_due
from amplify_tui.run.shapes import CODE_BAND, EXPOSURE_BAND, VERIFY_BAND, WORDS_BAND, UndoItem, ref_of
from amplify_tui.run.state import RUN_SCOPE, EffectState, State, StepState, TriggerState
from amplify_tui.run.undo import (
    LANDS_WITHIN,
    SETTLED_ITEM,
    ItemState,
    mitigation_items,
    rollback_items,
    undrained,
    unfinished_band,
)
from amplify_tui.run.undo_asks import to_judge
from amplify_tui.run.undo_turns import ready_items

STOP_AFTER = 5.0  # seconds that a rollback leaves to what is under way before it ends it
PROBE_BACKOFF = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
LATE_LOOKS = (0.0, 1.0, 5.0, 15.0, LANDS_WITHIN)  # seconds after a write to a flag went without an answer


class Todo(Struct, frozen=True, kw_only=True):
    """One thing to do. `key()` names it, so that the same thing is not begun twice at once."""

    kind: Literal[
        "begin",
        "drive",
        "observe",
        "probe",
        "poll",
        "stop",
        "reread",
        "mend",
        "undo",
        "mitigated",
        "integrity",
        "backwards",
        "traffic",
        "close",
        "expire",
        "sense",
        "retry",
    ]
    step: StepState | None = None
    effect: EffectState | None = None
    item: UndoItem | None = None
    name: str = ""

    @property
    def id(self) -> str:
        if self.step is not None:
            return f"{self.kind}:{self.step.ref}"
        if self.effect is not None:
            return f"{self.kind}:{self.effect.id}"
        return f"{self.kind}:{self.item.id if self.item else self.name}"


def probe_due(effect: EffectState, now: float) -> bool:
    """Unknown effects are looked at after 0, 1, 2, 4 ... 30 s, then every 30 s without end.

    A write to a flag that goes forward is looked at when it may have landed late, for the last time when it cannot any
    more, whatever came before (`probed` in decide/work.py).
    """
    if effect.target.kind == "flag" and not effect.undoes and effect.probes < len(LATE_LOOKS):
        return now >= effect.unknown_since + LATE_LOOKS[effect.probes]
    wait = PROBE_BACKOFF[min(effect.probes, len(PROBE_BACKOFF) - 1)]
    return now >= (effect.probed_at or effect.unknown_since) + wait


def preds_over(state: State, step: StepState) -> bool:
    """All that *step* needs has succeeded or was skipped; or watches in the background, where it is not named."""
    plan = state.plan_of(step)
    return all(
        other.status in ("succeeded", "skipped") or (other.in_background and need not in plan.named)
        for need in plan.needs
        if need in state.plan.steps
        for other in state.steps_of(need)
    )


def _slots(state: State, step: StepState) -> bool:
    """Whether the matrix of the step has room for one more: max_parallel, and fail_fast."""
    plan = state.plan_of(step)
    siblings = [s for s in state.steps_of(step.step) if s.ref != step.ref]
    if plan.fail_fast and any(s.status == "stuck" for s in siblings):
        return False
    busy = sum(s.status in ("running", "observing", "awaiting") for s in siblings)
    earlier = [s for s in siblings if plan.keys.index(s.key) < plan.keys.index(step.key) and s.status == "pending"]
    return busy + len(earlier) < plan.max_parallel


def phase_effects_done(state: State, step: StepState) -> bool:
    return not any(effect.is_open for effect in state.effects_of(step))


def _steps_todo(state: State, now: float, lanes: frozenset[str]) -> list[Todo]:
    todo = []
    for step in state.steps.values():
        if state.plan_of(step).lane not in lanes:
            continue
        match step.status:
            case "pending" if preds_over(state, step) and _slots(state, step):
                todo.append(Todo(kind="begin", step=step))
            case "awaiting":
                todo.append(Todo(kind="begin", step=step))
            case "running":
                todo.append(Todo(kind="drive", step=step))
            case "observing":
                todo.append(Todo(kind="observe", step=step))
            case "stuck" if step.cause in ("gate", "timeout") and step.watch:
                todo.append(Todo(kind="observe", step=step))
            case "stuck" if step.not_before and now >= step.not_before:
                todo.append(Todo(kind="retry", step=step))
            case _:
                pass
    return todo


def _effects_todo(state: State, now: float) -> list[Todo]:
    unknown = [e for e in state.effects.values() if e.status == "unknown"]
    todo = [Todo(kind="probe", effect=e) for e in unknown if probe_due(e, now)]
    # The conductor that started it would have cut it off by now.
    todo += [Todo(kind="stop", effect=e) for e in unknown if e.at_work and now >= e.deadline]
    return todo + [Todo(kind="poll", effect=e) for e in state.effects.values() if e.status == "accepted"]


def expired_unwatched(state: State, trigger: TriggerState) -> bool:
    """Whether the time to answer ran out while nobody conducted: then its `then` needs evidence of this moment."""
    return trigger.answer_by is not None and trigger.answer_by < state.conductor.at


def _forward(state: State, now: float) -> list[Todo]:
    # Triggers look before gates do: what they see of this moment comes before any advance on it.
    todo = [Todo(kind="sense", name="triggers")] if state.is_armed else []
    todo += (
        _effects_todo(state, now)
        + _rereads(state, now)
        + [Todo(kind="mend", name=hold.id) for hold, _ in to_mend(state, now)]
        + _baseline(state)
        + _steps_todo(state, now, frozenset({"forward"}))
    )
    todo += [
        Todo(kind="expire", name=trigger.spec.id)
        for trigger in state.open_triggers
        if trigger.answer_by is not None and now >= trigger.answer_by and not expired_unwatched(state, trigger)
    ]
    if state.mitigation == "running":
        items = mitigation_items(state)
        todo += [Todo(kind="undo", item=entry.item) for entry in ready_items(state, items, now)] + _drains(items)
        if all(entry.status in SETTLED_ITEM for entry in items):
            todo.append(Todo(kind="mitigated", name="mitigation"))
    forward = [s for s in state.steps.values() if state.plan_of(s).lane == "forward"]
    busy = state.open_effects or state.mitigation == "running" or state.is_held
    if all(s.is_over for s in forward) and not busy:
        todo.append(Todo(kind="close", name=RUN_SCOPE))
    return todo


def _stops(state: State, now: float) -> list[Todo]:
    """Forward effects that still go on some seconds after the rollback began, and that it may end."""
    if state.rollback_at is None or now < state.rollback_at + STOP_AFTER:
        return []
    under_way = (e for e in state.effects.values() if e.on_rollback == "term" and e.status in ("intended", "unknown"))
    forward = (e for e in under_way if (step := state.steps.get(e.ref)) and state.plan_of(step).lane == "forward")
    return [Todo(kind="stop", effect=effect) for effect in forward]


def _rereads(state: State, now: float) -> list[Todo]:
    return [Todo(kind="reread", effect=look) for look in looks_due(state, now)]


def _drains(items: list[ItemState]) -> list[Todo]:
    return [Todo(kind="traffic", effect=entry.effect, item=entry.item) for entry in undrained(items)]


def unproven(state: State) -> tuple[str, ...]:
    """Integrity checks whose baseline is not taken: without one a failure after the rollback would prove nothing."""
    if state.mode == "dry":
        return ()
    return tuple(check for check in state.integrity if check not in state.integrity_baseline)


def _baseline(state: State) -> list[Todo]:
    """The baseline is taken at the last moment before the first rollout, when all that it builds on is there."""
    ahead = (s for s in state.steps.values() if state.plan_of(s).verb == "rollout")
    if not any(s.status in ("pending", "awaiting") and preds_over(state, s) for s in ahead):
        return []
    return [Todo(kind="integrity", name=check) for check in unproven(state)]


def lane_done(state: State, lane: str) -> bool:
    return all(s.is_over for s in state.steps.values() if state.plan_of(s).lane == lane)


def undone(items: list[ItemState]) -> bool:
    return all(entry.status in SETTLED_ITEM for entry in items)


def _rolling_back(state: State, now: float) -> list[Todo]:
    items = rollback_items(state)
    todo = _effects_todo(state, now) + [Todo(kind="undo", item=e.item) for e in ready_items(state, items, now)]
    todo += _stops(state, now) + _rereads(state, now) + _drains(items)
    if state.until_band >= WORDS_BAND:
        todo += _steps_todo(state, now, frozenset({"before"}))
    if unfinished_band(items) == CODE_BAND and state.until_band >= CODE_BAND:
        todo += [Todo(kind="backwards", name=service) for service in to_judge(state, state.rollback_plan)]
    if not undone(items):
        return todo
    if not lane_done(state, "reconcile"):
        return todo + _steps_todo(state, now, frozenset({"reconcile"}))
    pending = [check for check in state.integrity if check not in state.integrity_after]
    todo += [Todo(kind="integrity", name=check) for check in pending]
    if pending:
        return todo
    todo += _steps_todo(state, now, frozenset({"after"}))
    lanes = lane_done(state, "after") and lane_done(state, "before")
    if lanes and not state.open_effects and not late_writes(state, now):
        todo.append(Todo(kind="close", name=RUN_SCOPE))
    return todo


def agenda(state: State, now: float) -> list[Todo]:
    """Everything that could be done at *now*, in the order in which it should be tried."""
    match state.phase:
        case "forward":
            return _forward(state, now)
        case "rolling_back":
            return _rolling_back(state, now)
        case "none" | "draft" | "closed":
            return []


def exposure_bands(items: list[ItemState]) -> list[ItemState]:
    return [entry for entry in items if entry.item.band in (EXPOSURE_BAND, VERIFY_BAND)]


def first_pending(state: State, step: str) -> StepState | None:
    """The first instance of *step* that is not over."""
    plan = state.plan.steps.get(step)
    if plan is None:
        return None
    return next((s for k in plan.keys if not (s := state.steps[ref_of(step, k)]).is_over), None)
