"""rollout: step by step onto the new path. Two kinds, a file each: a flag's percentage, or a service in waves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from amplify_tui.adapters.ports import Outcome, Probe
from amplify_tui.playbook.registry import CheckContext
from amplify_tui.run.shapes import UndoItem
from amplify_tui.run.state import EffectState, StepState
from amplify_tui.run.undo_asks import INSTANCE
from amplify_tui.run.undo_fleet import FLEET
from amplify_tui.steps import flag_undo, rollout_flag, rollout_fleet, rollout_service
from amplify_tui.steps.commands import stop
from amplify_tui.steps.flag_parts import look, write_now
from amplify_tui.steps.proofs import warn_of_proofs
from amplify_tui.steps.rollout_fields import RolloutFields
from amplify_tui.steps.verb import Context, Draft, Finished, Preparation, Task
from amplify_tui.verdict.model import Verdict


class Rollout:
    name: ClassVar[str] = "rollout"
    Fields: ClassVar[type[RolloutFields]] = RolloutFields
    outputs: ClassVar[dict[str, str]] = {"phase": "int", "percent": "number", "waves": "int"}

    def check(self, fields: Mapping[str, Any], ctx: CheckContext) -> None:
        """Which proofs its bakes cannot give."""
        warn_of_proofs(fields, ctx)

    async def prepare(self, fields: RolloutFields, ctx: Context) -> Preparation:
        return await (rollout_flag.prepare(fields, ctx) if fields.flag else rollout_service.prepare(fields, ctx))

    async def tasks(self, fields: RolloutFields, ctx: Context, phase: int) -> Sequence[Sequence[Task]]:
        return rollout_flag.tasks(fields, ctx, phase) if fields.flag else rollout_service.tasks(fields, ctx, phase)

    async def intend(self, task: Task, ctx: Context) -> Draft | None:
        if "do" in task.data:
            return await flag_undo.intend(task, ctx)
        if "item" in task.data:
            item: UndoItem = task.data["item"]
            return rollout_fleet.intend(item, ctx) if item.only_looks else await rollout_service.undoing(item, ctx)
        if task.data["fields"].flag:
            return await rollout_flag.intend(task, ctx)
        return await rollout_service.intend(task, ctx)

    async def act(self, draft: Draft, ctx: Context) -> Outcome:
        if draft.target.kind == FLEET:
            return await rollout_fleet.act(draft, ctx)
        if draft.target.kind != "flag":
            return await rollout_service.act(draft, ctx)
        return await (flag_undo.act(draft, ctx) if "do" in draft.data else write_now(draft, ctx))

    async def probe(self, effect: EffectState, ctx: Context) -> Probe:
        if effect.target.kind == FLEET:
            return rollout_fleet.probe()
        return await (look(effect, ctx) if effect.target.kind == "flag" else rollout_service.probe(effect, ctx))

    async def stop(self, effect: EffectState, ctx: Context) -> bool:
        return effect.target.kind == INSTANCE and await stop(ctx, rollout_service.slot_of(effect))

    async def finish(self, fields: RolloutFields, ctx: Context) -> Finished:
        """The conductor ends a rollout by its gate, with `watched`."""
        return Finished(ok=True, outputs=self.watched(ctx.step, ctx.step.verdict))

    def watched(self, step: StepState, verdict: Verdict | None) -> dict[str, Any]:
        """How far it came: the phase, and the percent of a flag or the waves of a service; the other one is null."""
        phase = step.phase_plan
        percent = phase.percent if phase is not None else None
        waves = step.phase + 1 if phase is not None and percent is None else None
        return {"phase": step.phase + 1, "percent": percent, "waves": waves}

    async def undo(self, item: UndoItem, ctx: Context) -> Task:
        if item.target.kind == "flag":
            return flag_undo.task_of(item)
        return Task(ordinal=item.id, data={"item": item}, label=item.says)
