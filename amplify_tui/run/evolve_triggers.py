"""The fold of the triggers' events: fired, answered, disarmed and armed; and of what a first of two people wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from amplify_tui.run import events as ev
from amplify_tui.run.envelope import Envelope
from amplify_tui.run.state import Request, State, TriggerState, to_disarm
from amplify_tui.run.trials import anew
from amplify_tui.verdict.words import duration


def _trigger_fired(state: State, data: ev.TriggerFired, env: Envelope) -> State:
    trigger = replace(
        state.triggers[data.trigger],
        fired_at=env.at_s,
        evidence=data.evidence,
        answer_by=data.answer_by,
        answer="auto" if data.mode == "auto" else "",
        fired=state.triggers[data.trigger].fired + 1,
    )
    return replace(state, triggers=state.triggers | {data.trigger: trigger})


def _trigger_answered(state: State, data: ev.TriggerAnswered, env: Envelope) -> State:
    trigger = replace(state.triggers[data.trigger], answer=data.answer)
    return replace(state, triggers=state.triggers | {data.trigger: trigger})


def _requested(state: State, data: ev.Requested, env: Envelope) -> State:
    return replace(state, requests=state.requests | {data.command: Request(data.by, data.until, data.reason)})


def _trigger_armed(state: State, data: ev.TriggerArmed, env: Envelope) -> State:
    was = state.triggers[data.trigger]
    trigger = replace(was, fired_at=None, answer_by=None, answer="", disarmed_until=0.0)
    if not was.disarmed_until:  # what was only not listened to goes on: it may have been bad all the time
        state = anew(state, (trigger.spec.term,))
    return _disarming(state, trigger)


def _trigger_disarmed(state: State, data: ev.TriggerDisarmed, env: Envelope) -> State:
    was = state.triggers[data.trigger]
    lasting = duration(data.until - env.at_s)
    words = f"trigger {data.trigger} disarmed for {lasting} by {data.by}: {data.reason}"
    trigger = replace(was, disarmed_until=data.until, disarmed_by=data.by, disarmed_because=data.reason)
    return replace(_disarming(state, trigger), exceptions=(*state.exceptions, words))


def _disarming(state: State, trigger: TriggerState) -> State:
    """The trigger as it is now; nobody's earlier wish to disarm it is open any more."""
    requests = {asked: by for asked, by in state.requests.items() if asked != to_disarm(trigger.spec.id)}
    return replace(state, triggers=state.triggers | {trigger.spec.id: trigger}, requests=requests)


def _trigger_sight(state: State, data: ev.TriggerSight, env: Envelope) -> State:
    seen = replace(state.triggers[data.trigger], blind=data.blind, blind_since=env.at_s, blind_held=False)
    return replace(state, triggers=state.triggers | {data.trigger: seen})


TRIGGER_FOLDS: Final[dict[type, Callable[[State, Any, Envelope], State]]] = {
    ev.TriggerFired: _trigger_fired,
    ev.TriggerAnswered: _trigger_answered,
    ev.TriggerDisarmed: _trigger_disarmed,
    ev.TriggerArmed: _trigger_armed,
    ev.TriggerSight: _trigger_sight,
    ev.Requested: _requested,
}
