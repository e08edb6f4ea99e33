"""The folds of steps: from pending through attempts, phases and gates to their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from amplify_tui.run import events as ev
from amplify_tui.run.envelope import Envelope
from amplify_tui.run.shapes import ref_of
from amplify_tui.run.state import SignedOffBy, State, StepState
from amplify_tui.run.trials import all_anew, anew
from amplify_tui.verdict.model import Answer


def _put(state: State, step: StepState) -> State:
    return replace(state, steps=state.steps | {step.ref: step})


def _step(state: State, data: Any) -> StepState:
    return state.steps[ref_of(data.step, data.key)]


def starts_over(step: StepState, detail: str) -> StepState:
    """A ramp whose users were taken away: stuck until a person begins it again, at its first phase."""
    return replace(
        step,
        status="stuck",
        cause="undo",
        detail=detail,
        ramp=step.ramp + 1,
        phase=0,
        phase_at=None,
        accrued=0.0,
        baked=(),
        verdict=None,
        overridden=(),
        overridden_at={},
        question="",
        not_before=0.0,
        ended_at=None,
    )


def watches_anew(step: StepState) -> StepState:
    """A monitor whose exposure was taken away: it waits for its turn again. What it has seen stays to be read."""
    return replace(
        step,
        status="pending",
        cause=None,
        detail="",
        question="",
        phase_at=None,
        accrued=0.0,
        verdict=None,
        overridden=(),
        overridden_at={},
        gate_released=False,
    )


def _awaiting(state: State, data: ev.StepAwaiting, env: Envelope) -> State:
    return _put(
        state,
        replace(
            _step(state, data),
            status="awaiting",
            awaits=data.what,
            preview=data.preview,
            preview_sha=data.preview_sha,
            # A ramp that starts over is known by its cause until its attempt begins; any other cause is behind us.
            cause="undo" if _step(state, data).cause == "undo" else None,
            detail="",
            question="",
        ),
    )


def _signed_off(state: State, data: ev.SignedOff, env: Envelope) -> State:
    step = _step(state, data)
    signature = SignedOffBy(data.role, env.actor, data.preview_sha, env.at_s)
    return _put(state, replace(step, signed=(*step.signed, signature)))


def _rejected(state: State, data: ev.SignOffRejected, env: Envelope) -> State:
    return state  # the StepStuck that follows says what it means


def _skipped(state: State, data: ev.StepSkipped, env: Envelope) -> State:
    step = _step(state, data)
    exceptions = state.exceptions
    if data.by != "condition":
        exceptions = (*exceptions, f"{step.ref} skipped: {data.reason}")
    skipped = replace(
        step,
        status="skipped",
        skipped_by=data.by,
        detail=data.reason,
        cause=None,
        question="",
        ended_at=env.at_s,
    )
    holds = {name: hold for name, hold in state.holds.items() if hold.scope != step.ref}
    return replace(_put(state, skipped), exceptions=exceptions, holds=holds)


def _attempt_started(state: State, data: ev.AttemptStarted, env: Envelope) -> State:
    step = _step(state, data)
    resumes_gate = step.status == "stuck" and step.cause in ("gate", "timeout") and step.phase_at is not None
    started = replace(
        step,
        status="observing" if resumes_gate else "running",
        n=data.n,
        watch=data.watch or step.watch,
        preview_sha=data.preview_sha or step.preview_sha,
        ramp=data.ramp,
        awaits=(),
        cause=None,
        detail="",
        question="",
        not_before=0.0,
        accrued=0.0,
        accrued_at=env.at_s,
        verdict=None,
        phase_at=env.at_s if resumes_gate else step.phase_at,
        started_at=step.started_at or env.at_s,
    )
    holds = {k: v for k, v in state.holds.items() if not (v.scope == step.ref and v.kind in ("gate", "blind"))}
    state = replace(_put(state, started), holds=holds)
    if resumes_gate and step.watch is not None:
        state = anew(state, step.watch.gate)
    return _exposed_again(state) if step.cause == "undo" else state


def _exposed_again(state: State) -> State:
    """A ramp starts over after a mitigation: nothing is mitigated any more, and every trigger is armed again."""
    triggers = {
        name: replace(
            trigger,
            fired_at=None if trigger.answer else trigger.fired_at,
            answer_by=None if trigger.answer else trigger.answer_by,
            answer="",
            disarmed_until=0.0,
        )
        for name, trigger in state.triggers.items()
    }
    return all_anew(replace(state, mitigation="", triggers=triggers))


def _attempt_ended(state: State, data: ev.AttemptEnded, env: Envelope) -> State:
    step = _step(state, data)
    ended = replace(
        step,
        outputs=data.outputs or step.outputs,
        detail=data.reason,
        not_before=data.not_before or 0.0,
        retries=step.retries + (data.not_before is not None),
    )
    return _put(state, ended)


def _phase_entered(state: State, data: ev.PhaseEntered, env: Envelope) -> State:
    entered = replace(
        _step(state, data),
        status="observing",
        phase=data.i,
        phase_at=env.at_s,
        settle_until=data.settle_until,
        need=data.need,
        accrued=0.0,
        accrued_at=env.at_s,
        verdict=None,
        seen=(),
        overridden=(),
        overridden_at={},
        gate_released=False,
    )
    return _put(replace(state, unwatched=None), entered)


def _bake_accrued(state: State, data: ev.BakeAccrued, env: Envelope) -> State:
    ref = ref_of(data.step, data.key)  # made once: most events of a long run are of this kind
    step = replace(state.steps[ref], accrued=data.accrued, accrued_at=env.at_s)
    return replace(state, steps=state.steps | {ref: step})


def _phase_advanced(state: State, data: ev.PhaseAdvanced, env: Envelope) -> State:
    step = _step(state, data)
    baked = (*step.baked, step.accrued)
    advanced = replace(step, status="running", phase=data.to, phase_at=None, accrued=0.0, baked=baked, verdict=None)
    return _put(state, advanced)


def _phase_retreated(state: State, data: ev.PhaseRetreated, env: Envelope) -> State:
    step = _step(state, data)
    back = replace(
        step,
        status="running",
        phase=data.to,
        phase_at=None,
        accrued=0.0,
        baked=step.baked[: data.to],
        ramp=step.ramp + 1,
        cause=None,
        detail="",
        question="",
        verdict=None,
    )
    holds = {k: v for k, v in state.holds.items() if not (v.scope == step.ref and v.kind in ("gate", "blind"))}
    state = replace(_put(state, back), holds=holds)
    return anew(state, step.watch.gate, fired_only=False) if step.watch is not None else state


def _kind(answer: Answer) -> Answer:
    """Blind and error count as one stretch without evidence: by turns they are no shorter."""
    return "blind" if answer == "error" else answer


def _gate_judged(state: State, data: ev.GateJudged, env: Envelope) -> State:
    step = _step(state, data)
    changed = step.verdict is None or _kind(step.verdict.answer) != _kind(data.verdict.answer)
    judged = replace(
        step,
        verdict=data.verdict,
        verdict_at=env.at_s if changed else step.verdict_at,
        judged_at=env.at_s,
        seen=data.seen or step.seen,
    )
    return _put(state, judged)


def _succeeded(state: State, data: ev.StepSucceeded, env: Envelope) -> State:
    step = _step(state, data)
    baked = (*step.baked, step.accrued) if step.watch and step.status == "observing" else step.baked
    done = replace(
        step,
        status="succeeded",
        outputs=step.outputs | data.outputs,
        baked=baked,
        cause=None,
        detail="",
        question="",
        awaits=(),
        ended_at=env.at_s,
    )
    return _put(state, done)


def _stuck(state: State, data: ev.StepStuck, env: Envelope) -> State:
    step = _step(state, data)
    stuck = replace(step, status="stuck", cause=data.cause, detail=data.detail, question=data.question, awaits=())
    if data.cause == "gate" and step.verdict is not None and step.verdict.answer == "fail":
        stuck = replace(stuck, overridden=(), overridden_at={})  # another condition failed: the override is over
    return _put(state, stuck)


def _overridden(state: State, data: ev.Overridden, env: Envelope) -> State:
    step = _step(state, data)
    status = "observing" if step.status == "stuck" and step.cause in ("gate", "timeout") else step.status
    over = replace(
        step,
        status=status,
        cause=None if status == "observing" else step.cause,
        overridden=tuple(dict.fromkeys((*step.overridden, *data.conditions))),
        overridden_at=step.overridden_at | data.values,
    )
    holds = {k: v for k, v in state.holds.items() if not (v.scope == step.ref and v.kind in ("gate", "blind"))}
    words = f"{step.ref} phase {data.phase}: overrode {', '.join(data.conditions)}: {data.reason}"
    state = replace(_put(state, over), holds=holds, exceptions=(*state.exceptions, words))
    terms = step.watch.gate if step.watch is not None else ()
    return anew(state, (term for term in terms if term.id in data.conditions))


STEP_FOLDS: Final[dict[type, Callable[[State, Any, Envelope], State]]] = {
    ev.StepAwaiting: _awaiting,
    ev.SignedOff: _signed_off,
    ev.SignOffRejected: _rejected,
    ev.StepSkipped: _skipped,
    ev.AttemptStarted: _attempt_started,
    ev.AttemptEnded: _attempt_ended,
    ev.PhaseEntered: _phase_entered,
    ev.BakeAccrued: _bake_accrued,
    ev.PhaseAdvanced: _phase_advanced,
    ev.PhaseRetreated: _phase_retreated,
    ev.GateJudged: _gate_judged,
    ev.StepSucceeded: _succeeded,
    ev.StepStuck: _stuck,
    ev.Overridden: _overridden,
}
