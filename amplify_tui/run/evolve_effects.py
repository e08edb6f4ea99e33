"""The folds of effects: from intended to done, absent, unknown or diverged, and what they mean for exposure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from amplify_tui.run import events as ev
from amplify_tui.run.events import Envelope
from amplify_tui.run.state import EffectState, State
from amplify_tui.run.undo import is_verification


def _put(state: State, effect: EffectState) -> State:
    return replace(state, effects=state.effects | {effect.id: effect})


def _settle(state: State, effect: EffectState, at: float) -> State:
    """The state with *effect* as it is now, and what that means for the exposure of its flag."""
    state = _put(state, effect)
    if effect.exposure is None:
        return state
    flag = effect.exposure.flag
    percent = _exposed(state, flag)
    first = state.first_exposure_at
    if first is None and percent > 0:
        first = at
    return replace(state, exposure=state.exposure | {flag: percent}, first_exposure_at=first)


def _exposed(state: State, flag: str) -> float:
    """What the last effect that is done left, or more where one is open: never reported lower than it may be."""
    # One pass and nothing built: this runs at each event of an effect, over all effects of the run.
    known, most, last = None, 0.0, (-1.0, -1)
    looks: list[EffectState] = []
    for effect in state.effects.values():
        exposure = effect.exposure
        if exposure is None or exposure.flag != flag:
            continue
        if known is None:
            known = exposure.before
        if effect.is_open and is_verification(effect):
            looks.append(effect)
        elif effect.is_open:
            most = max(most, exposure.before, exposure.after)
        elif effect.status == "done" and (ended := (effect.ended_at or 0.0, effect.seq)) > last:
            last = ended
            # What was read back counts more than what was intended: a verification may have found, and mended, more.
            known = float(effect.receipt.get("exposed", exposure.after))
    # A look that began before what is known now cannot have seen anything newer.
    seen = (look.exposure.before for look in looks if look.exposure is not None and look.seq > last[1])
    return max(known or 0.0, most, *seen)


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
    return replace(_settle(state, effect, env.at_s), next_effect=state.next_effect + 1)


def _done(state: State, data: ev.EffectDone, env: Envelope) -> State:
    effect = state.effects[data.effect]
    done = replace(effect, status="done", observed=data.observed, receipt=data.receipt, reason="", ended_at=env.at_s)
    return _settle(state, done, env.at_s)


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
    return _settle(state, absent, env.at_s)


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
    return _settle(state, settled, env.at_s)


def _settled(state: State, data: ev.EffectSettled, env: Envelope) -> State:
    effect = replace(state.effects[data.effect], status=data.as_, human=True, reason=data.reason, ended_at=env.at_s)
    words = f"{effect.id} settled as {data.as_} by {env.actor}" + (f": {data.reason}" if data.reason else "")
    return replace(_settle(state, effect, env.at_s), exceptions=(*state.exceptions, words))


EFFECT_FOLDS: Final[dict[type, Callable[[State, Any, Envelope], State]]] = {
    ev.EffectIntended: _intended,
    ev.EffectDone: _done,
    ev.EffectAccepted: _accepted,
    ev.EffectFailed: _failed,
    ev.EffectUnknown: _unknown,
    ev.EffectProbed: _probed,
    ev.EffectSettled: _settled,
}
