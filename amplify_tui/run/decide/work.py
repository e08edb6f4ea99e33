"""What the conductor may do: begin steps, intend effects, say how they came out, finish, close.

Nothing starts while held, nothing acts on an unknown effect, and an effect is journaled before it is made.
"""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.agenda import lane_done, phase_effects_done, preds_over, undone, unproven
from amplify_tui.run.decide.drift import mend_refusal
from amplify_tui.run.decide.guards import Result, expected_world, find_step, moot, refuse, unknown_in
from amplify_tui.run.decide.people import mended, resume_after
from amplify_tui.run.drift import mends
from amplify_tui.run.events import EventData
from amplify_tui.run.rereads import late_writes, unread
from amplify_tui.run.shapes import Await, Refusal, StepPlan
from amplify_tui.run.state import EffectState, State, StepState
from amplify_tui.run.undo import (
    LANDS_WITHIN,
    ROLLBACK,
    SETTLED_ITEM,
    is_late,
    is_verification,
    mitigation_label,
    rollback_items,
)
from amplify_tui.run.undo_turns import is_turn_of
from amplify_tui.verdict.gate import judge

UNDO_BACKOFF = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
RETRY_BACKOFF = (2.0, 5.0, 15.0, 30.0)


# --- beginning --------------------------------------------------------------------------------------------------------


def _on_its_way(state: State, plan: StepPlan) -> bool:
    """Whether the lane of the step is the one the run is in."""
    return (plan.lane == "forward") == (state.phase == "forward")


def begin(state: State, order: c.Begin, now: float) -> Result:
    step = find_step(state, order.step, order.key)
    if isinstance(step, Refusal):
        return step
    plan = state.plan_of(step)
    what = f"{step.ref} does not begin"
    if order.bundle and order.bundle != state.bundle_sha:
        return refuse(what, "it was prepared by another text of the playbook", "it is prepared again")
    if not _on_its_way(state, plan):
        return refuse(what, "the run is going the other way")
    if step.status not in ("pending", "awaiting"):
        return refuse(what, f"it is {step.status}")
    if not preds_over(state, step):
        return refuse(what, "what it needs is not done")
    held = next(iter(state.holds_on(step.ref)), None) if state.phase == "forward" else None
    if order.when is None or order.problem:
        return (ev.StepStuck(step=step.step, key=step.key, cause="failed", detail=order.problem or "no condition"),)
    if order.when is False and held is None:
        return (ev.StepSkipped(step=step.step, key=step.key, by="condition", reason="its condition is false"),)
    if plan.lane == "reconcile" and state.armed_since is None:
        why = "nobody met the new code: there is nothing to reconcile"
        return (ev.StepSkipped(step=step.step, key=step.key, by="condition", reason=why),)
    awaits = _unmet(state, step, plan, order, now)
    if awaits and order.when is True:
        if step.status == "awaiting" and (step.awaits, step.preview_sha) == (awaits, order.preview_sha):
            return ()
        return (
            ev.StepAwaiting(
                step=step.step, key=step.key, what=awaits, preview=order.preview, preview_sha=order.preview_sha
            ),
        )
    if held is not None:
        return refuse(what, f"held: {held.reason}", f"release {held.id}")
    return (
        ev.AttemptStarted(
            step=step.step,
            key=step.key,
            n=step.n + 1,
            fields_sha=order.fields_sha,
            preview_sha=order.preview_sha,
            watch=order.watch,
            ramp=step.ramp,
        ),
    )


def _unmet(state: State, step: StepState, plan: StepPlan, order: c.Begin, now: float) -> tuple[Await, ...]:
    """What the step still waits for: people, its window, and before the first exposure a uniform, healthy fleet."""
    unmet = [a for a in (*order.awaits, *_offer(plan)) if not _met(a, step, now)]
    if plan.sign_off is not None:
        unmet += _missing_signatures(step, plan, order.preview_sha, now)
    if plan.verb == "rollout" and plan.lane == "forward" and (checks := unproven(state)):
        unmet.append(Await(kind="integrity", detail=f"before the rollout: {', '.join(checks)}"))
    if not unmet and order.watch is not None and order.watch.flag and order.evidence is not None:
        builtins = tuple(t for t in order.watch.gate if t.builtin in ("health", "fleet"))
        if builtins:
            verdict = judge(builtins, order.evidence, expected_world(state, None, 0.0), now)
            if verdict.answer != "pass":
                unmet.append(Await(kind="fleet", detail=verdict.reason))
    return tuple(unmet)


