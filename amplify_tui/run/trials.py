"""The sequential tests of a run: who asks them, how they go on, and when one starts anew.

A trial belongs to its condition and lasts the whole release. It goes on through one event when blocks close, so that a
replay knows it without a reading, and a new conductor skips the block that was open. What has fired stays fired until
the hold that it caused is released; a phase that is taken back, and a ramp that begins again, start their tests anew
too. Each start spends its alpha again, so a trial counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from amplify_tui.run import events as ev
from amplify_tui.run.state import State, StepState
from amplify_tui.verdict.model import Evidence, Term
from amplify_tui.verdict.promises import Promise, is_sequential
from amplify_tui.verdict.trial import Trial, started_anew
from amplify_tui.verdict.trials import Asking, advance, cached_promise


def advanced(state: State, evidence: Evidence, now: float) -> tuple[State, tuple[ev.TrialsAdvanced, ...]]:
    """*state* with its trials as they stand after *evidence*, and the event that tells so: none where no block closed.

    So whoever judges may call it first, and only who journals needs the event.
    """
    grown = advance(state.trials, askings(state), evidence, now)
    if not grown:
        return state, ()
    return put(state, grown), (ev.TrialsAdvanced(trials=grown),)


def put(state: State, trials: Mapping[str, Trial]) -> State:
    """*state* with these trials in place of those of the same condition."""
    return replace(state, trials={**state.trials, **trials})


def askings(state: State) -> list[Asking]:
    """The gates of all phases that are watched, and the triggers once they are armed."""
    found = [
        Asking(
            ref=step.ref,
            since=step.phase_at + step.watch.poll,
            terms=step.watch.gate,
            everybody=is_everybody_in(state, step),
        )
        for step in state.steps.values()
        if step.watch is not None and step.phase_at is not None and _is_watched(step)
    ]
    if state.armed_since is not None and state.triggers:
        terms = tuple(trigger.spec.term for trigger in state.triggers.values())
        found.append(Asking(ref="", since=state.armed_since, terms=terms, everybody=is_everybody_in(state, None)))
    return found


def _is_watched(step: StepState) -> bool:
    return step.status == "observing" or (step.status == "stuck" and step.cause in ("gate", "timeout"))


def is_everybody_in(state: State, step: StepState | None) -> bool:
    """Whether the phase of *step* leaves nobody in control: its percentage is 100, or its wave is the last.

    Without a phase of its own (a monitor, a trigger) it is what the flags of the run are at.
    """
    phase = step.phase_plan if step is not None else None
    if step is not None and step.watch is not None and phase is not None:
        if phase.percent is not None:
            return phase.percent >= 100.0
        if step.watch.service:
            return step.phase + 1 >= len(step.watch.phases)
    return state.exposed_now >= 100.0


# --- starting anew ----------------------------------------------------------------------------------------------------


def anew(state: State, terms: Iterable[Term], *, fired_only: bool = True) -> State:
    """*state* with the trials of *terms* at their beginning; by default only of those that had fired."""
    fresh: dict[str, Trial] = {}
    for term in terms:
        promise = cached_promise(term) if is_sequential(term) else None
        trial = state.trials.get(promise.key) if isinstance(promise, Promise) else None
        if isinstance(promise, Promise) and trial is not None and (trial.fired_at is not None or not fired_only):
            fresh[promise.key] = started_anew(trial)
    return put(state, fresh) if fresh else state


def all_anew(state: State) -> State:
    """*state* with every trial at its beginning: the users they were about are gone."""
    return replace(state, trials={key: started_anew(trial) for key, trial in state.trials.items()})
