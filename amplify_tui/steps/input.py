"""input: a form that a person fills in; its values become the step's outputs."""

from __future__ import annotations

from typing import ClassVar

from amplify_tui.playbook.model import Base, Input, Ref
from amplify_tui.run.inputs import complaints
from amplify_tui.run.shapes import Await
from amplify_tui.steps.quiet import Quiet
from amplify_tui.steps.verb import Context, Finished, Preparation


class InputFields(Base, frozen=True):
    fields: dict[Ref, Input]


class AskInput(Quiet):
    name: ClassVar[str] = "input"
    Fields: ClassVar[type[InputFields]] = InputFields
    outputs: ClassVar[dict[str, str]] = {"*": "any"}

    async def prepare(self, fields: InputFields, ctx: Context) -> Preparation:
        lines = [f"{name}: {spec.help or spec.type}" for name, spec in fields.fields.items()]
        asked = Await(kind="input", detail=", ".join(fields.fields), fields=fields.fields)
        return Preparation(awaits=(asked,), preview="\n".join(lines))

    async def finish(self, fields: InputFields, ctx: Context) -> Finished:
        """Every field has a value, given or by default, of the declared type; else what is wrong with which."""
        given = ctx.step.answers
        values = {name: given.get(name, spec.default) for name, spec in fields.fields.items()}
        lacking = [name for name, value in values.items() if value is None]
        if lacking:
            return Finished(ok=False, reason=f"no value for {', '.join(lacking)}")
        wrong = complaints(fields.fields, values)
        if wrong:
            return Finished(ok=False, reason="; ".join(wrong))
        return Finished(ok=True, outputs=values)
