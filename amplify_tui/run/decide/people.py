"""What a person may order: the run's start and end, answers, sign-offs, and what to do with a stuck step."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.decide.drift import answered
from amplify_tui.run.decide.guards import Result, find_step, moot, place, refuse, role_refusal, unknown_in
from amplify_tui.run.decide.supersede import take_over
from amplify_tui.run.decide.trust import untrusted
from amplify_tui.run.drift import mends
from amplify_tui.run.events import EventData
from amplify_tui.run.inputs import complaints, missing
from amplify_tui.run.shapes import Await, Hold, Refusal, StepRef
from amplify_tui.run.state import IN_FLIGHT, RUN_SCOPE, EffectState, State, StepState
from amplify_tui.run.undo import is_item, is_verification, items_under_way, may_answer
from amplify_tui.verdict.gate import is_good_again

JUDGED_LATELY_S: Final = 60.0


def start(state: State, order: c.Start, now: float) -> Result:
    lacking = missing(state.plan.inputs, state.inputs)
    if lacking:
        names = ", ".join(lacking)
        return refuse("the run cannot start", f"no value for {names}", "give each with `answer inputs NAME=VALUE`")
    if order.problems:
        return refuse("the run cannot start", "; ".join(order.problems), "mend it and start again")
    if order.facts is None:
        return refuse("the run cannot start", "nobody has looked at the repository and the services yet", "start again")
    if said := untrusted(state, order, order.facts.trust):
        return said
    inherited = take_over(state, order, now) if state.supersedes else None
    if isinstance(inherited, Refusal):
        return inherited
    facts = replace(order.facts, supersedes=state.supersedes, inherited=inherited)
    is_needed = order.facts.trust is not None and bool(order.facts.trust.doubts)
    return (replace(facts, untrusted=order.reason if is_needed else ""),)


def answer(state: State, order: c.Answer, now: float) -> Result:
    if order.step in ("", "inputs"):
        if state.phase != "draft":
            return refuse("the inputs stay as they are", "the run has started with them", "abort it and start another")
        wrong = complaints(state.plan.inputs, order.values)
        return (
            refuse("the answer is refused", "; ".join(wrong))
            if wrong
            else (ev.InputGiven(step="", values=order.values),)
        )
    step = find_step(state, order.step, order.key)
    if isinstance(step, Refusal):
        return step
    if step.status != "awaiting":
        return refuse(
            f"{step.ref} takes no answer", f"it is {step.status}", "it can be answered while it waits for one"
        )
    kinds = {a.kind: a for a in step.awaits}
    if "confirm" in kinds:
        return _confirm(state, step, order)
    if "input" not in kinds:
        waits = ", ".join(a.detail or a.kind for a in step.awaits)
        return refuse(f"{step.ref} takes no answer", f"it waits for {waits}")
    wrong = complaints(kinds["input"].fields, order.values)
    if wrong:
        return refuse("the answer is refused", "; ".join(wrong))
    return (ev.InputGiven(step=step.step, key=step.key, values=order.values),)


def _confirm(state: State, step: StepState, order: c.Answer) -> Result:
    accept = order.values.get("accept")
    if not isinstance(accept, bool):
        return refuse(f"{step.ref} asks for a yes or a no", "`accept` is neither true nor false", "answer accept=true")
    given = ev.InputGiven(step=step.step, key=step.key, values=order.values)
    if accept:
        return (given,)
    words = f"declined by {order.actor}" + (f": {order.reason}" if order.reason else "")
    if state.plan_of(step).lane == "reconcile":  # it was only offered
        return (given, ev.StepSkipped(step=step.step, key=step.key, by="human", reason=words))
    return (given, ev.StepStuck(step=step.step, key=step.key, cause="failed", detail=words))


def _sign_off_of(step: StepState, role: str) -> Await | None:
    return next((a for a in step.awaits if a.kind == "sign_off" and a.role == role), None)


def approve(state: State, order: c.Approve, now: float) -> Result:
    step = find_step(state, order.step, order.key)
    if isinstance(step, Refusal):
        return step
    what = f"{order.actor} cannot approve {step.ref}"
    waits = _sign_off_of(step, order.role)
    plan = state.plan_of(step)
    if step.status != "awaiting" or waits is None or plan.sign_off is None:
        open_roles = ", ".join(a.role for a in step.awaits if a.kind == "sign_off") or "no role"
        return refuse(what, f"it waits for {open_roles}, not for {order.role}")
    if order.expect and order.expect != step.preview_sha:
        return refuse(what, "the preview has changed since it was shown", "read it again, then approve")
    lacks = role_refusal(state, order.actor, order.role, what)
    if lacks:
        return lacks
    if plan.sign_off.not_starter and order.actor == state.starter:
        return refuse(what, "the one who started the run may not sign it off", "ask somebody else")
    valid = [s for s in step.signed if s.preview_sha == step.preview_sha and now - s.at <= plan.sign_off.expires]
    if any(s.actor == order.actor for s in valid):
        return refuse(what, f"{order.actor} has signed it off already: one person, one signature", "ask somebody else")
    return (ev.SignedOff(step=step.step, key=step.key, role=order.role, preview_sha=step.preview_sha),)


def reject(state: State, order: c.Reject, now: float) -> Result:
    step = find_step(state, order.step, order.key)
    if isinstance(step, Refusal):
        return step
    what = f"{order.actor} cannot reject {step.ref}"
    if step.status != "awaiting" or _sign_off_of(step, order.role) is None:
        return refuse(what, f"it does not wait for {order.role}")
    if order.expect and order.expect != step.preview_sha:
        return refuse(what, "the preview has changed since it was shown", "read it again, then reject")
    lacks = role_refusal(state, order.actor, order.role, what)
    if lacks:
        return lacks
    words = f"rejected by {order.actor} ({order.role})" + (f": {order.reason}" if order.reason else "")
    return (
        ev.SignOffRejected(step=step.step, key=step.key, role=order.role, reason=order.reason),
        ev.StepStuck(step=step.step, key=step.key, cause="failed", detail=words),
    )


def skip(state: State, order: c.Skip, now: float) -> Result:
    step = find_step(state, order.step, order.key)
    if isinstance(step, Refusal):
        return step
    what = f"{step.ref} cannot be skipped"
    plan = state.plan_of(step)
    # A step of the rollback section holds the closing of the run, and nothing else: it is never a dead end.
    if plan.skippable is False and state.phase == "forward":
        return refuse(what, "the playbook does not say `skippable`", "retry it, settle it, or roll back")
    if isinstance(plan.skippable, tuple):
        refusals = [role_refusal(state, order.actor, role, what) for role in plan.skippable]
        if all(refusals):
            return refusals[0] or refuse(what, "no role may skip it")
    if state.phase == "rolling_back" and plan.lane == "forward":
        return refuse(what, "the run is rolling back, and the step is canceled")
    if step.is_over:
        return refuse(what, f"it is {step.status}")
    if step.status in ("running", "observing") or any(e.status in IN_FLIGHT for e in state.effects_of(step)):
        return refuse(what, "it is at work", "wait for it, or hold the run")
    if order.expect is not None and order.expect != step.n:
        return refuse(what, f"it is at attempt {step.n}, not {order.expect}", "look again")
    if unknown := unknown_in(state, step):
        return refuse(what, f"nobody knows whether {', '.join(unknown)} happened", f"settle {unknown[0]} first")
    if not order.reason:
        return refuse(what, "a skip needs a reason", "give one with --reason")
    return (ev.StepSkipped(step=step.step, key=step.key, by="human", reason=order.reason),)


def retry(state: State, order: c.Retry, now: float) -> Result:
    from amplify_tui.run.decide.takeback import retry_item

    if state.step(order.step, order.key) is None and (items_under_way(state) or is_item(state, order.step)):
        return retry_item(state, order.step, order.reason)
    step = find_step(state, order.step, order.key)
    if isinstance(step, Refusal):
        return step
    what = f"{step.ref} cannot be retried"
    plan = state.plan_of(step)
    if state.phase == "rolling_back" and plan.lane == "forward":
        return refuse(what, "the run is rolling back, and never goes forward again", "start a new run afterwards")
    if step.status != "stuck":
        return refuse(what, f"it is {step.status}, not stuck")
    if order.expect is not None and order.expect != step.n:
        return refuse(what, f"it is at attempt {step.n}, not {order.expect}", "look again")
    if unknown := unknown_in(state, step):
        return refuse(what, f"nobody knows whether {', '.join(unknown)} happened", f"settle {unknown[0]} first")
    if state.is_held and state.phase == "forward":
        held = next(h.id for h in state.holds.values() if h.scope == RUN_SCOPE)
        return refuse(what, "the run is held", f"release {held} first")
    if any(e.status in IN_FLIGHT for e in state.effects_of(step)):
        return refuse(what, "an effect of it is under way", "wait for its outcome")
    if order.via == "engine" and (not step.not_before or now < step.not_before):
        return refuse(what, "its backoff is not over")
    if _asks_again(state, step):
        return (ev.StepAwaiting(step=step.step, key=step.key),)
    return (another_attempt(step),)


def _asks_again(state: State, step: StepState) -> bool:
    """Whether everything that stands before a first effect is checked once more: sign-offs, the window, the fleet.

    Of a step that never began (it was rejected or declined), of a ramp that starts over, and of a signed-off step
    whose attempt changed nothing: its signatures may have expired, or its preview be another by now.
    """
    if step.n == 0 or step.cause == "undo":
        return True
    happened = any(effect.status != "absent" for effect in state.effects_of(step))
    return state.plan_of(step).sign_off is not None and step.phase_at is None and not happened


def another_attempt(step: StepState) -> ev.AttemptStarted:
    """The next attempt of a step: it goes on at the first effect that is not done."""
    return ev.AttemptStarted(
        step=step.step, key=step.key, n=step.n + 1, preview_sha=step.preview_sha, watch=step.watch, ramp=step.ramp
    )


def settle(state: State, order: c.Settle, now: float) -> Result:
    effect = state.effects.get(order.effect)
    if effect is None:
        return refuse(f"no effect {order.effect}", "the run has none of that id", "`show RUN` lists the unknown ones")
    what = f"{effect.id} cannot be settled"
    if effect.status not in ("unknown", "diverged"):
        return refuse(what, f"it is {effect.status}", "only an unknown or diverged effect needs a person's word")
    if order.expect and order.expect != effect.status:
        return refuse(what, f"it is {effect.status}, not {order.expect}", "look again")
    if is_verification(effect) and order.as_ == "done":
        return refuse(what, "it only reads back what was taken away", "settle it as absent: it looks again by itself")
    if may_answer(effect) and not order.reason:
        return refuse(what, "its probe may still answer", "wait for it, or say with --reason how you know")
    settled = ev.EffectSettled(effect=effect.id, as_=order.as_, reason=order.reason)
    moved = (*moot(state, effect), *mended(state, effect)) if order.as_ == "done" else ()
    return (settled, *moved, *resume_after(state, effect.id))


def resume_after(state: State, effect_id: str) -> tuple[ev.AttemptStarted, ...]:
    """A step that was stuck on nothing but this effect goes on by itself, unless the run is held."""
    effect = state.effects[effect_id]
    step = state.steps.get(effect.ref)
    if step is None or effect.undoes or step.status != "stuck" or step.cause not in ("unknown", "drift"):
        return ()
    if state.phase != "forward" and state.plan_of(step).lane == "forward":
        return ()
    others = [name for name in unknown_in(state, step) if name != effect_id]
    if others or _own_holds(state, step.ref):
        return ()
    return (another_attempt(step),)


def _own_holds(state: State, ref: StepRef) -> list[str]:
    """Those of the run and of the step. One of a monitor that it is behind keeps it from acting, not from going on."""
    return [hold.id for hold in state.holds.values() if hold.scope in (RUN_SCOPE, ref)]


def _resume_released(state: State, hold: Hold) -> tuple[ev.AttemptStarted, ...]:
    """Steps whose unknown effects were settled while *hold* stood: they go on now, as they would have then."""
    return tuple(
        another_attempt(step)
        for ref, step in state.steps.items()
        if step.status == "stuck"
        and step.cause in ("unknown", "drift")
        and hold.scope in (RUN_SCOPE, ref)
        and _own_holds(state, ref) == [hold.id]
        and not unknown_in(state, step)
    )


def place_hold(state: State, order: c.PlaceHold, now: float) -> Result:
    if state.is_held_by_person:
        return refuse("the run is held already", "a person holds it", "release it to go on")
    return (place(state, RUN_SCOPE, "human", order.reason or f"held by {order.actor}"),)


def release(state: State, order: c.Release, now: float) -> Result:
    hold = state.holds.get(order.hold)
    if hold is None:
        there = ", ".join(state.holds) or "none"
        return refuse(f"no hold {order.hold}", f"holds that are there: {there}", "look again")
    what = f"{hold.id} cannot be released"
    if (hold.scope, hold.kind) == (RUN_SCOPE, "blind"):
        if order.reason:
            return released(state, hold, order.reason)
        return refuse(what, f"{hold.reason}: going on without it needs a reason", "give one, or wait for its data")
    if hold.kind in ("gate", "blind") and not _passes_now(state, hold, now):
        return refuse(what, "a gate holds until its evidence is good", "wait for a pass, or override the condition")
    if hold.scope == RUN_SCOPE and state.mitigation == "running":
        return refuse(what, "exposure is being taken away", "wait until it is verified")
    if (hold.scope, hold.kind) == (RUN_SCOPE, "human") and (unsaid := _unexplained(state, what, order)):
        return unsaid
    if hold.kind == "drift":
        return _answered(state, hold, order)
    return released(state, hold, order.reason or f"released by {order.actor}")


def _answered(state: State, hold: Hold, order: c.Release) -> Result:
    """What was answered to a drift; where that ends the hold, what waited for it goes on."""
    events = answered(state, hold, order)
    if isinstance(events, Refusal) or order.choice != "accept":
        return events
    return (*events, *_resume_released(state, hold))


def mended(state: State, effect: EffectState) -> tuple[EventData, ...]:
    """A flag is as we left it again, as a person wanted: its hold is gone."""
    hold = mends(state, effect)
    return released(state, hold, f"{effect.target.id} is as we left it again", "ours") if hold is not None else ()


def released(state: State, hold: Hold, why: str, choice: str = "") -> tuple[EventData, ...]:
    """The hold is gone, and what waited for nothing else goes on."""
    return (ev.HoldReleased(hold=hold.id, why=why, choice=choice), *_resume_released(state, hold))


def _unexplained(state: State, what: str, order: c.Command) -> Refusal | None:
    """A mitigation asks nothing while it burns; before the run goes on or ends somebody says why it was needed."""
    if not state.unexplained or order.reason:
        return None
    return refuse(what, "nobody has said yet why exposure was taken away", "give a reason, or add a note")


def _passes_now(state: State, hold: Hold, now: float) -> bool:
    """Whether the gate that holds was judged a pass lately: it is judged at each tick, journaled every 30 s."""
    step = next((s for s in state.steps.values() if s.ref == hold.scope), None)
    if step is None or step.verdict is None:
        return False
    return is_good_again(step.verdict) and now - step.judged_at <= JUDGED_LATELY_S


def abort(state: State, order: c.Abort, now: float) -> Result:
    if state.phase == "draft":
        return (ev.RunClosed(outcome="canceled", reason=order.reason),)
    what = "the run cannot be abandoned"
    if any(effect.status == "intended" for effect in state.effects.values()):
        return refuse(what, "an effect is being made at this moment", "wait for its outcome")
    if open_ := [effect.id for effect in state.open_effects]:
        return refuse(what, f"nobody knows whether {', '.join(open_)} happened", f"settle {open_[0]} first")
    if state.mitigation == "running":
        return refuse(what, "exposure is being taken away", "wait until it is verified")
    if unsaid := _unexplained(state, what, order):
        return unsaid
    partial = max((percent for percent in state.exposure.values() if percent < 100), default=0.0)
    if partial > 0 and not order.leave_partial:
        return refuse(what, f"{partial:g} % of users would stay exposed", "mitigate first, or --leave-partial")
    return (ev.RunClosed(outcome="abandoned", reason=order.reason, exceptions=state.exceptions),)


def note(state: State, order: c.Note, now: float) -> Result:
    return (ev.NoteAdded(text=order.text[:4000]),)


def take_role(state: State, order: c.TakeRole, now: float) -> Result:
    if order.actor in state.roles.get(order.role, ()):
        return refuse(f"{order.actor} holds {order.role} already", "nothing changes")
    if state.plan.roles.get(order.role):
        holders = ", ".join(state.plan.roles[order.role])
        return refuse(f"{order.role} cannot be taken", "the playbook names who holds it", f"ask {holders}")
    return (ev.RoleTaken(role=order.role),)
