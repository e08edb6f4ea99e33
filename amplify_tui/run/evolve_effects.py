"""The folds of effects: from intended to done, absent, unknown or diverged, and what they mean for exposure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from amplify_tui.run import events as ev
from amplify_tui.run.events import Envelope
from amplify_tui.run.state import EffectState, State


def _put(state: State, effect: EffectState) -> State:
    return replace(state, effects=state.effects | {effect.id: effect})


def _expose(state: State, effect: EffectState, percent: float, at: float) -> State:
    if effect.exposure is None:
        return state
    first = state.first_exposure_at
    if first is None and percent > 0:
        first = at
    return replace(state, exposure=state.exposure | {effect.exposure.flag: percent}, first_exposure_at=first)


def _intended(state: State, data: ev.EffectIntended, env: Envelope) -> State:
    effect = EffectState(
        id=data.effect,
        seq=env.seq,
        step=data.step,
        key=data.key,
        verb=data.verb,
        target=data.target,
        before=data.before,
        after=data.after,
        undo=data.undo,
        idem=data.idem,
        deadline=data.deadline,
        at=env.at_s,
        n=data.n,
        phase=data.phase,
        says=data.says,
        undoes=data.undoes,
        exposure=data.exposure,
    )
    state = replace(_put(state, effect), next_effect=state.next_effect + 1)
    if data.exposure is None:
        return state
    # Until the outcome is known the higher of the two counts: exposure is never reported lower than it may be.
    return _expose(state, effect, max(data.exposure.before, data.exposure.after), env.at_s)


def _done(state: State, data: ev.EffectDone, env: Envelope) -> State:
    effect = state.effects[data.effect]
    done = replace(effect, status="done", observed=data.observed, receipt=data.receipt, reason="", ended_at=env.at_s)
    state = _put(state, done)
    if effect.exposure is None:
        return state
    # What was read back counts more than what was intended: a verification may have found, and mended, more.
    return _expose(state, done, float(data.receipt.get("exposed", effect.exposure.after)), env.at_s)


def _accepted(state: State, data: ev.EffectAccepted, env: Envelope) -> State:
    effect = replace(state.effects[data.effect], status="accepted", handle=data.handle, reason=data.waits_for)
    return _put(state, effect)


def _failed(state: State, data: ev.EffectFailed, env: Envelope) -> State:
    effect = state.effects[data.effect]
    absent = replace(
        effect,
        status="absent",
        reason=data.reason,
        error=data.error,
        retryable=data.retryable,
        not_before=data.not_before or 0.0,
        ended_at=env.at_s,
    )
    state = _put(state, absent)
    return _expose(state, absent, effect.exposure.before, env.at_s) if effect.exposure else state


def _unknown(state: State, data: ev.EffectUnknown, env: Envelope) -> State:
    effect = state.effects[data.effect]
    return _put(state, replace(effect, status="unknown", reason=data.cause, unknown_since=env.at_s))


def _probed(state: State, data: ev.EffectProbed, env: Envelope) -> State:
    effect = state.effects[data.effect]
    probed = replace(
        effect,
        probes=effect.probes + 1,
        probed_at=env.at_s,
        observed=data.observed if data.observed is not None else effect.observed,
        reason=data.detail or effect.reason,
    )
    if data.result == "unreachable":
        return _put(state, probed)
    ended_at = None if data.result == "diverged" else env.at_s
    settled = replace(probed, status=data.result, retryable=data.result == "absent", ended_at=ended_at)
    return _settle_exposure(_put(state, settled), settled, env)


def _settled(state: State, data: ev.EffectSettled, env: Envelope) -> State:
    effect = replace(state.effects[data.effect], status=data.as_, human=True, reason=data.reason, ended_at=env.at_s)
    words = f"{effect.id} settled as {data.as_} by {env.actor}" + (f": {data.reason}" if data.reason else "")
    state = replace(_put(state, effect), exceptions=(*state.exceptions, words))
    return _settle_exposure(state, effect, env)


def _settle_exposure(state: State, effect: EffectState, env: Envelope) -> State:
    if effect.exposure is None or effect.status not in ("done", "absent"):
        return state
    percent = effect.exposure.after if effect.status == "done" else effect.exposure.before
    return _expose(state, effect, percent, env.at_s)


EFFECT_FOLDS: Final[dict[type, Callable[[State, Any, Envelope], State]]] = {
    ev.EffectIntended: _intended,
    ev.EffectDone: _done,
    ev.EffectAccepted: _accepted,
    ev.EffectFailed: _failed,
    ev.EffectUnknown: _unknown,
    ev.EffectProbed: _probed,
    ev.EffectSettled: _settled,
}
