"""The folds of effects: from intended to done, absent, unknown or diverged, and what they mean for exposure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from amplify_tui.run import events as ev
from amplify_tui.run.envelope import Envelope
from amplify_tui.run.evolve_steps import starts_over
from amplify_tui.run.exposure import exposed, kept_up
from amplify_tui.run.shapes import Drift
from amplify_tui.run.state import EffectState, State, StepState


def _put(state: State, effect: EffectState) -> State:
    """The state with *effect* as it is now, and the book of its flag kept up."""
    before = state.effects.get(effect.id)
    effects = state.effects | {effect.id: effect}
    if effect.exposure is None:
        return replace(state, effects=effects)
    books = state.flag_books if before is None or before.seq == effect.seq else {}
    flag = effect.exposure.flag
    book = kept_up(books.get(flag), effects, effect)
    return replace(state, effects=effects, flag_books=books | {flag: book})


def _settle(state: State, effect: EffectState, at: float) -> State:
    """The state with *effect* as it is now, and what that means for the exposure of its flag."""
    state = _put(state, effect)
    if effect.exposure is None:
        return state
    flag = effect.exposure.flag
    percent = exposed(state.flag_books[flag], state.effects)
    first = state.first_exposure_at
    if first is None and percent > 0:
        first = at
    return replace(state, exposure=state.exposure | {flag: percent}, first_exposure_at=first)


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
        on_rollback=data.on_rollback,
    )
    tries = state.tries
    if data.undoes:
        tries = tries | {data.undoes: (*tries.get(data.undoes, ()), data.effect)}
    return replace(_settle(state, effect, env.at_s), next_effect=state.next_effect + 1, tries=tries)


def _done(state: State, data: ev.EffectDone, env: Envelope) -> State:
    effect = state.effects[data.effect]
    done = replace(
        effect,
        status="done",
        observed=data.observed,
        receipt=data.receipt,
        reason="",
        ended_at=env.at_s,
        ended_seq=env.seq,
    )
    return _settle(state, done, env.at_s)


def _accepted(state: State, data: ev.EffectAccepted, env: Envelope) -> State:
    effect = replace(state.effects[data.effect], status="accepted", handle=data.handle, reason=data.waits_for)
    return _put(state, effect)


def _failed(state: State, data: ev.EffectFailed, env: Envelope) -> State:
    effect = state.effects[data.effect]
    absent = replace(
        effect,
        status="absent",
        observed=data.observed,
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
        at_work=data.result == "running",
        observed=data.observed if data.observed is not None else effect.observed,
        reason=data.detail or effect.reason,
    )
    if data.result in ("unreachable", "running", "pending"):
        return _put(state, probed)
    ended_at = None if data.result == "diverged" else env.at_s
    settled = replace(
        probed, status=data.result, retryable=data.result == "absent", ended_at=ended_at, ended_seq=env.seq
    )
    return _settle(state, settled, env.at_s)


def _settled(state: State, data: ev.EffectSettled, env: Envelope) -> State:
    effect = replace(
        state.effects[data.effect],
        status=data.as_,
        human=True,
        reason=data.reason,
        ended_at=env.at_s,
        ended_seq=env.seq,
    )
    words = f"{effect.id} settled as {data.as_} by {env.actor}" + (f": {data.reason}" if data.reason else "")
    return replace(_settle(state, effect, env.at_s), exceptions=(*state.exceptions, words))


def drift_seen(state: State, drift: Drift) -> State:
    """Somebody else may have given a flag to more users: exposure is never told lower than it may be."""
    book = state.flag_books.get(drift.flag)
    ours = exposed(book, state.effects) if book is not None else 0.0
    if max(ours, drift.percent) == state.exposure.get(drift.flag, 0.0):
        return state
    percent = max(ours, drift.percent)
    first = state.last_at if state.first_exposure_at is None and percent > 0 else state.first_exposure_at
    return replace(state, exposure=state.exposure | {drift.flag: percent}, first_exposure_at=first)


def drift_over(state: State, drift: Drift, choice: str, at: float) -> State:
    """What an answered drift leaves: theirs as our own after-image, where that was chosen; and bakes start over.

    at: Unix seconds. The users of the phase were not those that the bake counted on.
    """
    effect = state.effects.get(drift.effect)
    if choice == "accept" and effect is not None:
        receipt = effect.receipt | ({"exposed": drift.percent} if effect.exposure is not None else {})
        theirs = replace(
            effect, after=drift.observed, observed=drift.observed, receipt=receipt, ended_at=at, ended_seq=state.seq + 1
        )
        state = _settle(state, theirs, at)
        state = replace(state, exposure=state.exposure | {drift.flag: drift.percent})
    braked = choice == "accept" and drift.percent < drift.left_percent
    steps = dict(state.steps)
    for ref, step in state.steps.items():
        if step.watch is None or step.watch.flag != drift.flag:
            continue
        if braked and step.status in ("running", "observing", "stuck"):
            words = f"{drift.by or 'somebody else'} took exposure to {drift.percent:g} %, and that was accepted"
            steps[ref] = starts_over(step, f"{words}; retry starts again at the first phase")
        elif step.status == "observing":
            steps[ref] = replace(step, accrued=0.0, phase_at=at, accrued_at=at, settle_until=at + _settles(step))
    return replace(state, steps=steps)


def _settles(step: StepState) -> float:
    """How many seconds the open phase of *step* took to settle."""
    return max(0.0, step.settle_until - (step.phase_at or step.settle_until))


EFFECT_FOLDS: Final[dict[type, Callable[[State, Any, Envelope], State]]] = {
    ev.EffectIntended: _intended,
    ev.EffectDone: _done,
    ev.EffectAccepted: _accepted,
    ev.EffectFailed: _failed,
    ev.EffectUnknown: _unknown,
    ev.EffectProbed: _probed,
    ev.EffectSettled: _settled,
}
