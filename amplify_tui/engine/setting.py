"""What stands around a step when its verb is asked: the names its expressions may use, its fields, its context.

All of it is computed from the state of this moment and the resolved playbook; nothing here is decided or done.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from amplify_tui.adapters.ports import NotFound
from amplify_tui.engine.facts import Facts
from amplify_tui.engine.scribe import Scribe
from amplify_tui.playbook.context import Context as Names
from amplify_tui.playbook.model import Step
from amplify_tui.playbook.resolve import resolve_fields, resolve_value
from amplify_tui.run.exposure import exposed_span
from amplify_tui.run.shapes import StepPlan
from amplify_tui.run.state import EffectState, State, StepState
from amplify_tui.steps.registry import specs, verb
from amplify_tui.steps.verb import Context, Preparation, World


class Setting:
    """The surroundings of every step of one run."""

    def __init__(self, scribe: Scribe, facts: Facts, world: World, say: Callable[[str, str], None]) -> None:
        self._scribe = scribe
        self._facts = facts
        self.world = world
        self._say = say
        self._steps = {s.id: s for stage in facts.playbook.stages for s in stage.steps}
        back = facts.playbook.rollback
        self._steps |= {s.id: s for s in (*back.before, *back.reconcile, *back.after)}
        self._fields: dict[tuple[str, str, int], Any] = {}

    @property
    def _state(self) -> State:
        return self._scribe.state

    @property
    def bundle(self) -> str:
        """The hash of the playbook's text that all of this was read from."""
        return self._facts.bundle

    def names(self, step: StepState | None) -> dict[str, Any]:
        """What expressions of this step may use, as of now."""
        state = self._state
        names = dict(self._facts.names)
        names["run"] = {"id": state.run, "mode": state.mode, "actor": state.starter, "started_at": state.started_at}
        names["steps"] = _steps_names(state)
        names["services"] = {n: v | {"version": self._uniform(n)} for n, v in names.get("services", {}).items()}
        if step is not None:
            names["each"] = state.plan_of(step).each.get(step.key, {})
        span = dict(zip(("exposed_from", "exposed_until"), map(_utc, exposed_span(state)), strict=True))
        scope = "full" if state.rollback_at else "exposure"
        names["rollback"] = {"reason": state.rollback_reason, "scope": scope, **span}
        return names

    def _uniform(self, service: str) -> str | None:
        versions = set(self._state.baseline.get(service, {}).values())
        return versions.pop() if len(versions) == 1 else None

    def context(self, step: StepState, effect: str = "") -> Context:
        """What a verb gets to know."""
        return self.of_plan(self._state.plan_of(step), step, effect)

    def of_plan(self, plan: StepPlan, step: StepState, effect: str = "") -> Context:
        """The same for what is no step of the plan: an undo, an integrity check."""
        ref = step.ref
        return Context(
            world=self.world,
            state=self._state,
            plan=plan,
            step=step,
            names=self.names(step if step.step in self._state.plan.steps else None),
            now=self._scribe.now,
            log=lambda line: self._say(ref, line),
            effect=effect,
        )

    def of_undo(self, effect: EffectState) -> Context:
        """The same for an effect that takes another one back."""
        plan = StepPlan(id=effect.step, stage="rollback", verb=effect.verb)
        return self.of_plan(plan, StepState(step=effect.step, key=effect.key), effect.id)

    def fields(self, step: StepState, *, fresh: bool = False) -> Any:
        """The verb's typed fields, resolved once an attempt, and anew where *fresh* is wanted. Raises Unresolved."""
        cached = None if fresh else self._fields.get((step.step, step.key, step.n))
        if cached is None:
            cached = resolve_fields(
                self._facts.document, self.typed(step), Names(self.names(step), self._scribe.now()), specs()
            )
            self._fields[step.step, step.key, step.n] = cached
        return cached

    def typed(self, step: StepState) -> Step:
        """The step as the playbook has it."""
        return self._steps[step.step]

    async def preview(self, step: StepState, fields: Any) -> Preparation:
        """The verb's preview. A dry run made no flag, so a later step of it may find none and is previewed in words."""
        try:
            return await verb(self.typed(step).verb).prepare(fields, self.context(step))
        except NotFound as missing:
            flag = getattr(fields, "flag", None) or getattr(fields, "name", None)
            steps = (s for s in self._steps.values() if s.verb == "flag" and "create" in s.fields)
            if self._state.mode != "dry" or flag is None or flag not in {s.fields.get("name") for s in steps}:
                raise
            return Preparation(preview=f"{missing.what} yet: an earlier step makes it, and a dry run makes nothing")

    def holds(self, step: StepState) -> bool:
        """Whether its condition and its stage's are true now. Raises Unresolved."""
        plan = self._state.plan_of(step)
        stage = next((s for s in self._facts.playbook.stages if s.id == plan.stage), None)
        conditions = [stage.when if stage else True, self.typed(step).when]
        names = Names(self.names(step), self._scribe.now())
        values = [resolve_value(w, names) if isinstance(w, str) else w for w in conditions]
        return all(value is True for value in values)


def _utc(at: float | None) -> str:
    """A moment as ISO 8601 in UTC; "" for none."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _steps_names(state: State) -> dict[str, Any]:
    """Each step as others may name it, or its instances by key; asked for with every effect, so in one pass."""
    found: dict[str, dict[str, Any]] = {name: {} for name in state.plan.steps}
    for step in state.steps.values():
        found[step.step][step.key] = _public(step)
    return {name: keys[""] if list(keys) == [""] else keys for name, keys in found.items()}


def _public(step: StepState) -> dict[str, Any]:
    return {
        "status": step.status,
        "skipped": step.status == "skipped",
        "outputs": step.outputs if step.status == "succeeded" else None,
    }
