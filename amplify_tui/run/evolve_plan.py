"""The fold of what makes a plan the run's: which step instances there are, who holds which role; and of a migration.

A migration replaces what is still to come. Steps, effects and triggers keep what they have been through.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from amplify_tui.run import events as ev
from amplify_tui.run.envelope import Envelope
from amplify_tui.run.inputs import complaint
from amplify_tui.run.shapes import Plan, ref_of
from amplify_tui.run.state import State, StepState, TriggerState


def instances(state: State) -> dict[Any, StepState]:
    """A pending state for every step instance of the plan; what already has a state keeps it."""
    steps: dict[Any, StepState] = {}
    for plan in state.plan.steps.values():
        for key in plan.keys:
            ref = ref_of(plan.id, key)
            steps[ref] = state.steps.get(ref) or StepState(step=plan.id, key=key)
    return steps


def roles_by(state: State, plan: Plan) -> dict[str, tuple[str, ...]]:
    """Who holds what: as *plan* names them, and where it names nobody as people took them before."""
    named = {role: people for role, people in plan.roles.items() if people}
    taken = {role: people for role, people in state.roles.items() if not state.plan.roles.get(role)}
    return taken | named


def migrated(state: State, data: ev.PlaybookMigrated, env: Envelope) -> State:
    """The run goes by another text. What was done, and how it is taken back, is in the journal and stays."""
    course = data.course
    if course is None:
        return state
    held = {role: people for role, people in roles_by(state, course.plan).items() if people}
    state = replace(
        state,
        plan=course.plan,
        bundle_sha=course.bundle.sha256,
        bundle_text=course.bundle.files[0].text if course.bundle.files else "",
        earlier_texts=(*state.earlier_texts, state.bundle_text),
        triggers={
            spec.id: replace(state.triggers.get(spec.id, TriggerState(spec=spec)), spec=spec)
            for spec in course.triggers
        },
        on_blind=course.on_blind,
        integrity=course.integrity,
        locks=tuple(dict.fromkeys([*state.locks, *course.locks])),
        inputs=_accepted(state.inputs, course.plan) if state.phase == "draft" else state.inputs,
        roles=course.plan.roles | held,
    )
    return replace(state, steps=instances(state))


def _accepted(given: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """The values of a draft that its new text still takes; the others are asked for again."""
    return {n: value for n, value in given.items() if n in plan.inputs and not complaint(plan.inputs[n], value)}
