"""The fold: `evolve(state, envelope)` is the next state. Pure, total over every event, and never refuses.

Whether something may happen is `decide`'s business; what has happened is taken as it is. One small function per event,
in a table; `fold` runs it over a journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from amplify_tui.run import events as ev
from amplify_tui.run.background import is_behind
from amplify_tui.run.envelope import Envelope
from amplify_tui.run.evolve_conductor import CONDUCTOR_FOLDS
from amplify_tui.run.evolve_effects import EFFECT_FOLDS, drift_over, drift_seen
from amplify_tui.run.evolve_plan import instances, migrated, roles_by
from amplify_tui.run.evolve_steps import STEP_FOLDS, starts_over, watches_anew
from amplify_tui.run.evolve_triggers import TRIGGER_FOLDS
from amplify_tui.run.marks import Judgement
from amplify_tui.run.reversal import seeded
from amplify_tui.run.shapes import Hold, StepRef, ref_of
from amplify_tui.run.state import RUN_SCOPE, Decision, Reread, State, StepState, TriggerState
from amplify_tui.run.supersede import taken_over
from amplify_tui.run.trials import anew, put
from amplify_tui.run.undo_asks import service_of

Fold = Callable[[State, Any, Envelope], State]
T = TypeVar("T")


def _created(state: State, data: ev.RunCreated, env: Envelope) -> State:
    state = replace(
        state,
        run=env.run,
        phase="draft",
        mode=data.mode,
        playbook=data.playbook,
        plan=data.plan,
        roles=data.plan.roles,
        bundle_sha=data.bundle.sha256,
        bundle_text=data.bundle.files[0].text if data.bundle.files else "",
        engine=data.engine,
        sandbox=data.sandbox,
        supersedes=data.supersedes,
        inputs=data.inputs,
        starter=env.actor,
        created_at=env.at_s,
    )
    state = replace(state, steps=instances(state))
    if data.reversal is None:
        return state
    return seeded(state, data.reversal, by=env.actor, via=env.via, at=env.at_s)


def _started(state: State, data: ev.RunStarted, env: Envelope) -> State:
    state = replace(
        state,
        phase="forward",
        plan=data.plan,
        environment=data.environment,
        subject=data.subject,
        baseline=data.baseline,
        services=data.services,
        triggers={spec.id: TriggerState(spec=spec) for spec in data.triggers},
        on_blind=data.on_blind,
        integrity=data.integrity,
        locks=data.locks,
        release_notes=data.notes,
        warnings=data.warnings,
        trust=data.trust,
        untrusted=data.untrusted,
        starter=env.actor,
        started_at=env.at_s,
    )
    if data.inherited is not None:
        state = taken_over(state, data.inherited)
    return replace(state, roles=roles_by(state, data.plan), steps=instances(state))


def _input_given(state: State, data: ev.InputGiven, env: Envelope) -> State:
    if not data.step:
        return replace(state, inputs=state.inputs | data.values)
    step = state.steps[ref_of(data.step, data.key)]
    signed = {"by": env.actor, "at": env.at_s} if "accept" in data.values else {}
    answered = replace(step, answers=step.answers | data.values | signed)
    return replace(state, steps=state.steps | {step.ref: answered})


def _hold_placed(state: State, data: ev.HoldPlaced, env: Envelope) -> State:
    hold = Hold(
        id=data.hold,
        scope=data.scope,
        kind=data.kind,
        reason=data.reason,
        at=env.at_s,
        by=env.actor,
        auto_release=data.auto_release,
        drift=data.drift,
        by_person=env.via in ("key", "cli"),
    )
    state = replace(state, holds=state.holds | {hold.id: hold}, next_hold=state.next_hold + 1)
    if (hold.scope, hold.kind) == (RUN_SCOPE, "blind"):
        told = {name: replace(trigger, blind_held=bool(trigger.blind)) for name, trigger in state.triggers.items()}
        state = replace(state, triggers=told)
    return state if data.drift is None else drift_seen(state, data.drift)


def _drift_answered(state: State, data: ev.DriftAnswered, env: Envelope) -> State:
    hold = state.holds.get(data.hold)
    if hold is None:
        return state
    reason = hold.reason if data.choice or not data.reason else f"{hold.reason}; not made ours: {data.reason}"
    return replace(state, holds=state.holds | {hold.id: replace(hold, choice=data.choice, reason=reason)})


def _hold_released(state: State, data: ev.HoldReleased, env: Envelope) -> State:
    hold = state.holds.get(data.hold)
    state = replace(state, holds={k: v for k, v in state.holds.items() if k != data.hold})
    if hold is not None and (hold.scope, hold.kind) == (RUN_SCOPE, "human"):
        state = replace(state, unexplained=False, unwatched=None)
    if hold is not None and hold.drift is not None:
        return drift_over(state, hold.drift, data.choice, env.at_s)
    if hold is None or hold.kind not in ("gate", "blind"):
        return state
    steps = {
        ref: replace(
            step,
            status="observing",
            cause=None,
            detail="",
            question="",
            gate_released=True,
            accrued_at=env.at_s,
        )
        if ref == hold.scope and step.status == "stuck" and step.cause in ("gate", "timeout")
        else step
        for ref, step in state.steps.items()
    }
    freed = (step.watch.gate for ref, step in state.steps.items() if ref == hold.scope and step.watch is not None)
    return anew(replace(state, steps=steps), chain.from_iterable(freed))


def _rollback_started(state: State, data: ev.RollbackStarted, env: Envelope) -> State:
    lanes = {plan.id for plan in state.plan.steps.values() if plan.lane != "forward"}
    steps = {
        ref: step
        if step.is_over or step.step in lanes
        else replace(step, status="canceled", ended_at=env.at_s, cause=None)
        for ref, step in state.steps.items()
    }
    triggers = {
        name: replace(trigger, answer="rollback") if trigger.is_open else trigger
        for name, trigger in state.triggers.items()
    }
    return replace(
        state,
        phase="rolling_back",
        unwatched=None,
        steps=steps,
        triggers=triggers,
        holds={},  # in a rollback holds mean nothing, and nobody could release them
        rollback_plan=data.plan,
        force_order=data.force_order,
        rollback_reason=data.reason,
        rollback_by=env.actor,
        rollback_via=env.via,
        rollback_at=env.at_s if state.rollback_at is None else state.rollback_at,
        until_band=data.until_band,
        automatic_rollbacks=state.automatic_rollbacks + (env.via in ("trigger", "engine", "timer")),
    )


def _watches_nobody(state: State, step: StepState, exposing: set[StepRef]) -> bool:
    """A monitor that is under way behind a rollout whose exposure is taken away."""
    if step.is_over or step.phase_at is None or step.watch is None or not step.watch.summed:
        return False
    return any(is_behind(state.plan, step.step, state.steps[ref].step) for ref in exposing if ref in state.steps)


def _mitigation_started(state: State, data: ev.MitigationStarted, env: Envelope) -> State:
    """Each rollout whose exposure goes is stuck until a person starts it over, also one that had succeeded.

    A monitor behind it has nothing to watch any more: it ends, and begins anew after the rollout.
    """
    exposing = {
        e.ref
        for e in state.effects.values()
        if e.exposure and not e.undoes and e.exposure.after > 0 and e.status != "absent"
    }
    steps = {
        ref: starts_over(step, "exposure was taken away; retry starts again at the first phase")
        if ref in exposing and step.watch and step.status in ("running", "observing", "stuck", "succeeded")
        else step
        for ref, step in state.steps.items()
    }
    unwatched = {ref for ref, step in steps.items() if _watches_nobody(state, step, exposing)}
    steps |= {ref: watches_anew(steps[ref]) for ref in unwatched}
    triggers = {
        name: replace(trigger, answer="mitigate") if trigger.is_open else trigger
        for name, trigger in state.triggers.items()
    }
    holds = {name: hold for name, hold in state.holds.items() if hold.scope not in exposing | unwatched}
    return replace(
        state,
        steps=steps,
        triggers=triggers,
        holds=holds,
        mitigation="running",
        unwatched=None,
        mitigations=state.mitigations + 1,
        unexplained=state.unexplained or not data.reason,
        mitigation_plan=data.plan,
    )


def _reread(state: State, data: ev.ExposureReread, env: Envelope) -> State:
    """A look that disagrees starts the looks over: the verification is made again, and counted anew."""
    before = state.rereads.get(data.effect, Reread())
    if data.agrees:
        return replace(state, rereads=state.rereads | {data.effect: replace(before, agreed=before.agreed + 1)})
    target = state.effects[data.effect].target
    # A write without an answer was taken for undone with its target; it may be the one that has landed now.
    late = {
        name: replace(
            effect, status="unknown", unknown_since=env.at_s, probes=0, probed_at=0.0, at_work=False, ended_at=None
        )
        for name, effect in state.effects.items()
        if effect.target == target and effect.status == "absent" and effect.unknown_since and not effect.undoes
    }
    return replace(
        state,
        rereads=state.rereads | {data.effect: Reread(lost=env.seq)},
        exposure=state.exposure | {target.id: data.percent},
        effects=state.effects | late,
        flag_books={},
    )


def _mitigation_done(state: State, data: ev.MitigationDone, env: Envelope) -> State:
    return replace(state, mitigation="done")


def _integrity(state: State, data: ev.IntegrityJudged, env: Envelope) -> State:
    if data.when == "traffic":
        return replace(state, traffic=state.traffic | {data.check: Judgement(data.verdict, data.detail)})
    if data.when == "backwards":
        return replace(state, backwards=state.backwards | {data.check: Judgement(data.verdict, data.detail)})
    if data.when == "baseline":
        return replace(state, integrity_baseline=state.integrity_baseline | {data.check: data.verdict})
    return replace(state, integrity_after=state.integrity_after | {data.check: data.verdict})


def _role_taken(state: State, data: ev.RoleTaken, env: Envelope) -> State:
    return replace(state, roles=state.roles | {data.role: (*state.roles.get(data.role, ()), env.actor)})


def _closed(state: State, data: ev.RunClosed, env: Envelope) -> State:
    return replace(
        state,
        phase="closed",
        outcome=data.outcome,
        exceptions=data.exceptions,
        follow_ups=data.follow_ups,
        closed_at=env.at_s,
        holds={},
    )


def _superseded(state: State, data: ev.Superseded, env: Envelope) -> State:
    return replace(state, superseded_by=data.by, reversed_by="")


def _reversed(state: State, data: ev.Reversed, env: Envelope) -> State:
    return replace(state, reversed_by=data.by, superseded_by="")


def _undo_decided(state: State, data: ev.UndoDecided, env: Envelope) -> State:
    before = state.decisions.get(data.effect)
    choice = data.choice
    if choice == "retry":  # another try decides nothing new: what was chosen before stays chosen
        decision = Decision(before.choice if before else "", data.reason, env.actor, env.seq)
    else:
        decision = Decision(choice, data.reason, env.actor, env.seq)
    effects = {
        name: replace(effect, not_before=0.0) if effect.undoes == data.effect else effect
        for name, effect in state.effects.items()
    }
    again = {service_of(item) for item in state.rollback_plan if item.id == data.effect and choice == "retry"}
    backwards = {service: said for service, said in state.backwards.items() if service not in again}
    return replace(state, decisions=state.decisions | {data.effect: decision}, effects=effects, backwards=backwards)


def _trials_advanced(state: State, data: ev.TrialsAdvanced, env: Envelope) -> State:
    return put(state, data.trials)


def _note_added(state: State, data: ev.NoteAdded, env: Envelope) -> State:
    return replace(state, unexplained=False, unwatched=None)


FOLDS: Final[dict[type, Fold]] = {
    ev.RunCreated: _created,
    ev.RunStarted: _started,
    ev.InputGiven: _input_given,
    ev.HoldPlaced: _hold_placed,
    ev.HoldReleased: _hold_released,
    ev.DriftAnswered: _drift_answered,
    ev.TrialsAdvanced: _trials_advanced,
    ev.RollbackStarted: _rollback_started,
    ev.UndoDecided: _undo_decided,
    ev.Superseded: _superseded,
    ev.Reversed: _reversed,
    ev.ExposureReread: _reread,
    ev.MitigationStarted: _mitigation_started,
    ev.MitigationDone: _mitigation_done,
    ev.IntegrityJudged: _integrity,
    ev.PlaybookMigrated: migrated,
    ev.NoteAdded: _note_added,
    ev.RoleTaken: _role_taken,
    ev.RunClosed: _closed,
    **TRIGGER_FOLDS,
    **CONDUCTOR_FOLDS,
    **STEP_FOLDS,
    **EFFECT_FOLDS,
}


def evolve(state: State, envelope: Envelope) -> State:
    """The state after *envelope*. Raises KeyError only for an event type without a fold, which a test forbids."""
    folded = FOLDS[type(envelope.data)](state, envelope.data, envelope)
    return replace(folded, seq=envelope.seq, last_at=envelope.at_s)


def fold(envelopes: Iterable[Envelope], state: State | None = None) -> State:
    """The state after all of *envelopes*, from *state* (by default from nothing): `evolve` of each, only sooner done.

    The folds go by the envelope, never by the state's own seq and time: so these are set once, at the end.
    """
    state, envelope = state or State(), None
    for envelope in envelopes:
        state = FOLDS[type(envelope.data)](state, envelope.data, envelope)
    return state if envelope is None else replace(state, seq=envelope.seq, last_at=envelope.at_s)
