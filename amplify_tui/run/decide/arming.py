"""Disarming a trigger for a while, by two people, and arming it again, by one: more protection needs nobody's leave."""

from __future__ import annotations

from typing import Final

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.decide.guards import Result, holds_role, refuse, request, seconded, unreasoned
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.state import State, TriggerState, to_disarm

LONGEST_S: Final = 3600.0


def disarm(state: State, order: c.Disarm, now: float) -> Result:
    trigger = _find(state, order.trigger)
    if isinstance(trigger, Refusal):
        return trigger
    what = f"{order.trigger} is not disarmed"
    if trigger.is_open:
        return refuse(what, "it has fired and asks", "answer it first: `ignore` needs a reason, too")
    if now < trigger.disarmed_until:
        return refuse(what, f"it is disarmed already, by {trigger.disarmed_by}", "arm it, or wait for its end")
    if not now < order.until <= now + LONGEST_S:
        return refuse(what, "it can be disarmed for an hour at most, from now on", "name a time within the hour")
    if unsaid := unreasoned(what, order):
        return unsaid
    first = seconded(state, to_disarm(order.trigger), order.actor, now)
    if first is None:
        return (request(to_disarm(order.trigger), order, now),)
    allowed = state.plan.override_roles
    if allowed and not any(holds_role(state, who, role) for who in (first.by, order.actor) for role in allowed):
        return refuse(what, f"neither {first.by} nor {order.actor} holds {' or '.join(allowed)}", "ask one who does")
    by = f"{first.by} and {order.actor}"
    return (ev.TriggerDisarmed(trigger=order.trigger, until=order.until, by=by, reason=order.reason),)


def arm(state: State, order: c.Arm, now: float) -> Result:
    trigger = _find(state, order.trigger)
    if isinstance(trigger, Refusal):
        return trigger
    asked = state.requests.get(to_disarm(order.trigger))
    if now >= trigger.disarmed_until and (asked is None or asked.until < now):
        return refuse(f"{order.trigger} is armed", "nobody disarmed it, and nobody asks to")
    return (ev.TriggerArmed(trigger=order.trigger),)


def _find(state: State, name: str) -> TriggerState | Refusal:
    found = state.triggers.get(name)
    if found is None:
        return refuse(f"no trigger {name}", f"known are {', '.join(state.triggers) or 'none'}")
    return found
