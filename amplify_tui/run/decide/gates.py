"""A person at a gate: advance early on a pass, override a failing condition, go back a phase."""

from __future__ import annotations

from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.decide.guards import (
    Result,
    expected_world,
    find_step,
    place,
    refuse,
    request,
    role_refusal,
    seconded,
    sha,
    unknown_in,
    unreasoned,
)
from amplify_tui.run.decide.observe import firing, judge_step, next_phase
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.state import IN_FLIGHT, State, StepState
from amplify_tui.run.trials import advanced
from amplify_tui.run.watching import outputs_of
from amplify_tui.verdict.fleet import odd_ones
from amplify_tui.verdict.gate import judge

TWO_PEOPLE = frozenset({"fleet", "subject"})


def _observing(state: State, order: c.Advance | c.Override, what: str) -> StepState | Refusal:
    step = find_step(state, order.step, order.key)
    if isinstance(step, Refusal):
        return step
    what = f"{step.ref} {what}"
    if step.watch is None or step.phase_at is None or step.status not in ("observing", "stuck"):
        return refuse(what, f"no gate is open: it is {step.status}")
    if order.expect is not None and order.expect != step.phase:
        return refuse(what, f"it is at phase {step.phase + 1}, not {order.expect + 1}", "look again")
    return step


def advance(state: State, order: c.Advance, now: float) -> Result:
    step = _observing(state, order, "does not advance")
    if isinstance(step, Refusal):
        return step
    what = f"{step.ref} does not advance"
    if step.status != "observing":
        return refuse(what, step.detail or f"it is {step.status}", "wait for a pass, override, or go back")
    if holds := state.holds_on(step.ref):
        return refuse(what, f"held: {holds[0].reason}", f"release {holds[0].id}")
    if state.open_triggers:
        return refuse(what, f"trigger {state.open_triggers[0].spec.id} asks for an answer", "answer it first")
    if order.evidence is None:
        return refuse(what, "nobody has looked at the readings", "try again")
    if fires := firing(advanced(state, order.evidence, now)[0], order.evidence, now):
        return refuse(what, f"trigger {fires}", "see what it does, and answer it where it asks")
    verdict = judge_step(state, step, order.evidence, now)
    if verdict.answer != "pass":
        need = verdict.need or "wait for a pass, override the condition, or go back"
        return refuse(what, f"the gate says {verdict.answer}: {verdict.reason}", need)
    left = max(0.0, step.need - step.accrued)
    why = f"advanced by {order.actor}, {left:.0f} s of the bake waived" + (f": {order.reason}" if order.reason else "")
    judged = ev.GateJudged(step=step.step, key=step.key, i=step.phase, verdict=verdict)
    moved = next_phase(step, why)
    if step.watch is not None and step.watch.summed and isinstance(moved[0], ev.StepSucceeded):
        return (judged, replace(moved[0], outputs=outputs_of(step, verdict)))
    return (judged, *moved)


def override(state: State, order: c.Override, now: float) -> Result:
    step = _observing(state, order, "is not overridden")
    if isinstance(step, Refusal):
        return step
    refusal = _may_override(state, step, order)
    if refusal is not None:
        return refusal
    if order.evidence is None:
        return refuse(f"{step.ref} is not overridden", "nobody has looked at the readings", "try again")
    if TWO_PEOPLE & set(order.conditions):
        expected = expected_world(state, step, step.phase_at or 0.0)
        odd = odd_ones(order.evidence, expected, now)
        if set(order.instances) != set(odd):
            why = f"the fleet is not as expected at {', '.join(odd) or 'no instance'}"
            return refuse(f"{step.ref} is not overridden", why, "list these instances, and no others")
        asked = f"override {step.ref} {step.phase} {' '.join(sorted(order.conditions))} at {', '.join(odd)}"
        if seconded(state, asked, order.actor, now) is None:
            return (request(asked, order, now),)
    assert step.watch is not None
    shown, _ = advanced(state, order.evidence, now)
    verdict = judge(step.watch.gate, order.evidence, expected_world(shown, step, step.phase_at or 0.0), now)
    values = {t.id: t.value for t in verdict.terms if t.id in order.conditions}
    return (
        # What the hash is of stands right before it.
        ev.GateJudged(step=step.step, key=step.key, i=step.phase, verdict=verdict),
        ev.Overridden(
            step=step.step,
            key=step.key,
            phase=step.phase,
            conditions=order.conditions,
            evidence_sha=sha(repr(verdict)),
            reason=order.reason + (f" (instances: {', '.join(sorted(order.instances))})" if order.instances else ""),
            values=values,
        ),
    )


def _may_override(state: State, step: StepState, order: c.Override) -> Refusal | None:
    what = f"{step.ref} is not overridden"
    assert step.watch is not None
    known = [t.id for t in step.watch.gate]
    if strange := [name for name in order.conditions if name not in known]:
        return refuse(what, f"its gate has no {', '.join(strange)}", f"it has {', '.join(known)}")
    if not order.conditions:
        return refuse(what, "no condition was named", f"name one of {', '.join(known)}")
    if unsaid := unreasoned(what, order):
        return unsaid
    phase = step.phase_plan
    if phase is not None and phase.percent is not None and order.percent != phase.percent:
        return refuse(what, f"the percentage typed is not {phase.percent:g}", f"type {phase.percent:g}")
    refusals = [role_refusal(state, order.actor, role, what) for role in state.plan.override_roles]
    return refusals[0] if refusals and all(refusals) else None


def retreat(state: State, order: c.Retreat, now: float) -> Result:
    step = find_step(state, order.step, order.key)
    if isinstance(step, Refusal):
        return step
    what = f"{step.ref} does not go back"
    if step.watch is None or not step.watch.flag:
        return refuse(what, "it ramps no flag", "roll back instead")
    if step.is_over or step.status in ("pending", "awaiting"):
        return refuse(what, f"it is {step.status}")
    if order.expect is not None and order.expect != step.phase:
        return refuse(what, f"it is at phase {step.phase + 1}, not {order.expect + 1}", "look again")
    if unknown := unknown_in(state, step):
        return refuse(what, f"nobody knows whether {', '.join(unknown)} happened", "mitigate instead, or settle it")
    if any(effect.status in IN_FLIGHT for effect in state.effects_of(step)):
        return refuse(what, "an effect of it is under way", "mitigate instead, or wait for its outcome")
    lower = [i for i, p in enumerate(step.watch.phases[: step.phase]) if p.percent == order.percent]
    if not lower:
        there = ", ".join(p.target for p in step.watch.phases[: step.phase]) or "none"
        return refuse(what, f"{order.percent:g} % is no earlier phase", f"earlier phases: {there}; or mitigate")
    why = f"back by {order.actor}" + (f": {order.reason}" if order.reason else "")
    return (
        ev.PhaseRetreated(step=step.step, key=step.key, from_=step.phase, to=lower[0], why=why),
        place(state, step.ref, "human", f"back at {order.percent:g} %: {order.reason or 'a person went back'}"),
    )
