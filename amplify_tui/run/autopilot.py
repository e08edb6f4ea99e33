"""Playing the people of a run: which orders somebody who only follows the playbook would give now.

Pure: state in, orders out. It answers with defaults or with what it was given, signs off as one actor a role, retries
once, rolls back after a fired trigger or a gate that stays failed, and never overrides, skips, settles or waives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from amplify_tui.run import commands as c
from amplify_tui.run.agenda import agenda
from amplify_tui.run.inputs import missing
from amplify_tui.run.lacking import waiting_for_secrets
from amplify_tui.run.state import State, StepState
from amplify_tui.run.undo import rollback_items, waits_after

STAYED_FAILED_S: Final = 10.0

Orders = list[c.Person]


def _id(state: State, *parts: object) -> str:
    """The same order has the same id, so that it is given once."""
    return ":".join(str(part) for part in ("auto", state.run, *parts))


def autopilot(state: State, now: float) -> Orders:
    """The orders of somebody who plays every role by the book."""
    orders: Orders = []
    if state.phase == "draft" and not missing(state.plan.inputs, state.inputs):
        orders.append(c.Start(id=_id(state, "start", state.seq), actor="autopilot-captain", via="cli"))
    for step in state.steps.values():
        orders += _answers(state, step, {}, sign_all=True)
        orders += _unstick(state, step, now)
    if state.phase == "forward":
        orders += _take_back(state)
    return orders


def given(state: State, answers: Mapping[str, Any], actor: str) -> Orders:
    """The orders that an answers file gives: step id -> true, false, or a mapping of values with `sign_off`."""
    orders: Orders = []
    if state.phase == "draft" and not missing(state.plan.inputs, state.inputs):
        orders.append(c.Start(id=_id(state, "start", state.seq), actor=actor, via="cli"))
    for step in state.steps.values():
        if step.step in answers:
            orders += _answers(state, step, answers[step.step], sign_all=False, actor=actor)
    return orders


def _answers(state: State, step: StepState, answer: Any, *, sign_all: bool, actor: str = "autopilot-captain") -> Orders:
    if step.status != "awaiting":
        return []
    values = dict(answer) if isinstance(answer, Mapping) else {"accept": answer is not False}
    signed = values.pop("sign_off", None)
    signers: dict[str, Any] = signed if isinstance(signed, dict) else {}
    where: dict[str, Any] = {"step": step.step, "key": step.key, "via": "cli"}
    orders: Orders = []
    for wait in step.awaits:
        tag = (step.ref, step.n, wait.kind, wait.role, step.preview_sha[:8])
        if wait.kind == "confirm" and ("accept" in values or sign_all):
            accepted = {"accept": values.get("accept", True)}
            orders.append(c.Answer(id=_id(state, *tag), actor=actor, values=accepted, **where))
        elif wait.kind == "input":
            defaults = {n: f.default for n, f in wait.fields.items() if f.default is not None}
            typed = {n: values[n] for n in wait.fields if n in values}
            orders.append(c.Answer(id=_id(state, *tag), actor=actor, values=defaults | typed, **where))
        elif wait.kind == "sign_off" and (sign_all or wait.role in signers):
            names = [f"autopilot-{wait.role}" + (f"-{i}" if i else "") for i in range(wait.count)]
            for name in names if sign_all else [str(signers[wait.role])]:
                sign = _id(state, *tag, name)
                orders.append(c.Approve(id=sign, actor=name, role=wait.role, expect=step.preview_sha, **where))
    return orders


def _unstick(state: State, step: StepState, now: float) -> Orders:
    if step.status != "stuck" or state.phase != "forward" or step.not_before:
        return []
    if step.cause == "failed" and step.n < 2 and not state.is_held:
        order_id = _id(state, "retry", step.ref, step.n)
        return [c.Retry(id=order_id, actor="autopilot-captain", via="cli", step=step.step, key=step.key)]
    if step.cause == "failed":
        return [_rollback(state, f"{step.ref} failed: {step.detail}")]
    patience = (
        max((t.condition.for_ or 0.0 for t in step.watch.gate if t.condition), default=0.0) if step.watch else 0.0
    )
    hold = next((h for h in state.holds.values() if h.scope == step.ref), None)
    if step.cause in ("gate", "timeout") and hold and now - hold.at > max(patience, STAYED_FAILED_S):
        return [_rollback(state, f"the gate of {step.ref} stays failed: {step.detail}")]
    return []


def _take_back(state: State) -> Orders:
    for trigger in state.open_triggers:
        reason = f"trigger {trigger.spec.id}: {trigger.evidence}"
        order_id = _id(state, "trigger", trigger.spec.id, trigger.fired)
        return [
            c.AnswerTrigger(
                id=order_id,
                actor="autopilot-captain",
                via="cli",
                trigger=trigger.spec.id,
                answer="rollback",
                reason=reason,
            )
        ]
    if state.mitigation == "done":
        return [_rollback(state, "exposure was taken away; the rest goes back too")]
    return []


def _rollback(state: State, reason: str) -> c.Rollback:
    return c.Rollback(id=_id(state, "rollback"), actor="autopilot-captain", via="cli", reason=reason)


def waits_for_person(state: State, now: float) -> str:
    """What only a person can do now, in words; "" while the run moves by itself."""
    if state.phase == "draft":
        lacking = missing(state.plan.inputs, state.inputs)
        return f"values for {', '.join(lacking)}" if lacking else ""
    if unset := waiting_for_secrets(state):
        return f"a secret, to take {unset[0].item.target.id} back: {unset[0].detail}"
    if state.phase == "rolling_back":
        blocked = [entry for entry in rollback_items(state) if entry.status == "blocked"]
        if blocked:
            return f"a decision about {blocked[0].item.target.id}: {blocked[0].detail}"
        asked = _asked(state, "before", "reconcile", "after") or _diverged(state)
        return "" if _moves(state, now) else asked or waits_after(state)
    if state.phase != "forward" or _moves(state, now):
        return ""
    if state.open_triggers:
        return f"an answer to trigger {state.open_triggers[0].spec.id}"
    held = next(iter(state.holds.values()), None)
    return _asked(state, "forward") or _diverged(state) or (f"{held.id} to be released: {held.reason}" if held else "")


def _diverged(state: State) -> str:
    """The first effect that only a person can settle, in words; "" where there is none."""
    found = next((effect for effect in state.effects.values() if effect.status == "diverged"), None)
    return f"{found.id} on {found.target.id} to be settled: {found.reason or 'it diverged'}" if found else ""


def _asked(state: State, *lanes: str) -> str:
    """The first step of these lanes that waits for a person, in words; "" where none does."""
    for step in state.steps.values():
        if state.plan_of(step).lane not in lanes:
            continue
        kinds = {wait.kind for wait in step.awaits}
        if step.status == "awaiting" and kinds & {"confirm", "input", "sign_off"}:
            return f"{step.ref}: {', '.join(w.detail or w.kind for w in step.awaits)}"
        if step.status == "stuck" and not step.not_before:
            return f"{step.ref} is stuck: {step.detail}"
    return ""


def _moves(state: State, now: float) -> bool:
    """Whether the conductor has something to do that needs nobody."""
    for todo in agenda(state, now):
        step = todo.step
        if todo.kind in ("probe", "poll", "undo", "mitigated", "close", "integrity", "backwards", "traffic", "retry"):
            return True
        if step is None:
            continue
        # What watches in the background goes on whatever people do; it is no reason not to ask them.
        if todo.kind == "observe" and step.status == "observing" and not state.is_held and not step.in_background:
            return True
        if todo.kind == "drive" and not state.holds_on(step.ref):
            return True
        if todo.kind == "begin" and step.status == "pending" and not state.holds_on(step.ref):
            return True
        if todo.kind == "begin" and {w.kind for w in step.awaits} <= {"window", "lock", "fleet", "integrity"}:
            return True
    return any(step.not_before > now for step in state.steps.values() if step.status == "stuck")
