"""wait: lets time pass, for as long as written or until a moment. It counts from when the step's turn came."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import Invalid
from amplify_tui.playbook.model import Base, Dur
from amplify_tui.run.shapes import Await
from amplify_tui.steps.quiet import Quiet
from amplify_tui.steps.verb import Context, Finished, Preparation
from amplify_tui.verdict.words import duration


class WaitFields(Base, frozen=True):
    reason: str
    for_: Dur | None = msgspec.field(name="for", default=None)
    until: str | None = None


class Wait(Quiet):
    name: ClassVar[str] = "wait"
    Fields: ClassVar[type[WaitFields]] = WaitFields
    outputs: ClassVar[dict[str, str]] = {"waited": "number"}

    async def prepare(self, fields: WaitFields, ctx: Context) -> Preparation:
        began = turn_of(ctx)
        ends = _ends(fields, began)
        preview = f"waits {duration(fields.for_)}" if fields.for_ is not None else f"waits until {fields.until}"
        preview += f": {fields.reason}"
        if ctx.now() >= ends:
            return Preparation(preview=preview)
        return Preparation(awaits=(Await(kind="window", detail=fields.reason, opens_at=ends),), preview=preview)

    async def finish(self, fields: WaitFields, ctx: Context) -> Finished:
        return Finished(ok=True, outputs={"waited": max(0.0, ctx.now() - turn_of(ctx))})


def turn_of(ctx: Context) -> float:
    """When the step's turn came: the end of the last step it needs, else the start of the run.

    Read from the journal, not remembered: a conductor that takes over waits for the same moment.
    """
    needs = [other for need in ctx.plan.needs if need in ctx.state.plan.steps for other in _of(need, ctx)]
    ended = [moment for moment in needs if moment is not None]
    return max(ended, default=ctx.state.started_at or ctx.state.created_at)


def _of(step: str, ctx: Context) -> list[float | None]:
    return [other.ended_at for other in ctx.state.steps_of(step)]


def _ends(fields: WaitFields, began: float) -> float:
    if (fields.for_ is None) == (fields.until is None):
        raise Invalid("a wait has either `for` or `until`", where="wait", fix="write one of the two")
    if fields.for_ is not None:
        return began + fields.for_
    text = fields.until or ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{clean(text, 40)!r} is no moment", where="wait.until", fix="like 2030-01-31T22:30Z") from None
    if moment.tzinfo is None:
        raise Invalid(f"{clean(text, 40)!r} has no time zone", where="wait.until", fix="end it with Z or +01:00")
    return moment.timestamp()
