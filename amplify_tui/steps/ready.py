"""`verify: {rollback: ready}`: whether everything that is still to come could be taken back, proved before anybody is
exposed. The playbook is walked for its undos, the live world asked whether they could be carried out.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct

from amplify_tui.adapters.ports import AdapterError
from amplify_tui.playbook.model import Step
from amplify_tui.playbook.templates import has_expr
from amplify_tui.run.state import OVER
from amplify_tui.steps.http_call import READS
from amplify_tui.steps.instances import instances_of, seen
from amplify_tui.steps.verb import Context

Readiness = Literal["ready", "none", "missing"]
_UNDONE_BY_THEMSELVES: Final = frozenset({"flag", "tag", "notify"})

_NO_BRAKE: Final = {
    "halt_only": "exposure cannot be taken back there, only kept from growing",
    "no": "exposure cannot be taken back there",
}


class Item(Struct, frozen=True):
    """One step that will change something: how it can be taken back, and what stands in the way."""

    step: str
    state: Readiness
    says: str


async def walk(ctx: Context) -> list[Item]:
    """Every step still to come that has effects, in order, and a line for each live check that fails."""
    steps = [step for step in _later(ctx) if step.id != ctx.step.step]
    items = [item for step in steps if (item := _written(step)) is not None]
    return [*items, *[problem async for problem in _live(steps, ctx)]]


def summary(items: list[Item]) -> str:
    """`ready 7/9`: of those that can be taken back at all, how many could be now."""
    undoable = [item for item in items if item.state != "none"]
    ready = sum(item.state == "ready" for item in undoable)
    kept = len(items) - len(undoable)
    return f"ready {ready}/{len(undoable)}" + (f", {kept} declared as not undoable" if kept else "")


def _later(ctx: Context) -> Iterator[Step]:
    for stage in ctx.world.playbook.stages:
        for step in stage.steps:
            states = ctx.state.steps_of(step.id) if step.id in ctx.state.plan.steps else []
            if not states or any(state.status not in OVER for state in states):
                yield step


def _written(step: Step) -> Item | None:
    """What the playbook itself says of the step's undo; None where it has no effect."""
    fields: Mapping[str, Any] = step.fields if isinstance(step.fields, Mapping) else {}
    match step.verb:
        case "command":
            undo = fields.get("undo")
        case "http" if str(fields.get("method", "GET")) not in READS:
            undo = fields.get("undo")
        case "rollout":
            undo = "the percentage before" if fields.get("flag") else fields.get("revert")
        case "e2e":
            undo = fields.get("cleanup")
        case verb if verb in _UNDONE_BY_THEMSELVES:
            undo = "by itself"
        case _:
            return None
    if undo is None:
        return Item(step.id, "missing", "has no undo, and does not say that it has none")
    if undo == "none":
        return Item(step.id, "none", "declared as not undoable")
    return Item(step.id, "ready", "has an undo")


async def _live(steps: list[Step], ctx: Context) -> AsyncIterator[Item]:
    for step in steps:
        for words in _programs_gone(step, ctx.world.repo_path):
            yield Item(step.id, "missing", words)
    fields = [step.fields for step in steps if isinstance(step.fields, Mapping) and step.verb in ("flag", "rollout")]
    for source in dict.fromkeys(str(one["source"]) for one in fields if one.get("source")):
        for words in await _flag_problems(source, ctx):
            yield Item(source, "missing", words)
    services = list(dict.fromkeys(str(one["service"]) for one in fields if one.get("service")))
    if services:
        await ctx.world.refresh()
    for service in services:
        for unit in instances_of(service, ctx.world.playbook):
            now = seen(ctx.world, service, unit)
            if now.version is None:
                yield Item(service, "missing", f"{now.note}: the version to go back to is not known")
    if services and (words := await _previous(ctx)):
        yield Item("release.previous", "missing", words)


def _programs_gone(step: Step, repo: Path) -> Iterator[str]:
    """What takes the step back and cannot even be started here: found now, not while production burns."""
    fields: Mapping[str, Any] = step.fields if isinstance(step.fields, Mapping) else {}
    for name in ("undo", "revert", "cleanup"):
        command = fields.get(name)
        if not isinstance(command, Mapping) or not command.get("argv"):
            continue
        program = str(command["argv"][0])
        env = {**(fields.get("env") or {}), **(command.get("env") or {})}
        path, cwd = env.get("PATH"), str(fields.get("cwd", "."))
        if any(has_expr(one) for one in (program, cwd, str(path))):
            continue  # known only when its time comes
        if shutil.which(str(repo / cwd / program) if "/" in program else program, path=path) is None:
            yield f"is taken back by {program}, which is not there, or no program"


async def _flag_problems(source: str, ctx: Context) -> list[str]:
    """Why a flag of this source could not be switched off now; warnings are none."""
    abilities = ctx.world.flag_kind(source).abilities
    if abilities.approval:
        return ["each of its writes needs somebody's approval: a brake that waits for one is none"]
    if abilities.lower in _NO_BRAKE:
        return [_NO_BRAKE[abilities.lower]]
    try:
        problems = await ctx.world.flags(source).check()
    except AdapterError as error:
        return [str(error)]
    return [f"{problem.what} ({problem.fix})" if problem.fix else problem.what for problem in problems
            if problem.severity == "error"]  # fmt: skip


async def _previous(ctx: Context) -> str:
    """Why the release before could not be deployed again, as far as git can tell; a first release has none."""
    subject = ctx.state.subject
    if subject is None or not subject.previous_tag:
        return ""
    try:
        found = await ctx.world.git().local_tag(subject.previous_tag)
    except AdapterError as error:
        return str(error)
    return "" if found else f"the tag {subject.previous_tag} of the release before is gone"
