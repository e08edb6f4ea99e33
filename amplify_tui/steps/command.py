"""command: runs a command of the team's own; its undo is a command too, or is written out as none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal

import msgspec
from msgspec import Struct

from amplify_tui.adapters.ports import Invalid, Outcome, Probe
from amplify_tui.playbook.model import Base
from amplify_tui.run.shapes import CODE_BAND, DATA_BAND, Target, Undo, UndoItem
from amplify_tui.run.state import EffectState
from amplify_tui.steps.commands import (
    MARGIN,
    PROBE_TIMEOUT,
    TIMEOUT,
    Argv,
    Work,
    ask,
    at_work,
    by_hand,
    left_off,
    perform,
    stop,
)
from amplify_tui.steps.verb import Context, Draft, Finished, Preparation, Task

MAX_OUTPUT: Final = 8 * 1024


class ExpectExit(Base, frozen=True):
    exit: tuple[int, ...] = (0,)


class CommandFields(Base, frozen=True):
    argv: tuple[str, ...] = ()
    shell: str | None = None
    cwd: str = "."
    env: dict[str, str] = msgspec.field(default_factory=dict)
    stdin: str | None = None
    output: Literal["text", "json"] = "text"
    expect: ExpectExit = ExpectExit()
    probe: Argv | None = None
    undo: Literal["none"] | Argv | None = None
    data: Literal["expand", "backfill", "contract"] | None = None
    on_rollback: Literal["term", "wait"] | None = None
    idempotent: bool = False
    allow_dash: bool = False


class Plan(Struct, frozen=True, kw_only=True):
    """The `after` of a command's effect: all that a probe by a later conductor needs."""

    work: Work
    probe: Work | None = None
    slot: str = ""
    repeatable: bool = False


class Command:
    name: ClassVar[str] = "command"
    Fields: ClassVar[type[CommandFields]] = CommandFields
    outputs: ClassVar[dict[str, str]] = {"exit": "int", "text": "string", "json": "any"}

    async def prepare(self, fields: CommandFields, ctx: Context) -> Preparation:
        work = _work(fields, ctx)
        undo = f"undo: {' '.join(fields.undo.argv)}" if isinstance(fields.undo, Argv) else "NOT UNDOABLE"
        data = [f"data: {fields.data}"] if fields.data else []
        return Preparation(preview="\n".join([f"runs {work.shown}", f"in {work.cwd}", *data, undo]))

    async def tasks(self, fields: CommandFields, ctx: Context, phase: int) -> Sequence[Sequence[Task]]:
        return [[Task(ordinal="0", data={"fields": fields}, label=_work(fields, ctx).shown)]]

    async def intend(self, task: Task, ctx: Context) -> Draft | None:
        if "item" in task.data:
            return _undoing(task.data["item"], ctx)
        fields: CommandFields = task.data["fields"]
        work = _work(fields, ctx)
        probe = _beside(fields.probe, fields, PROBE_TIMEOUT) if fields.probe else None
        plan = Plan(work=work, probe=probe, repeatable=fields.idempotent)
        return Draft(
            target=_target(ctx),
            before=None,
            after=msgspec.to_builtins(plan),
            timeout=work.timeout + MARGIN,
            says=f"runs {work.shown}",
            data={},
            undo=_undo(fields, ctx),
            on_rollback=fields.on_rollback or ("wait" if fields.data else "term"),
        )

    async def act(self, draft: Draft, ctx: Context) -> Outcome:
        plan = msgspec.convert(draft.after, Plan)
        return await perform(plan.work, ctx, slot=plan.slot, outputs=draft.data.get("outputs"))

    async def probe(self, effect: EffectState, ctx: Context) -> Probe:
        """By its record, where that proves anything; else by its own probe.

        Without a probe an undo, which is idempotent, is tried again, and all else waits for a person.
        """
        plan = msgspec.convert(effect.after, Plan)
        if running := at_work(ctx, plan.slot):
            return Probe(result="running", detail=running)
        if (known := left_off(plan.work, ctx, plan.slot)) is not None:
            return known
        if plan.probe is not None:
            said = await ask(plan.probe, ctx)
            if isinstance(said, str):
                return Probe(result="unreachable", detail=said)
            return Probe(result="done" if said else "absent", observed=said, detail=f"says {plan.probe.shown}")
        if plan.repeatable:
            return Probe(result="absent", detail="it is idempotent: it may be run again")
        return Probe(result="unreachable", detail="it has no probe: look, then settle it as done or absent")

    async def stop(self, effect: EffectState, ctx: Context) -> bool:
        return await stop(ctx, msgspec.convert(effect.after, Plan).slot)

    async def finish(self, fields: CommandFields, ctx: Context) -> Finished:
        done = ctx.done()
        receipt = done[-1].receipt if done else {}
        # Settled by a probe or a person: nobody here heard what it printed.
        if fields.output == "json" and "exit" in receipt and receipt.get("json") is None:
            return Finished(ok=False, reason="it printed no JSON", outputs={"exit": receipt.get("exit", 0)})
        outputs: dict[str, Any] = {"exit": receipt.get("exit", 0), "text": str(receipt.get("text", ""))[-MAX_OUTPUT:]}
        if fields.output == "json":
            outputs["json"] = receipt.get("json")
        return Finished(ok=True, outputs=outputs)

    async def undo(self, item: UndoItem, ctx: Context) -> Task:
        return Task(ordinal=item.id, data={"item": item}, label=item.says)


