"""From a playbook's outline to the run's plan: which steps there are, what each waits for, which keys its matrix has.

The plan is journaled (RunCreated, and resolved in RunStarted), so that a run can be folded, shown and rolled back
without the parser, the verbs or the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, Literal

from msgspec.structs import replace

from amplify_tui.playbook.model import Playbook, Step
from amplify_tui.playbook.outline import StageOutline, StepOutline, Structure
from amplify_tui.run.shapes import Plan, SignOffPlan, StagePlan, StepPlan

Lane = Literal["forward", "before", "reconcile", "after"]


def draft_plan(name: str, structure: Structure, raw: Mapping[str, Any], inputs: Mapping[str, Any]) -> Plan:
    """The plan as far as it is known before the start: titles as written, matrices where their values are."""
    stages = tuple(
        StagePlan(id=s.id, title=s.title or words(s.id), steps=tuple(x.id for x in s.steps)) for s in structure.stages
    )
    steps = {step.id: _step(step, None, _needs(structure, stage, step), "forward") for stage, step in _all(structure)}
    steps = _named(structure, steps)
    roles = {k: tuple(v) for k, v in (raw.get("roles") or {}).items() if isinstance(v, list)}
    return Plan(
        name=name,
        title=str(raw.get("title") or name),
        stages=stages,
        steps=steps | _lanes(structure, {}),
        inputs=dict(inputs),
        roles=roles,
        autopilot=(raw.get("release") or {}).get("autopilot") is True,
    )


def resolved_plan(
    plan: Plan,
    structure: Structure,
    playbook: Playbook,
    titles: Mapping[str, str],
    lasting: Mapping[str, float] | None = None,
) -> Plan:
    """The plan with the values that the start resolved: *titles* of steps, how long monitors are *lasting*, by id."""
    typed = {step.id: step for stage in playbook.stages for step in stage.steps}
    steps = {
        step.id: _step(step, typed.get(step.id), _needs(structure, stage, step), "forward", titles.get(step.id))
        for stage, step in _all(structure)
    }
    steps = _named(structure, steps)
    steps |= {name: replace(steps[name], lasts=seconds) for name, seconds in (lasting or {}).items() if name in steps}
    back = playbook.rollback
    rollback = {s.id: s for s in (*back.before, *back.reconcile, *back.after)}
    return Plan(
        name=plan.name,
        title=playbook.title or plan.title,
        stages=plan.stages,
        steps=steps | _lanes(structure, rollback),
        inputs=plan.inputs,
        roles=playbook.roles,
        override_roles=playbook.release.override_roles,
        people=playbook.release.people,
        autopilot=playbook.release.autopilot,
        trusted_ref=playbook.release.trusted_ref or "",
        complete_within=playbook.rollback.complete_within,
    )


def words(name: str) -> str:
    """An id as a title: `phased_rollout` is `Phased rollout`."""
    return name.replace("_", " ").replace("-", " ").capitalize()


def keys_of(each: Mapping[str, Iterable[Any]]) -> dict[str, dict[str, Any]]:
    """The keys of a matrix with the values each stands for: `checkout,eu` -> {service: checkout, region: eu}."""
    if not each:
        return {}
    names = list(each)
    rows = product(*(list(values) for values in each.values()))
    return {",".join(str(v) for v in row): dict(zip(names, row, strict=True)) for row in rows}


def _all(structure: Structure) -> list[tuple[StageOutline, StepOutline]]:
    return [(stage, step) for stage in structure.stages for step in stage.steps]


def _needs(structure: Structure, stage: StageOutline, step: StepOutline) -> tuple[str, ...]:
    """What the step waits for: its own predecessors, and all steps of the stages before its stage. A stage without
    steps of its own in between passes on what it waits for."""
    stages = {s.id: s for s in structure.stages}
    waits = [*step.after]
    for name in stage.after:
        waits += [s.id for s in stages[name].steps]
    return tuple(dict.fromkeys(waits))


def _named(structure: Structure, plans: dict[str, StepPlan]) -> dict[str, StepPlan]:
    """The plans with what each waits for by name: only that waits for the end of a monitor in the background."""
    stages = {s.id: s for s in structure.stages}
    found: dict[str, StepPlan] = {}
    for stage, step in _all(structure):
        waits = list(step.after) if step.needs is not None else []
        for name in stage.after if stage.needs is not None else ():
            waits += [s.id for s in stages[name].steps]
        found[step.id] = replace(plans[step.id], named=tuple(dict.fromkeys(waits)))
    return found


def _lanes(structure: Structure, typed: Mapping[str, Step]) -> dict[str, StepPlan]:
    lanes: dict[str, StepPlan] = {}
    lane: Lane
    for lane in ("before", "reconcile", "after"):
        for step in structure.rollback.get(lane, ()):
            lanes[step.id] = _step(step, typed.get(step.id), step.after, lane)
    return lanes


def _step(
    outline: StepOutline, typed: Step | None, needs: tuple[str, ...], lane: Lane, title: str | None = None
) -> StepPlan:
    each = typed.each if typed else {k: v for k, v in outline.each.items() if isinstance(v, list)}
    keys = keys_of(each)
    source: Any = typed or outline
    sign_off = _sign_off(typed, outline)
    return StepPlan(
        id=outline.id,
        stage=outline.stage,
        verb=outline.verb,
        title=title or (outline.title if "${{" not in outline.title else "") or words(outline.id),
        needs=needs,
        keys=tuple(keys) or ("",),
        each=keys,
        max_parallel=_number(source.max_parallel, 1),
        fail_fast=source.fail_fast is not False,
        skippable=tuple(source.skippable) if isinstance(source.skippable, (list, tuple)) else source.skippable is True,
        on_fail=source.on_fail,
        timeout=typed.timeout if typed else None,
        retries=_number(source.retries, 0),
        sign_off=sign_off,
        undo_after=outline.undo_after,
        guide=outline.guide,
        lane=lane,
    )


def _sign_off(typed: Step | None, outline: StepOutline) -> SignOffPlan | None:
    if typed is not None:
        found = typed.sign_off
        return SignOffPlan(roles=found.roles, not_starter=found.not_starter, expires=found.expires) if found else None
    roles = (outline.sign_off or {}).get("roles")
    return SignOffPlan(roles=roles) if isinstance(roles, dict) else None


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
