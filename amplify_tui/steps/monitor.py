"""monitor: watches for a while after the release, with a gate of its own; judged by the conductor like a phase."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from amplify_tui.playbook.model import Base, Dur, GateEntry
from amplify_tui.run.forecast import begin_by, closing
from amplify_tui.run.shapes import PhasePlan, Watch
from amplify_tui.run.state import StepState
from amplify_tui.run.watching import outputs_of
from amplify_tui.steps.quiet import Quiet
from amplify_tui.steps.terms import terms
from amplify_tui.steps.verb import Context, Finished, Preparation
from amplify_tui.verdict.model import Verdict
from amplify_tui.verdict.words import duration


class MonitorFields(Base, frozen=True):
    gate: tuple[GateEntry, ...]
    for_: Dur = msgspec.field(name="for")
    on_fail: Literal["hold", "rollback", "ask"] = "ask"
    every: Dur | None = None
    background: bool = False


class Monitor(Quiet):
    name: ClassVar[str] = "monitor"
    Fields: ClassVar[type[MonitorFields]] = MonitorFields
    outputs: ClassVar[dict[str, str]] = {"verdict": "string", "summary": "string", "worst": "string"}

    async def prepare(self, fields: MonitorFields, ctx: Context) -> Preparation:
        gate = terms(fields.gate, ctx.world.playbook)
        lasting = duration(fields.for_)
        watch = Watch(
            phases=(PhasePlan(target=f"watched for {lasting}", bake=fields.for_),),
            gate=gate,
            max_wait=3 * fields.for_,
            on_fail=fields.on_fail,
            every=fields.every or 1.0,
            summed=True,
            background=fields.background,
        )
        preview = f"watches {', '.join(term.id for term in gate)} for {lasting}; on fail: {fields.on_fail}"
        preview += "; the steps after it go on meanwhile" if fields.background else ""
        # The moment by which, never the moment now: sign-offs are bound to the preview.
        closes = closing(ctx.state, ctx.now())
        preview += f"; {begin_by(fields.for_, closes)}" if closes is not None else ""
        return Preparation(preview=preview, watch=watch)

    async def finish(self, fields: MonitorFields, ctx: Context) -> Finished:
        """Ok where the last verdict was a pass; the conductor ends a monitor by its gate, with `watched`."""
        outputs = self.watched(ctx.step, ctx.step.verdict)
        passed = outputs["verdict"] == "pass"
        return Finished(ok=passed, reason="" if passed else outputs["summary"], outputs=outputs)

    def watched(self, step: StepState, verdict: Verdict | None) -> dict[str, Any]:
        """The verdict in a sentence, and the condition that came nearest to its limit in the whole time."""
        return outputs_of(step, verdict)
