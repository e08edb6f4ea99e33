"""Taking it back: mitigate, roll back, answer triggers, decide about single items.

Mitigate takes exposure away and asks nothing; roll back restores in bands. Both are always legal while the run is
open: with a failing gate, a hold, an open sign-off, outside every window. An automatic act may only reduce exposure,
unless the playbook wrote otherwise, and a run rolls back automatically at most once.
"""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.agenda import expired_unwatched, lane_done, undone
from amplify_tui.run.decide.guards import Result, hold_run, place, refuse
from amplify_tui.run.rereads import looks_due
from amplify_tui.run.shapes import EXPOSURE_BAND
from amplify_tui.run.state import RUN_SCOPE, State, TriggerState
from amplify_tui.run.undo import (
    SETTLED_ITEM,
    ItemState,
    exposure_plan,
    is_retriable,
    items_under_way,
    mitigation_items,
    rollback_items,
    undo_plan,
    undrained,
)
from amplify_tui.run.undo_asks import to_judge


def mitigate(state: State, order: c.Mitigate, now: float) -> Result:
    if state.phase == "rolling_back":
        return ()  # the rollback has the same first bands, and is at them or past them
    if state.mitigation == "running":
        return _again(mitigation_items(state)) or refuse(
            "exposure is being taken away already", "a mitigation is under way", "watch it on the rollback screen"
        )
    held = f"mitigated: {order.reason}" if order.reason else f"mitigated by {order.actor}"
    return (ev.MitigationStarted(plan=exposure_plan(state), reason=order.reason), *hold_run(state, held))


def mitigation(state: State, reason: str) -> tuple[ev.EventData, ...]:
    """The events of a mitigation that nobody asked for at this moment: its plan, and a hold only a person releases.

    Where no flag of the run exposes anybody there is nothing to take away in seconds: it holds, and says so.
    """
    plan = exposure_plan(state)
    if not plan:
        return hold_run(state, f"{reason}; no flag to switch off: only a rollback takes the code back")
    return (ev.MitigationStarted(plan=plan, reason=reason), *hold_run(state, f"mitigated: {reason}"))


def rollback(state: State, order: c.Rollback, now: float) -> Result:
    if state.phase == "rolling_back":
        if order.until_band > state.until_band:
            return further(state, order)
        return _again(rollback_items(state)) or refuse(
            "the run is rolling back already", "nothing of it is stuck", "watch it on the rollback screen"
        )
    if order.force_order and not order.reason:
        return refuse("the order of the bands is kept", "breaking it needs a reason", "give one with --reason")
    return full_rollback(state, order.reason, force_order=order.force_order)


def further(state: State, order: c.Rollback) -> tuple[ev.EventData, ...]:
    """The same rollback, that a person let go on beyond the band after which it waited."""
    reason = order.reason or state.rollback_reason
    return (ev.RollbackStarted(scope="full", reason=reason, plan=state.rollback_plan, until_band=order.until_band),)


def full_rollback(state: State, reason: str, *, force_order: bool = False) -> tuple[ev.EventData, ...]:
    return (ev.RollbackStarted(scope="full", reason=reason, plan=undo_plan(state), force_order=force_order),)


def _again(items: list[ItemState], why: str = "tried again") -> tuple[ev.EventData, ...]:
    """Another try, now, of each item that is stuck or waits for its backoff. It decides nothing else: what others
    changed stays guarded."""
    events: list[ev.EventData] = []
    for entry in items:
        if is_retriable(entry):
            events += _put_aside(entry, why)
            events.append(ev.UndoDecided(effect=entry.item.id, choice="retry", reason=why))
    return tuple(events)


def _put_aside(entry: ItemState, why: str) -> tuple[ev.EventData, ...]:
    """The end of a try that nobody can vouch for, so that another can begin."""
    if entry.effect is None or entry.effect.status not in ("unknown", "diverged"):
        return ()
    return (ev.EffectSettled(effect=entry.effect.id, as_="absent", reason=why),)


def retry_item(state: State, name: str, why: str) -> Result:
    """Another try of one item, for a person, or because its target answers again."""
    items = items_under_way(state)
    if not items:
        return refuse(f"{name} is not retried", "nothing is being taken back", "mitigate, or roll back")
    entry = next((e for e in items if name in (e.item.id, *e.item.effects)), None)
    if entry is None:
        return refuse(f"no undo item {name}", "the rollback plan has none of that id", "`show RUN` lists them")
    if not is_retriable(entry):
        return refuse(f"{entry.item.id} is not retried", f"it is {entry.status}")
    return _again([entry], why or "tried again")


def decide_undo(state: State, order: c.DecideUndo, now: float) -> Result:
    entry = next((e for e in rollback_items(state) if order.effect in (e.item.id, *e.item.effects)), None)
    if entry is None:
        return refuse(f"no undo item {order.effect}", "the rollback plan has none of that id", "`show RUN` lists them")
    what = f"nothing is decided about {entry.item.target.id}"
    if entry.status in SETTLED_ITEM or entry.status == "running":
        return refuse(what, f"it is {entry.status}")
    if order.choice == "waive" and len(order.reason) < 3:
        return refuse(what, "a waiver needs a reason", "give one with --reason")
    if order.choice in ("ours", "kill") and entry.item.band != EXPOSURE_BAND:
        return refuse(what, f"`{order.choice}` is for flags", "choose restore or waive")
    if order.expect and entry.effect is not None and order.expect != entry.effect.status:
        return refuse(what, f"it is {entry.effect.status}, not {order.expect}", "look again")
    decided = ev.UndoDecided(effect=entry.item.id, choice=order.choice, reason=order.reason)
    aside = _put_aside(entry, f"decided: {order.choice}")
    return (*aside, *(_left_standing(state, entry, order.reason) if order.choice == "waive" else ()), decided)


