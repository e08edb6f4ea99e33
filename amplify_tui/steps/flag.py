"""flag: makes a feature flag what the playbook says: creates it, switches it, replaces or changes its strategies.

One effect a step: the whole state before and the whole state wanted. The provider orders the calls inside it so that
nobody is exposed on the way. Its undo is flag_undo.py's, for the percentages of a rollout as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import msgspec

from amplify_tui.adapters.flags.port import ContextField, FlagRules, FlagSpec, StrategyChange, StrategySpec
from amplify_tui.adapters.ports import Conflict, FlagState, FlagWrite, Invalid, Outcome, Probe
from amplify_tui.playbook.model import Base, Name
from amplify_tui.run.shapes import UndoItem
from amplify_tui.run.state import EffectState
from amplify_tui.run.undo import is_verification
from amplify_tui.steps import flag_undo
from amplify_tui.steps.flag_audience import above, shares_of_variants, who
from amplify_tui.steps.flag_parts import cut_off, draft_of, flag_id, look, rules_of, state_of, write_now
from amplify_tui.steps.verb import Context, Draft, Finished, Preparation, Task


class FlagFields(Base, frozen=True):
    name: str
    source: Name
    enabled: bool | None = None
    strategies: tuple[StrategySpec, ...] | None = None
    add: tuple[StrategySpec, ...] = ()
    change: tuple[StrategyChange, ...] = ()
    remove: tuple[str, ...] = ()
    create: Literal["release", "experiment", "operational", "kill-switch", "permission"] | None = None
    reuse: Literal["refuse", "if_off", "allow"] = "refuse"
    description: str | None = None
    tags: tuple[str, ...] = ()
    impression_data: bool | None = None
    archive: bool = False
    project: str | None = None
    context: tuple[ContextField, ...] = ()


class Flag:
    name: ClassVar[str] = "flag"
    Fields: ClassVar[type[FlagFields]] = FlagFields
    outputs: ClassVar[dict[str, str]] = {"before": "map", "after": "map", "revision": "string"}

    async def prepare(self, fields: FlagFields, ctx: Context) -> Preparation:
        """The preview is what would change, from the live flag."""
        live = await _live(fields, ctx)
        await _refuse_in_use(fields, live, ctx)
        write = _planned(fields, live, ctx)
        rules = rules_of(ctx, fields.source)
        lines = [_says(rules, write, "\n")]
        lines += shares_of_variants(write.after)
        if not rules.same(write.before, write.after):
            lines.append(await who(fields.source, write, ctx))
        if rules.exposed(write.after) > 0:
            lines += await above(ctx.world.flags(fields.source), live)
        return Preparation(preview="\n".join(lines))

    async def tasks(self, fields: FlagFields, ctx: Context, phase: int) -> Sequence[Sequence[Task]]:
        return [[Task(ordinal="0", data={"fields": fields}, label=fields.name)]]

    async def intend(self, task: Task, ctx: Context) -> Draft | None:
        """None only where our own effect made the flag what it is; an equal flag of others is taken as it is."""
        if "do" in task.data:
            return await flag_undo.intend(task, ctx)
        fields: FlagFields = task.data["fields"]
        live = await _live(fields, ctx)
        await _refuse_in_use(fields, live, ctx)
        write = _planned(fields, live, ctx)
        rules = rules_of(ctx, fields.source)
        id_ = flag_id(fields.source, fields.name)
        ours = any(effect.target.id == id_ and rules.same(effect.after, live.raw) for effect in ctx.done())
        if ours and rules.same(live.raw, write.after):
            return None
        percents = rules.exposed(write.before), rules.exposed(write.after)
        # A write that changes who is exposed but not how many must not look like one that only lowers.
        shown = percents if percents[0] != percents[1] and not (write.widens and percents[1] < percents[0]) else None
        return draft_of(fields.source, write, shown, _says(rules, write, "; "), ctx)

    async def act(self, draft: Draft, ctx: Context) -> Outcome:
        return await (flag_undo.act(draft, ctx) if "do" in draft.data else write_now(draft, ctx))

    async def probe(self, effect: EffectState, ctx: Context) -> Probe:
        return await (flag_undo.stays(effect, ctx) if is_verification(effect) else look(effect, ctx))

    async def finish(self, fields: FlagFields, ctx: Context) -> Finished:
        rules, done = rules_of(ctx, fields.source), ctx.done()
        last = done[-1] if done else None
        after = (last.observed or last.after) if last else (await _live(fields, ctx)).raw
        outputs = {
            "before": _told(rules, last.before if last else after),
            "after": _told(rules, after),
            "revision": str(last.receipt.get("fingerprint", "")) if last else "",
        }
        return Finished(ok=True, outputs=outputs)

    async def undo(self, item: UndoItem, ctx: Context) -> Task:
        return flag_undo.task_of(item)


async def _live(fields: FlagFields, ctx: Context) -> FlagState:
    return await state_of(ctx.world.flags(fields.source), fields.name)


async def _refuse_in_use(fields: FlagFields, live: FlagState, ctx: Context) -> None:
    """Raises Conflict where a flag is to be archived that applications still ask for: they would get their default."""
    if not fields.archive or not live.exists:
        return
    if not ctx.world.flag_kind(fields.source).abilities.usage:
        fix = "take it out by hand once the released code no longer has it"
        raise Conflict(f"{fields.source} cannot tell whether {fields.name} is still asked for", fix=fix)
    found = [use for use in await ctx.world.flags(fields.source).uses(fields.name) if use.yes + use.no]
    if found:
        apps = ", ".join(dict.fromkeys(use.app for use in found))
        times = sum(use.yes + use.no for use in found)
        raise Conflict(
            f"{fields.name} is still asked for: {times:,} times in the last two hours, by {apps}",
            fix="release the code without it first; counts of SDKs are hourly, so retry after two hours without any",
        )


def _planned(fields: FlagFields, live: FlagState, ctx: Context) -> FlagWrite:
    """The change from what is there. Raises AdapterError: not there, taken, or in another project."""
    source = ctx.world.playbook.sources.get(fields.source)
    if fields.project is not None and source is not None and fields.project != source.project:
        raise Invalid(
            f"{fields.name} is asked for in the project {fields.project}, and {fields.source} is of {source.project}",
            fix="write a source of its own for that project",
        )
    spec = FlagSpec(
        **{name: getattr(fields, name) for name in FlagSpec.__struct_fields__ if name not in ("create", "reuse")},
        create=fields.create,
        # What this very run made before (a retry, a crash half way) is no stranger's.
        reuse="allow" if _made_by_us(fields, live, ctx) else fields.reuse,
    )
    return rules_of(ctx, fields.source).plan(live, spec)


def _made_by_us(fields: FlagFields, live: FlagState, ctx: Context) -> bool:
    id_ = flag_id(fields.source, fields.name)
    cut = cut_off(id_, live.raw, ctx)
    return (cut is not None and not cut.before["exists"]) or any(
        effect.target.id == id_ and not effect.undoes and not effect.before["exists"] and effect.status != "absent"
        for effect in ctx.state.effects.values()
        if effect.target.kind == "flag"
    )


def _says(rules: FlagRules, write: FlagWrite, between: str) -> str:
    lines = [f"makes sure of the context field {one['name']}" for one in write.after.get("context", ())]
    lines += [] if write.before["exists"] else [f"creates {write.key}"]
    if not write.after["exists"]:
        lines.append(f"archives {write.key}")
    elif not rules.same(write.before, write.after):
        lines += _changes(rules, write)
    return between.join(lines) or f"{write.key} stays as it is"


def _changes(rules: FlagRules, write: FlagWrite) -> list[str]:
    """What the write makes of the flag, a line each: the switch, then every strategy that is not as before."""
    is_on = write.after["enabled"]
    lines = [f"{write.key} {'on' if is_on else 'off'} in {write.env}"]
    if write.before["enabled"] and not is_on and _acts(write.before) and not _acts(write.after):
        lines[0] += ": its last active strategy goes, and the flag server switches off with it"
    changed = rules.differences(write.before, write.after)
    lines += [line.split(", expected")[0] for line in changed if "strategy" in line]
    before, after = rules.exposed(write.before), rules.exposed(write.after)
    lines.append(f"exposure {before:g} % to {after:g} %" if before != after else f"exposure stays {after:g} %")
    return lines


def _acts(state: Any) -> bool:
    """Whether any strategy of the state is active."""
    return any(not one.get("disabled") for one in state["strategies"])


def _told(rules: FlagRules, state: Any) -> dict[str, Any]:
    """A state short enough for an output: no server ids."""
    kept = {name: value for name, value in state.items() if name in ("exists", "enabled", "type")}
    plain = msgspec.to_builtins(state.get("strategies", []))
    return kept | {"percent": rules.exposed(state), "strategies": [one.get("title") or one["name"] for one in plain]}
