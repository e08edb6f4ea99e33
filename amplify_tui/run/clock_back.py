"""A clock that was set back: every moment that the state knows is told on the clock as it is from then on. Pure.

Else all that waits for time (a settle, a bake, an undo that is tried again, a trigger that somebody disarmed) would
wait until the clock is where it was, and evidence of now would lie before the phase that asks for it. A clock that goes
ahead needs none of this: what waits is due earlier, and a bake counts no time that nobody watched.

Windows and times that a playbook names by the calendar stay as they are. What the data says of itself is moved like the
rest: data whose clock is far from ours is refused as an error, so what was counted is told on ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.run.state import State, StepState
from amplify_tui.verdict.trial import Trial

_K = TypeVar("_K")
_T = TypeVar("_T", bound=Struct)

_OF_RUN: Final = ("created_at", "started_at", "first_exposure_at", "rollback_at", "last_at")
_OF_STEP: Final = (
    "phase_at", "settle_until", "accrued_at", "verdict_at", "judged_at", "not_before", "started_at", "ended_at",
)  # fmt: skip
_OF_EFFECT: Final = ("at", "deadline", "not_before", "probed_at", "unknown_since", "ended_at")
_OF_TRIGGER: Final = ("fired_at", "answer_by", "disarmed_until", "blind_since")
_OF_TALLY: Final = ("since", "until")


def set_back(state: State, delta: float) -> State:
    """The same state on a clock that went back by -*delta* seconds (so *delta* is negative)."""
    return replace(
        _moved(state, _OF_RUN, delta),
        conductor=_moved(state.conductor, ("at",), delta),
        unwatched=_moved(state.unwatched, ("since", "until"), delta) if state.unwatched is not None else None,
        steps={ref: _step(step, delta) for ref, step in state.steps.items()},
        effects=_each(state.effects, _OF_EFFECT, delta),
        triggers=_each(state.triggers, _OF_TRIGGER, delta),
        holds=_each(state.holds, ("at",), delta),
        requests=_each(state.requests, ("until",), delta),
        trials={key: _trial(trial, delta) for key, trial in state.trials.items()},
    )


def _step(step: StepState, delta: float) -> StepState:
    signed = tuple(_moved(one, ("at",), delta) for one in step.signed)
    overridden = {name: at + delta if at else at for name, at in step.overridden_at.items()}
    return replace(_moved(step, _OF_STEP, delta), signed=signed, overridden_at=overridden)


def _trial(trial: Trial, delta: float) -> Trial:
    """Else no block of now would lie behind the last one that was counted, and it would see nothing, in silence."""
    treatment, control = trial.until
    return replace(
        _moved(trial, ("fired_at",), delta),
        until=(max(treatment + delta, 0.0), max(control + delta, 0.0)),
        calm=_moved(trial.calm, _OF_TALLY, delta) if trial.calm is not None else None,
        before=_moved(trial.before, _OF_TALLY, delta) if trial.before is not None else None,
        phases=_each(trial.phases, _OF_TALLY, delta),
        courses=_each(trial.courses, ("since",), delta),
    )


def _each(values: Mapping[_K, _T], names: tuple[str, ...], delta: float) -> dict[_K, _T]:
    return {key: _moved(value, names, delta) for key, value in values.items()}


def _moved(value: _T, names: tuple[str, ...], delta: float) -> _T:
    """*value* with these moments moved; one that is 0 or None was never set, and none becomes that."""
    moments = ((name, getattr(value, name)) for name in names)
    return replace(value, **{name: max(at + delta, 1.0) for name, at in moments if at})
