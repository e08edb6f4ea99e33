"""confirm: a person says yes or no. The question is the preview; what is shown beside it is not judged."""

from __future__ import annotations

from typing import Any, ClassVar

from amplify_tui.playbook.model import Base, GateEntry
from amplify_tui.run.shapes import Await
from amplify_tui.steps.quiet import Quiet
from amplify_tui.steps.verb import Context, Finished, Preparation


class ConfirmFields(Base, frozen=True):
    ask: str
    accept: str = "Go"
    decline: str = "Stop"
    evidence: tuple[GateEntry, ...] = ()


class Confirm(Quiet):
    name: ClassVar[str] = "confirm"
    Fields: ClassVar[type[ConfirmFields]] = ConfirmFields
    outputs: ClassVar[dict[str, str]] = {"by": "string", "at": "number", "note": "string"}

    async def prepare(self, fields: ConfirmFields, ctx: Context) -> Preparation:
        preview = f"{fields.ask}\n{fields.accept} or {fields.decline}"
        asked = Await(kind="confirm", detail=fields.ask, accept=fields.accept, decline=fields.decline)
        return Preparation(awaits=(asked,), preview=preview)

    async def finish(self, fields: ConfirmFields, ctx: Context) -> Finished:
        """Ok only where the answer is a plain yes; anything else was no consent."""
        given: dict[str, Any] = ctx.step.answers
        if given.get("accept") is not True:
            return Finished(ok=False, reason=f"nobody said {fields.accept}")
        by = given.get("by") or _signer(ctx)
        outputs = {"by": by, "at": given.get("at") or ctx.now(), "note": str(given.get("note", ""))[:2000]}
        return Finished(ok=True, outputs=outputs)


def _signer(ctx: Context) -> str:
    """Who answered, where the answer does not say: the last who signed, else nobody we could name."""
    return ctx.step.signed[-1].actor if ctx.step.signed else ""
