"""The folds of the conductor itself: one comes, one goes, its clock jumps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from amplify_tui.run import events as ev
from amplify_tui.run.clock_back import set_back
from amplify_tui.run.envelope import Envelope
from amplify_tui.run.state import ConductorState, State, Unwatched

BARELY_S: Final = 5.0  # a shorter time without a conductor is one poll missed


def _attached(state: State, data: ev.ConductorAttached, env: Envelope) -> State:
    """A new conductor knows nothing of what the last one had in flight: every intent is unknown now.

    Where its clock is behind the last event, it was set back while nobody looked.
    """
    if data.went_back > 0:
        state = set_back(state, -data.went_back)
    effects = {
        name: replace(effect, status="unknown", reason="the conductor ended before the outcome", unknown_since=env.at_s)
        if effect.status == "intended"
        else effect
        for name, effect in state.effects.items()
    }
    lost = {effect.ref for effect in state.effects.values() if effect.status == "intended" and not effect.undoes}
    steps = {
        ref: replace(step, status="stuck", cause="unknown", detail="the conductor ended before an outcome was known")
        if ref in lost and step.status == "running"
        else replace(step, accrued_at=env.at_s)
        for ref, step in state.steps.items()
    }
    conductor = ConductorState(host=data.host, pid=data.pid, epoch=data.lease, attached=True, at=env.at_s)
    return replace(state, conductor=conductor, effects=effects, steps=steps, unwatched=_unwatched(state, data, env))


def _unwatched(state: State, data: ev.ConductorAttached, env: Envelope) -> Unwatched | None:
    """The time until now that nobody watched; the longer one, where a conductor died once more."""
    known, since = state.unwatched, data.watched_until
    if state.phase not in ("forward", "rolling_back") or state.exposed_now <= 0 or since is None:
        return known
    gap = env.at_s - since
    if gap < BARELY_S or (known is not None and known.until - known.since > gap):
        return known
    return Unwatched(since, env.at_s, state.exposed_now)


def _detached(state: State, data: ev.ConductorDetached, env: Envelope) -> State:
    return replace(state, conductor=replace(state.conductor, attached=False, at=env.at_s))


def _clock_jumped(state: State, data: ev.ClockJumped, env: Envelope) -> State:
    """The span that was open when the clock jumped gives no bake credit."""
    if data.delta < 0:
        state = set_back(state, data.delta)
    return replace(state, steps={ref: replace(step, accrued_at=env.at_s) for ref, step in state.steps.items()})


CONDUCTOR_FOLDS: Final[dict[type, Callable[[State, Any, Envelope], State]]] = {
    ev.ConductorAttached: _attached,
    ev.ConductorDetached: _detached,
    ev.ClockJumped: _clock_jumped,
}