def _offer(plan: StepPlan) -> tuple[Await, ...]:
    """What the new path wrote is reconciled only where a person says so."""
    asked = Await(kind="confirm", detail="reconcile what the new path wrote?", accept="Run it", decline="Leave it")
    return (asked,) if plan.lane == "reconcile" else ()


def _met(wait: Await, step: StepState, now: float) -> bool:
    match wait.kind:
        case "confirm":
            return step.answers.get("accept") is True
        case "input":
            return all(n in step.answers or f.default is not None for n, f in wait.fields.items())
        case "window" | "lock" | "fleet":
            return wait.opens_at is not None and now >= wait.opens_at
        case "sign_off" | "integrity":
            return False


def _missing_signatures(step: StepState, plan: StepPlan, preview_sha: str, now: float) -> list[Await]:
    sign_off = plan.sign_off
    if sign_off is None:
        return []
    missing = []
    for role, count in sign_off.roles.items():
        valid = {
            s.actor
            for s in step.signed
            if s.role == role and s.preview_sha == preview_sha and now - s.at <= sign_off.expires
        }
        if len(valid) < count:
            detail = f"sign-off by {role}" + (f" ({len(valid)} of {count})" if count > 1 else "")
            missing.append(Await(kind="sign_off", role=role, count=count - len(valid), detail=detail))
    return missing


# --- effects ----------------------------------------------------------------------------------------------------------


def intend(state: State, order: c.Intend, now: float) -> Result:
    if order.deadline <= now:
        return refuse(f"{order.says or order.verb} is not begun", "its deadline has passed already")
    refusal = _refusal(state, order, now)
    if refusal is not None:
        return refusal
    label = f"drift-{order.mends}" if order.mends else order.step
    if order.undoes:
        label = ROLLBACK if state.phase == "rolling_back" else mitigation_label(state)
    idem = f"{state.run}/{label}/{order.key}/{order.ordinal}"
    taken = next((e for e in state.effects.values() if e.idem == idem and e.status != "absent"), None)
    if taken is not None:
        return refuse(f"{order.says or order.verb} is not repeated", f"{taken.id} did it already: {taken.status}")
    step = state.step(order.step, order.key)
    return (
        ev.EffectIntended(
            effect=f"e{state.next_effect}",
            step=label,
            key=order.key,
            n=step.n if step else 0,
            verb=order.verb,
            target=order.target,
            before=order.before,
            after=order.after,
            undo=order.undo,
            idem=idem,
            deadline=order.deadline,
            phase=order.phase,
            says=order.says,
            undoes=order.undoes,
            exposure=order.exposure,
            on_rollback=order.on_rollback,
        ),
    )


def _refusal(state: State, order: c.Intend, now: float) -> Refusal | None:
    if order.mends:
        return mend_refusal(state, order, now)
    return _undo_refusal(state, order, now) if order.undoes else _forward_refusal(state, order)


def _undo_refusal(state: State, order: c.Intend, now: float) -> Refusal | None:
    if not is_turn_of(state, order.undoes, now):
        return refuse(f"{order.undoes} is not taken back now", "it is not its turn")
    return None


def _forward_refusal(state: State, order: c.Intend) -> Refusal | None:
    what = f"{order.says or order.verb} is not begun"
    step = state.step(order.step, order.key)
    if step is None:
        return refuse(what, f"there is no step {order.step}")
    plan = state.plan_of(step)
    if state.mode == "dry":
        return refuse(what, "a dry run changes nothing")
    if not _on_its_way(state, plan):
        return refuse(what, "the run is going the other way")
    if step.status != "running":
        return refuse(what, f"{step.ref} is {step.status}")
    if unknown := unknown_in(state, step):
        return refuse(what, f"nobody knows whether {', '.join(unknown)} happened", f"settle {unknown[0]} first")
    if taken := next((e for e in state.open_effects if e.target == order.target), None):
        return refuse(what, f"{taken.id} on {order.target.id} has no outcome yet: {taken.status}", "wait for it")
    lowers = order.exposure is not None and order.exposure.after < order.exposure.before
    if state.phase == "forward" and not lowers and (holds := state.holds_on(step.ref)):
        return refuse(what, f"held: {holds[0].reason}", f"release {holds[0].id}")
    return None