def _left_standing(state: State, entry: ItemState, reason: str) -> tuple[ev.EventData, ...]:
    """What nobody could vouch for counts as done once its undo is waived: a person answers for it."""
    effects = [state.effects[name] for name in entry.item.effects]
    return tuple(
        ev.EffectSettled(effect=e.id, as_="done", reason=f"its undo was waived: {reason}")
        for e in effects
        if e.status in ("unknown", "diverged")
    )


def answer_trigger(state: State, order: c.AnswerTrigger, now: float) -> Result:
    trigger = state.triggers.get(order.trigger)
    if trigger is None:
        return refuse(f"no trigger {order.trigger}", f"known are {', '.join(state.triggers) or 'none'}")
    if not trigger.is_open:
        return refuse(f"{order.trigger} asks nothing", "it has not fired, or was answered")
    answered = ev.TriggerAnswered(trigger=order.trigger, answer=order.answer)
    reason = order.reason or f"trigger {order.trigger}: {trigger.evidence}"
    match order.answer:
        case "rollback":
            return (answered, *full_rollback(state, reason))
        case "mitigate":
            return (answered, *(() if state.mitigation == "running" else mitigation(state, reason)))
        case "hold":
            return (answered, *hold_run(state, reason))
        case "ignore":
            if not order.reason:
                return refuse("a trigger is not ignored silently", "it needs a reason", "give one with --reason")
            return (answered, ev.NoteAdded(text=f"ignored trigger {order.trigger}: {order.reason}"))


def expire(state: State, order: c.Expire, now: float) -> Result:
    """Nobody answered a trigger in time: its `then` happens, and no more than that."""
    trigger = state.triggers.get(order.what)
    if trigger is None or not trigger.is_open or trigger.answer_by is None or now < trigger.answer_by:
        return refuse(f"{order.what} does not expire", "it asks nothing, or its time is not over")
    if expired_unwatched(state, trigger):
        why = "its time ran out while nobody conducted"
        return refuse(f"{order.what} does not expire", why, "it is judged by fresh readings")
    return unanswered(state, trigger)


def unanswered(state: State, trigger: TriggerState) -> tuple[ev.EventData, ...]:
    """What a trigger that nobody answered was told to do then, and no more than that."""
    answered = ev.TriggerAnswered(trigger=trigger.spec.id, answer="unanswered")
    reason = f"trigger {trigger.spec.id} unanswered: {trigger.evidence}"
    if trigger.spec.then == "hold":
        return (answered, *hold_run(state, reason))
    if trigger.spec.scope == "full" and not state.automatic_rollbacks:
        return (answered, *full_rollback(state, reason))
    if state.mitigation == "running":
        return (answered,)
    return (answered, *mitigation(state, reason))


def mitigated(state: State, order: c.Mitigated, now: float) -> Result:
    items = mitigation_items(state)
    if state.mitigation != "running" or any(e.status not in SETTLED_ITEM for e in items):
        return refuse("exposure is not verified off", "an item of the mitigation is open")
    return (ev.MitigationDone(verified_at=now),)


def reread(state: State, order: c.Reread, now: float) -> Result:
    """A look that finds users exposed again puts exposure first again; it only ever takes away."""
    if order.effect not in {look.id for look in looks_due(state, now)}:
        return refuse(f"{order.effect} is not looked at again", "no look is due")
    flag = state.effects[order.effect].target.id
    seen = ev.ExposureReread(
        effect=order.effect,
        agrees=order.agrees,
        percent=order.percent,
        observed=None if order.agrees else order.observed,
        detail=order.detail,
    )
    if order.agrees or state.phase == "rolling_back":
        return (seen,)
    reason = f"{flag} came back to {order.percent:g} %: {order.detail}"
    # The plan that was verified, not a new one: what it took back may count as absent by now.
    return (seen, ev.MitigationStarted(plan=state.mitigation_plan, reason=reason), *hold_run(state, reason))


def judged(state: State, order: c.Judged, now: float) -> Result:
    if order.when in ("backwards", "traffic"):
        return _judged_on_the_way(state, order)
    if order.check not in state.integrity:
        return refuse(f"no integrity check {order.check}", "the playbook has none of that name")
    what = f"integrity check {order.check} is not taken"
    if order.when == "baseline" and (state.phase != "forward" or order.check in state.integrity_baseline):
        return refuse(what, "a baseline is taken once, before the rollout")
    if order.when == "after" and (state.phase != "rolling_back" or not _is_back(state)):
        return refuse(what, "the proof is taken when everything is back")
    seen = ev.IntegrityJudged(check=order.check, verdict=order.verdict, when=order.when, detail=order.detail)
    if order.when == "after" or order.verdict == "pass":
        return (seen,)
    said = "fails already" if order.verdict == "fail" else "cannot be run"
    reason = f"integrity check {order.check} {said}, before the rollout: {order.detail or order.verdict}"
    return (seen, place(state, RUN_SCOPE, "human", reason))


def _is_back(state: State) -> bool:
    return undone(rollback_items(state)) and lane_done(state, "reconcile")


def _judged_on_the_way(state: State, order: c.Judged) -> Result:
    asked = tuple(entry.effect.id for entry in undrained(items_under_way(state)) if entry.effect is not None)
    if order.when == "backwards":
        asked = to_judge(state, state.rollback_plan) if state.phase == "rolling_back" else ()
    if order.check not in asked:
        return refuse(f"{order.check} is not judged", "nothing waits for it")
    return (ev.IntegrityJudged(check=order.check, verdict=order.verdict, when=order.when, detail=order.detail),)
