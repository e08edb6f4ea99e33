"""The conductor itself: one comes, goes, or makes way for one with a secret that it lacks; its clock jumps.

A conductor makes way first of all for what is to be taken back: where that waits for the secret it leaves whatever else
it is at, as one that is killed. Else it leaves only where that costs nothing: no effect on its way, no secret lost.
"""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.decide.guards import Result, refuse
from amplify_tui.run.lacking import waits_for
from amplify_tui.run.secret_words import named, not_set, where_set
from amplify_tui.run.state import State


def hand_over(state: State, order: c.HandOver, now: float) -> Result:
    what, resume = "the conductor is not replaced", f"type `amplify resume {state.run}`"
    if not state.conductor.attached:
        return refuse("no other conductor is asked for", "this one is leaving already")
    if not order.lacks:
        return refuse(what, "it lacks no secret")
    gains = [name for name in order.lacks if name in order.has]
    if order.host != state.conductor.host:
        why = f"{not_set(*order.lacks)} where it runs, and only {state.conductor.host}, its own host, replaces it"
        return refuse(what, why, f"{resume} there, with {named(order.lacks)} set")
    if not gains:
        return refuse(what, f"{not_set(*order.lacks)} where it runs, nor here", f"{resume} {where_set(*order.lacks)}")
    if not any(waits_for(state, name) for name in gains):
        if lost := [name for name in order.uses if name not in (*order.lacks, *order.has)]:
            return refuse(what, f"it has {named(lost)}, which this shell has not", f"set that too, and {resume}")
        if busy := next((e for e in state.effects.values() if e.status == "intended"), None):
            return refuse(what, f"{busy.id} is on its way: {busy.says}", f"{resume} once that has ended")
    return (ev.ConductorDetached(reason=f"makes way for one that has {named(gains)}"),)


def take_lease(state: State, order: c.TakeLease, now: float) -> Result:
    if order.lease <= state.conductor.epoch:
        return refuse("the lease is refused", f"epoch {state.conductor.epoch} holds it", "watch it, then take over")
    watched = min(max(state.last_at, order.watched_until or 0.0), now)
    return (
        ev.ConductorAttached(
            host=order.host,
            pid=order.pid,
            lease=order.lease,
            watched_until=watched,
            went_back=max(0.0, state.last_at - now),
        ),
    )


def let_go(state: State, order: c.LetGo, now: float) -> Result:
    return (ev.ConductorDetached(reason=order.reason or "ended"),)


def jump(state: State, order: c.Jump, now: float) -> Result:
    return (ev.ClockJumped(delta=order.delta),)