def outcome(state: State, order: c.Outcome, now: float) -> Result:
    effect = state.effects.get(order.effect)
    if effect is None or effect.status not in ("intended", "accepted"):
        status = effect.status if effect else "not there"
        return refuse(f"the outcome of {order.effect} is not taken", f"it is {status}")
    match order.result:
        case "done":
            done = ev.EffectDone(effect=effect.id, observed=order.observed, receipt=order.receipt)
            return (done, *moot(state, effect), *mended(state, effect))
        case "accepted":
            return (ev.EffectAccepted(effect=effect.id, handle=order.handle, waits_for=order.waits_for, url=order.url),)
        case "absent":
            return (
                ev.EffectFailed(
                    effect=effect.id,
                    reason=order.reason,
                    error=order.error,
                    retryable=order.retryable,
                    not_before=_backoff(state, effect, now) if order.retryable else None,
                    observed=order.observed,
                ),
            )
        case "unknown":
            return (ev.EffectUnknown(effect=effect.id, cause=order.reason), *_stuck_on(state, effect, order.reason))


def _backoff(state: State, effect: EffectState, now: float) -> float | None:
    """When an undo, or a flag that is to be ours again, is tried once more; None for what a step tries by itself."""
    if not effect.undoes and mends(state, effect) is None:
        return None
    tries = sum(e.undoes == effect.undoes and e.step == effect.step for e in state.effects.values())
    return now + UNDO_BACKOFF[min(tries - 1, len(UNDO_BACKOFF) - 1)]


def _stuck_on(state: State, effect: EffectState, cause: str) -> tuple[EventData, ...]:
    step = state.steps.get(effect.ref)
    if effect.undoes or step is None or step.status != "running":
        return ()
    words = f"{effect.id} has no answer ({cause}): its probe is looking"
    return (ev.StepStuck(step=step.step, key=step.key, cause="unknown", detail=words),)


def probed(state: State, order: c.Probed, now: float) -> Result:
    effect = state.effects.get(order.effect)
    if effect is None or effect.status not in ("unknown", "accepted"):
        status = effect.status if effect else "not there"
        return refuse(f"the probe of {order.effect} is not taken", f"it is {status}")
    if is_verification(effect) and order.result not in ("unreachable", "running"):
        # What it would have found is not known, whatever the target looks like now: it looks again.
        return (ev.EffectProbed(effect=effect.id, result="absent", detail="it is read back again"),)
    if order.result == "absent" and is_late(effect, now):
        # Gone on with now, the same write might be made twice; taken for absent, it might expose users unwatched.
        left = effect.unknown_since + LANDS_WITHIN - now
        words = f"{order.detail or 'it is not in place'}; a write without an answer may land late: {left:.0f} s to go"
        return (ev.EffectProbed(effect=effect.id, result="pending", observed=order.observed, detail=words),)
    seen = ev.EffectProbed(effect=effect.id, result=order.result, observed=order.observed, detail=order.detail)
    step = state.steps.get(effect.ref)
    if order.result == "diverged" and step is not None and not effect.undoes and not step.is_over:
        words = f"{effect.id}: {order.detail or 'the target is neither as before nor as after'}"
        return (seen, ev.StepStuck(step=step.step, key=step.key, cause="drift", detail=words))
    if order.result == "done":
        return (seen, *moot(state, effect), *mended(state, effect), *resume_after(state, effect.id))
    if order.result == "absent":
        return (seen, *resume_after(state, effect.id))
    return (seen,)


# --- ending -----------------------------------------------------------------------------------------------------------


def finish(state: State, order: c.Finish, now: float) -> Result:
    step = find_step(state, order.step, order.key)
    if isinstance(step, Refusal):
        return step
    if step.status != "running":
        return refuse(f"{step.ref} does not end", f"it is {step.status}")
    if not phase_effects_done(state, step):
        return refuse(f"{step.ref} does not end", "an effect of it is open")
    if order.outcome == "succeeded":
        return (
            ev.AttemptEnded(step=step.step, key=step.key, n=step.n, outcome="succeeded", outputs=order.outputs),
            ev.StepSucceeded(step=step.step, key=step.key, outputs=order.outputs),
        )
    return _failed(state, step, order, now)