def _work(fields: CommandFields, ctx: Context) -> Work:
    if bool(fields.argv) == bool(fields.shell):
        raise Invalid("a command has either argv or shell", fix="argv: [program, argument]")
    return Work(
        argv=fields.argv,
        shell=fields.shell or "",  # nosec B604  # the playbook said `shell:`, and its values come by the environment
        cwd=fields.cwd,
        env=fields.env,
        stdin=fields.stdin,
        timeout=ctx.plan.timeout or TIMEOUT,
        exits=fields.expect.exit,
        parse=fields.output == "json",
    )


def _beside(command: Argv, fields: CommandFields, timeout: float) -> Work:
    """A probe or an undo: in the same place, with the same environment, and its own over it."""
    return Work(
        argv=command.argv, cwd=fields.cwd, env={**fields.env, **command.env}, timeout=command.timeout or timeout
    )


def _target(ctx: Context) -> Target:
    return Target(kind="command", id=str(ctx.step.ref), env=ctx.state.environment)


def _undo(fields: CommandFields, ctx: Context) -> Undo:
    band = DATA_BAND if fields.data else CODE_BAND
    spec: dict[str, Any] = {"data": fields.data} if fields.data else {}
    if not isinstance(fields.undo, Argv):
        why = f"{fields.data} stays" if fields.data else "declared as not undoable"
        return Undo(band=band, verb="command", spec=spec, cls="none", says=f"kept: {ctx.step.ref} ({why})")
    work = _beside(fields.undo, fields, ctx.plan.timeout or TIMEOUT)
    plan = Plan(work=work, slot="undo", repeatable=True)
    return Undo(
        band=band,
        verb="command",
        spec=spec | {"plan": msgspec.to_builtins(plan), "step": str(ctx.step.ref)},
        cls="manual",
        says=f"runs {work.shown}",
        by_hand=by_hand(work, ctx.world.repo_path),
    )


def _undoing(item: UndoItem, ctx: Context) -> Draft:
    """The undo, from journaled data; it knows what the command put out."""
    plan = msgspec.convert(item.spec["plan"], Plan)
    slot = f"undo-{item.spec['step']}"
    receipt: dict[str, Any] = item.spec.get("receipt") or {}
    return Draft(
        target=item.target,
        before=item.after,
        after=msgspec.to_builtins(msgspec.structs.replace(plan, slot=slot)),
        timeout=plan.work.timeout + MARGIN,
        says=item.says,
        data={"outputs": receipt},
    )
