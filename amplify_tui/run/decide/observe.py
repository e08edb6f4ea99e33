"""Ticks: raw readings in, judgement out. Order of work: triggers (Sense) first, then holds, then advance.

A pass needs evidence; what is undecided, blind or broken never advances by itself.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.agenda import expired_unwatched
from amplify_tui.run.decide.guards import Result, expected_world, find_step, place, refuse
from amplify_tui.run.decide.takeback import full_rollback, mitigation, unanswered
from amplify_tui.run.events import EventData
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.state import RUN_SCOPE, State, StepState, TriggerState
from amplify_tui.run.trials import advanced
from amplify_tui.verdict.gate import is_good_again, judge
from amplify_tui.verdict.model import Answer, Evidence, TermVerdict, Verdict
from amplify_tui.verdict.promises import shown_rule
from amplify_tui.verdict.seen import is_notable
from amplify_tui.verdict.triggers import fires

JOURNAL_EVERY_S = 30.0
WORSE = 1.2
WARM_UP_S: Final = 60.0  # a new conductor's sources have answered by then
_ENDS: Final = (ev.StepSucceeded, ev.RollbackStarted)
SEVERITY: Final[tuple[Answer, ...]] = ("fail", "error", "blind", "undecided", "pass")


def judge_step(state: State, step: StepState, evidence: Evidence, now: float) -> Verdict:
    """The gate of the step's phase, with overridden conditions set aside while they are no more than 20 % worse.

    Its sequential tests go on with *evidence* first; that adds nothing where they know it already.
    """
    assert step.watch is not None
    state, _ = advanced(state, evidence, now)
    since = step.phase_at or now
    verdict = judge(step.watch.gate, evidence, expected_world(state, step, since), now)
    if not step.overridden:
        return verdict
    others = [t for t in verdict.terms if t.applies and (t.id not in step.overridden or _worse(t, step))]
    if any(t.answer != "pass" for t in others):
        worst = min(others, key=lambda t: SEVERITY.index(t.answer))
        return replace(verdict, answer=worst.answer, reason=worst.reason, need=worst.need)
    return replace(verdict, answer="pass", reason=f"overridden: {', '.join(step.overridden)}", need="")


def _worse(term: TermVerdict, step: StepState) -> bool:
    """20 % past what was shown when it was overridden; where nothing was shown, any number that fails."""
    then = step.overridden_at.get(term.id)
    if term.value is None:
        return False
    if then is None:
        return term.answer == "fail"
    if _wants_more(step, term.id):
        return term.value < then / WORSE
    return term.value > then * WORSE


def _wants_more(step: StepState, term: str) -> bool:
    """Whether low is bad: a condition with `below`."""
    asked = next((t for t in step.watch.gate if t.id == term), None) if step.watch else None
    rule = shown_rule(asked) if asked is not None else None
    return rule is not None and rule.below


def next_phase(step: StepState, why: str) -> tuple[EventData, ...]:
    """On to the next phase, or to the end of the step."""
    assert step.watch is not None
    last = step.phase + 1 >= len(step.watch.phases)
    if last:
        return (ev.StepSucceeded(step=step.step, key=step.key),)
    return (ev.PhaseAdvanced(step=step.step, key=step.key, from_=step.phase, to=step.phase + 1, why=why),)


def observe(state: State, order: c.Observe, now: float) -> Result:
    step = find_step(state, order.step, order.key)
    if isinstance(step, Refusal):
        return step
    stuck_at_gate = step.status == "stuck" and step.cause in ("gate", "timeout")
    if step.watch is None or step.phase_at is None or not (step.status == "observing" or stuck_at_gate):
        return refuse(f"{step.ref} is not observed", f"it is {step.status}")
    if now < step.settle_until:
        return ()
    state, tested = advanced(state, order.evidence, now)
    verdict = judge_step(state, step, order.evidence, now)
    accrued = _accrued(step, order.accrued, now)
    step_ = replace(step, accrued=accrued, seen=order.seen if step.watch.summed else ())
    follows = _recover(state, step, verdict) if stuck_at_gate else _move(state, step_, verdict, order, now)
    is_over = bool(step_.seen) and any(isinstance(event, _ENDS) for event in follows)
    return (*tested, *_journal(step, step_, verdict, order, now, is_over=is_over), *follows)


def _accrued(step: StepState, claimed: float, now: float) -> float:
    """What the conductor measured, bounded by the clock: a bake never holds more than the time that passed."""
    since = max(step.accrued_at, step.settle_until)
    return max(0.0, min(claimed, step.accrued + max(0.0, now - since)))


def _journal(
    step: StepState, after: StepState, verdict: Verdict, order: c.Observe, now: float, *, is_over: bool
) -> tuple[EventData, ...]:
    """The verdict on each change and every 30 s; the bake every 30 s and when it is full or was broken.

    With the verdict goes what a watch has shown so far: also at its end, and as soon as its worst is notably worse.
    """
    events: list[EventData] = []
    due = step.verdict is None or step.verdict.answer != verdict.answer or now - step.judged_at >= JOURNAL_EVERY_S
    if due or is_over or is_notable(step.seen, after.seen):
        judged = ev.GateJudged(step=step.step, key=step.key, i=step.phase, verdict=verdict, seen=after.seen)
        events.append(judged)
    full = after.accrued >= step.need > step.accrued
    lost = after.accrued < step.accrued or order.starts_over
    if full or lost or (after.accrued > step.accrued and now - step.accrued_at >= JOURNAL_EVERY_S):
        events.append(
            ev.BakeAccrued(step=step.step, key=step.key, i=step.phase, accrued=after.accrued, broken_by=order.broken_by)
        )
    return tuple(events)


def _recover(state: State, step: StepState, verdict: Verdict) -> tuple[EventData, ...]:
    """A gate or blind hold releases itself once a phase on good evidence; the second needs a person."""
    if not is_good_again(verdict):
        return ()
    return tuple(
        ev.HoldReleased(hold=h.id, why="the evidence is good again")
        for h in state.holds.values()
        if h.scope == step.ref and h.kind in ("gate", "blind") and h.auto_release
    )


def _move(state: State, step: StepState, verdict: Verdict, order: c.Observe, now: float) -> tuple[EventData, ...]:
    match verdict.answer:
        case "pass":
            return _passed(state, step, order, now)
        case "fail":
            return _failed(state, step, verdict)
        case "blind" | "error":
            return _blind(state, step, verdict, now)
        case "undecided":
            return _overdue(state, step, verdict, now)


def _passed(state: State, step: StepState, order: c.Observe, now: float) -> tuple[EventData, ...]:
    if step.accrued < step.need or state.holds_on(step.ref) or state.open_triggers:
        return ()
    unseen = any(trigger.blind and not trigger.blind_held for trigger in state.triggers.values())
    if unseen or firing(state, order.evidence, now):
        return ()
    moved = next_phase(step, "by gate")
    if isinstance(moved[0], ev.StepSucceeded):
        return (replace(moved[0], outputs=order.outputs),)
    return moved


def _failed(state: State, step: StepState, verdict: Verdict) -> tuple[EventData, ...]:
    assert step.watch is not None
    on_fail = step.watch.on_fail if state.phase == "forward" else "hold"
    if on_fail == "rollback" and not state.automatic_rollbacks:
        return full_rollback(state, f"gate of {step.ref}: {verdict.reason}")
    if on_fail == "retreat" and step.watch.flag and step.phase > 0:
        back = ev.PhaseRetreated(
            step=step.step, key=step.key, from_=step.phase, to=step.phase - 1, why=f"gate: {verdict.reason}"
        )
        return (back, place(state, step.ref, "human", f"gate failed: {verdict.reason}"))
    question = "advance is refused: wait, go back, override, mitigate or roll back?" if on_fail == "ask" else ""
    stuck = ev.StepStuck(step=step.step, key=step.key, cause="gate", detail=verdict.reason, question=question)
    return (stuck, place(state, step.ref, "gate", verdict.reason, auto_release=not step.gate_released))


def _blind(state: State, step: StepState, verdict: Verdict, now: float) -> tuple[EventData, ...]:
    """Blind or broken past `on_blind.after`: hold and ask. Rolling back on it happens only where it is written."""
    if step.verdict is None or step.verdict.answer not in ("blind", "error"):
        return ()
    if now - step.verdict_at < state.on_blind.after:
        return ()
    if (
        state.on_blind.do == "rollback"
        and state.phase == "forward"
        and state.is_armed
        and not state.automatic_rollbacks
    ):
        return full_rollback(state, f"blind at {step.ref}: {verdict.reason}")
    question = "wait, go back, mitigate or roll back?" if state.on_blind.do == "ask" else ""
    stuck = ev.StepStuck(step=step.step, key=step.key, cause="gate", detail=verdict.reason, question=question)
    return (stuck, place(state, step.ref, "blind", verdict.reason, auto_release=not step.gate_released))


def _overdue(state: State, step: StepState, verdict: Verdict, now: float) -> tuple[EventData, ...]:
    assert step.watch is not None
    if not step.watch.max_wait or now - (step.phase_at or now) < step.watch.max_wait:
        return ()
    words = f"undecided past its longest wait: {verdict.reason}"
    stuck = ev.StepStuck(
        step=step.step, key=step.key, cause="timeout", detail=words, question="wait, override, go back or roll back?"
    )
    return (stuck, place(state, step.ref, "blind", words, auto_release=not step.gate_released))


# --- triggers ---------------------------------------------------------------------------------------------------------


def sense(state: State, order: c.Sense, now: float) -> Result:
    """Armed from the first exposure, or the first instance deployed, to the close: also during holds and questions.

    One that fired waits for its answer, and is armed again once its condition was good in between, or a ramp starts
    over (evolve_steps.py).
    """
    if not state.is_armed:
        return ()
    state, tested = advanced(state, order.evidence, now)
    events: list[EventData] = [*tested]
    sights: dict[str, str] = {}
    for trigger in state.triggers.values():
        if now < trigger.disarmed_until:
            continue
        seen = _seen_by(state, trigger, order.evidence, now)
        sights[trigger.spec.id] = seen.reason if _is_blind(state, trigger, seen) else ""
        caused = _sensed(state, trigger, seen, now)
        events.extend(caused)
        if any(not isinstance(event, ev.TriggerArmed) for event in caused):
            return tuple(events)  # one at a tick: what it causes changes what the next would see
    return (*events, *_sighted(state, sights, now))


def _is_blind(state: State, trigger: TriggerState, seen: TermVerdict) -> bool:
    """Whether it should see something and does not: there is no treatment to look at before a flag exposes anybody."""
    signal = trigger.spec.term.signal
    if signal is not None and signal.cohorts is not None and state.exposed_now <= 0:
        return False
    return seen.applies and seen.answer in ("blind", "error")


def _sighted(state: State, sights: dict[str, str], now: float) -> tuple[EventData, ...]:
    """A trigger without data protects nobody: past `on_blind.after` the run is held, as at a blind gate.

    The hold goes when every trigger sees again. One that a person released stays away until they did.
    """
    if state.first_exposure_at is not None and state.exposed_now <= 0:
        sights = dict.fromkeys(sights, "")  # nobody is exposed any more
    known = [state.triggers[name] for name in sights]
    changed = [t for t in known if bool(t.blind) != bool(sights[t.spec.id])]
    if now - state.conductor.at < WARM_UP_S:
        changed = [t for t in changed if t.blind]  # a board that is still empty tells of no outage
    events = tuple(ev.TriggerSight(trigger=t.spec.id, blind=sights[t.spec.id]) for t in changed)
    hold = next((h for h in state.holds.values() if (h.scope, h.kind) == (RUN_SCOPE, "blind")), None)
    still = [t for t in known if t.blind and t not in changed]
    if hold is not None:
        gone = not still and all(not event.blind for event in events)
        return (*events, ev.HoldReleased(hold=hold.id, why="every trigger sees again")) if gone else events
    late = [t for t in still if not t.blind_held and now - t.blind_since >= state.on_blind.after]
    return (*events, *(_unprotected(state, late[0]) if late else ()))


def _unprotected(state: State, trigger: TriggerState) -> tuple[EventData, ...]:
    why = f"trigger {trigger.spec.id} sees nothing: {trigger.blind}"
    if state.on_blind.do == "rollback" and not state.automatic_rollbacks:
        return full_rollback(state, why)
    return (place(state, RUN_SCOPE, "blind", why, auto_release=True),)


def _seen_by(state: State, trigger: TriggerState, evidence: Evidence, now: float) -> TermVerdict:
    since = (state.fleet_since if trigger.spec.term.builtin else state.armed_since) or 0.0
    return fires(trigger.spec.term, evidence, expected_world(state, None, since), now)


def firing(state: State, evidence: Evidence, now: float) -> str:
    """The trigger that *evidence* is about to fire, and what it says; "" where none is.

    No tick both triggers and advances: what advances asks this first, whichever of the two looks sooner.
    """
    if not state.is_armed:
        return ""
    for trigger in state.triggers.values():
        if trigger.fired_at is None:
            seen = _seen_by(state, trigger, evidence, now)
            if seen.answer == "fail":
                return f"{trigger.spec.id}: {seen.reason}"
    return ""


def _sensed(state: State, trigger: TriggerState, seen: TermVerdict, now: float) -> tuple[EventData, ...]:
    if trigger.fired and not trigger.is_open and state.first_exposure_at is not None and state.exposed_now <= 0:
        return ()  # nobody is exposed any more: there is nothing left to protect
    if trigger.fired_at is None:
        return _fire(state, trigger, seen.reason, now) if seen.answer == "fail" else ()
    if not trigger.is_open:
        is_good = seen.answer == "pass" or seen.recovered
        return (ev.TriggerArmed(trigger=trigger.spec.id),) if is_good else ()
    if trigger.answer_by is None or now < trigger.answer_by or not expired_unwatched(state, trigger):
        return ()
    # Its time ran out while nobody conducted: `then` only where it is bad now (verdicts.md 6).
    if seen.answer == "fail":
        return unanswered(state, trigger)
    return (ev.TriggerAnswered(trigger=trigger.spec.id, answer="unanswered"),) if seen.answer == "pass" else ()


def _fire(state: State, trigger: TriggerState, evidence: str, now: float) -> tuple[EventData, ...]:
    spec = trigger.spec
    if spec.mode == "ask" or (spec.scope == "full" and state.automatic_rollbacks):
        answer_by = now + spec.answer_within
        return (ev.TriggerFired(trigger=spec.id, evidence=evidence, mode="ask", answer_by=answer_by),)
    fired = ev.TriggerFired(trigger=spec.id, evidence=evidence, mode="auto")
    reason = f"trigger {spec.id}: {evidence}"
    if spec.scope == "full":
        return (fired, *full_rollback(state, reason))
    return (fired,) if state.mitigation == "running" else (fired, *mitigation(state, reason))