def _failed(state: State, step: StepState, order: c.Finish, now: float) -> Result:
    plan = state.plan_of(step)
    again = step.retries < plan.retries
    wait = RETRY_BACKOFF[min(step.retries, len(RETRY_BACKOFF) - 1)]
    ended = ev.AttemptEnded(
        step=step.step,
        key=step.key,
        n=step.n,
        outcome="failed",
        reason=order.reason,
        outputs=order.outputs,
        not_before=now + wait if again else None,
    )
    if not again and plan.on_fail == "continue":
        return (ended, ev.StepSkipped(step=step.step, key=step.key, by="failed", reason=order.reason))
    detail = f"{order.reason}; tries again in {wait:g} s" if again else order.reason
    question = "retry, skip or roll back?" if plan.on_fail == "ask" and not again else ""
    return (ended, ev.StepStuck(step=step.step, key=step.key, cause="failed", detail=detail, question=question))


def enter(state: State, order: c.Enter, now: float) -> Result:
    step = find_step(state, order.step, order.key)
    if isinstance(step, Refusal):
        return step
    phase = step.phase_plan
    if step.status != "running" or step.watch is None or phase is None:
        return refuse(f"{step.ref} enters no phase", f"it is {step.status}")
    if not phase_effects_done(state, step):
        return refuse(f"{step.ref} enters no phase", "an effect of it is open")
    return (
        ev.PhaseEntered(
            step=step.step,
            key=step.key,
            i=step.phase,
            target=phase.target,
            settle_until=now + step.watch.settle,
            need=phase.bake,
        ),
    )


def close(state: State, order: c.Close, now: float) -> Result:
    what = "the run does not close"
    if open_ := [e.id for e in state.open_effects]:
        return refuse(what, f"{', '.join(open_)} is open")
    if state.phase == "rolling_back":
        return _close_back(state, what, now)
    forward = [s for s in state.steps.values() if state.plan_of(s).lane == "forward"]
    if waiting := [s.ref for s in forward if not s.is_over]:
        return refuse(what, f"{waiting[0]} is not done")
    if state.is_held:
        return refuse(what, "the run is held", "release it to end the run")
    if state.mitigation == "running":
        return refuse(what, "exposure is being taken away")
    if state.open_triggers:
        return refuse(what, f"trigger {state.open_triggers[0].spec.id} asks for an answer")
    outcome_ = "completed_with_exceptions" if state.exceptions else "completed"
    return (ev.RunClosed(outcome=outcome_, exceptions=state.exceptions),)  # type: ignore[arg-type]  # both are Outcomes


def _close_back(state: State, what: str, now: float) -> Result:
    items = rollback_items(state)
    if not undone(items):
        left = next(entry for entry in items if entry.status not in SETTLED_ITEM)
        return refuse(what, f"{left.item.target.id} is not taken back: {left.detail or left.status}")
    if not all(lane_done(state, lane) for lane in ("before", "reconcile", "after")):
        return refuse(what, "the steps of the rollback section are not done")
    if late := late_writes(state, now):
        return refuse(what, f"a write to {late[0].target.id} had no answer and may land late", "it is read until then")
    if unjudged := [check for check in state.integrity if check not in state.integrity_after]:
        return refuse(what, f"integrity check {unjudged[0]} has not run")
    waived = [f"{e.item.target.id} waived: {e.detail}" for e in items if e.status == "waived"]
    broken = [f"integrity check {n}: {v}" for n, v in state.integrity_after.items() if v != "pass"]
    broken += [
        f"{look.target.id} was not read back again after a write without an answer" for look in unread(state, now)
    ]
    kept = [e.item.says for e in items if e.status == "kept" and e.item.says]
    skipped = any(state.plan_of(s).lane != "forward" and s.skipped_by == "human" for s in state.steps.values())
    outcome_ = "rolled_back_partly" if waived or broken or skipped else "rolled_back"
    return (
        ev.RunClosed(
            outcome=outcome_,  # type: ignore[arg-type]  # both are Outcomes
            exceptions=(*state.exceptions, *waived, *broken),
            follow_ups=tuple(kept),
        ),
    )
