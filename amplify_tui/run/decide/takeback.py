"""Taking it back: mitigate, roll back, answer triggers, decide about single items.

Mitigate takes exposure away and asks nothing; roll back restores in bands. Both are always legal while the run is
open: with a failing gate, a hold, an open sign-off, outside every window. An automatic act may only reduce exposure,
unless the playbook wrote otherwise, and a run rolls back automatically at most once.
"""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.decide.guards import Result, place, refuse
from amplify_tui.run.shapes import EXPOSURE_BAND
from amplify_tui.run.state import RUN_SCOPE, State
from amplify_tui.run.undo import (
    SETTLED_ITEM,
    exposure_plan,
    mitigation_items,
    rollback_items,
    undo_plan,
)


def mitigate(state: State, order: c.Mitigate, now: float) -> Result:
    if state.phase == "rolling_back":
        return ()  # the rollback has the same first bands, and is at them or past them
    if state.mitigation == "running":
        return refuse(
            "exposure is being taken away already", "a mitigation is under way", "watch it on the rollback screen"
        )
    return mitigation(state, order.reason or f"mitigate by {order.actor}")


def mitigation(state: State, reason: str) -> tuple[ev.EventData, ...]:
    """The events of a mitigation: its plan, and a hold that only a person releases."""
    plan = exposure_plan(state)
    started = ev.MitigationStarted(plan=plan, reason=reason)
    held = any(h.kind == "human" and h.scope == RUN_SCOPE for h in state.holds.values())
    return (started,) if held else (started, place(state, RUN_SCOPE, "human", f"mitigated: {reason}"))


def rollback(state: State, order: c.Rollback, now: float) -> Result:
    if state.phase == "rolling_back":
        stuck = tuple(
            ev.UndoDecided(effect=e.item.id, choice="restore", reason="tried again with all the others")
            for e in rollback_items(state)
            if e.status == "blocked"
        )
        return stuck or refuse(
            "the run is rolling back already", "nothing of it is stuck", "watch it on the rollback screen"
        )
    if order.force_order and not order.reason:
        return refuse("the order of the bands is kept", "breaking it needs a reason", "give one with --reason")
    return full_rollback(state, order.reason, force_order=order.force_order)


def full_rollback(state: State, reason: str, *, force_order: bool = False) -> tuple[ev.EventData, ...]:
    return (ev.RollbackStarted(scope="full", reason=reason, plan=undo_plan(state), force_order=force_order),)


def retry_item(state: State, name: str) -> Result:
    entry = next((e for e in rollback_items(state) if name in (e.item.id, *e.item.effects)), None)
    if entry is None:
        return refuse(f"no undo item {name}", "the rollback plan has none of that id", "`show RUN` lists them")
    if entry.status != "blocked":
        return refuse(f"{entry.item.id} is not retried", f"it is {entry.status}")
    return (ev.UndoDecided(effect=entry.item.id, choice="restore", reason="retried"),)


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
    if entry.effect is not None and entry.effect.status in ("unknown", "diverged"):
        as_absent = ev.EffectSettled(effect=entry.effect.id, as_="absent", reason=f"decided: {order.choice}")
        return (as_absent, decided)
    return (decided,)


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
            return (answered, place(state, RUN_SCOPE, "human", reason))
        case "ignore":
            if not order.reason:
                return refuse("a trigger is not ignored silently", "it needs a reason", "give one with --reason")
            return (answered, ev.NoteAdded(text=f"ignored trigger {order.trigger}: {order.reason}"))


def expire(state: State, order: c.Expire, now: float) -> Result:
    """Nobody answered a trigger in time: its `then` happens, and no more than that."""
    trigger = state.triggers.get(order.what)
    if trigger is None or not trigger.is_open or trigger.answer_by is None or now < trigger.answer_by:
        return refuse(f"{order.what} does not expire", "it asks nothing, or its time is not over")
    answered = ev.TriggerAnswered(trigger=order.what, answer="unanswered")
    reason = f"trigger {order.what} unanswered: {trigger.evidence}"
    if trigger.spec.then == "hold":
        return (answered, place(state, RUN_SCOPE, "human", reason))
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


def judged(state: State, order: c.Judged, now: float) -> Result:
    if order.check not in state.integrity:
        return refuse(f"no integrity check {order.check}", "the playbook has none of that name")
    return (ev.IntegrityJudged(check=order.check, verdict=order.verdict, when=order.when, detail=order.detail),)
