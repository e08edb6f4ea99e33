"""A rollout of a flag: one strategy's percentage rises phase by phase, the environment comes on with the first.

Each phase is one effect. They collapse into one undo to the state at the start of the step (run/undo.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from amplify_tui.adapters.flags.port import ROLLOUT, Expose
from amplify_tui.adapters.ports import Conflict, FlagState, FlagWrite, Invalid
from amplify_tui.run.shapes import PhasePlan
from amplify_tui.steps.flag_audience import above, together, who
from amplify_tui.steps.flag_parts import cut_off, draft_of, flag_id, rules_of, state_of
from amplify_tui.steps.rollout_fields import RolloutFields, bakes, preview_of, watch_of
from amplify_tui.steps.verb import Context, Draft, Preparation, Task


async def prepare(fields: RolloutFields, ctx: Context) -> Preparation:
    """The watch and the preview. Raises AdapterError where the flag or its strategy is not there to be ramped."""
    source, flag = _named(fields)
    live = await state_of(ctx.world.flags(source), flag)
    ends = [_exposed(fields, live, share, ctx) for share in (fields.phases[0], fields.phases[-1])]
    baked = bakes(fields, len(fields.phases))
    phases = tuple(
        PhasePlan(target=f"{share:g} %", bake=bake, percent=share)
        for share, bake in zip(fields.phases, baked, strict=True)
    )
    watch = watch_of(fields, phases, ctx.world.playbook, fields.settle, flag=flag_id(source, flag))
    what = f"{flag} in {live.env}, strategy {_named_strategy(live, fields)}"
    lines = [
        f"at {share:g} %, {await who(source, end, ctx)}"
        for share, end in zip((fields.phases[0], fields.phases[-1]), ends, strict=True)
    ]
    lines += await together(fields, live, ctx)
    lines += await above(ctx.world.flags(source), live)
    return Preparation(preview="\n".join([preview_of(watch, what), *dict.fromkeys(lines)]), watch=watch)


def tasks(fields: RolloutFields, ctx: Context, phase: int) -> Sequence[Sequence[Task]]:
    """One task: the phase's percentage. A ramp that started over has ordinals of its own."""
    share = fields.phases[phase]
    data = {"fields": fields, "share": share}
    return [[Task(ordinal=f"{ctx.step.ramp}.{phase}", data=data, label=f"{fields.flag} at {share:g} %")]]


async def intend(task: Task, ctx: Context) -> Draft | None:
    """Strategy at N %, then the environment on. None where our own effect left exactly that.

    Raises Conflict where somebody else changed the flag since: a brake that somebody pulled is not released here.
    """
    fields: RolloutFields = task.data["fields"]
    source, flag = _named(fields)
    live = await state_of(ctx.world.flags(source), flag)
    id_ = flag_id(source, flag)
    if changed := _changed_since(ctx, id_, live):
        fix = "ask who changed it; a retry goes on from how it is now"
        raise Conflict(f"{flag} is not as we left it: {changed}", fix=fix)
    rules, write = rules_of(ctx, source), _exposed(fields, live, task.data["share"], ctx)
    ours = any(effect.target.id == id_ and rules.same(effect.after, live.raw) for effect in ctx.done())
    if ours and rules.same(live.raw, write.after):
        return None
    before, after = (rules.ramped(live, raw, fields.strategy) for raw in (write.before, write.after))
    shown = before, after
    says = f"{flag} from {shown[0]:g} % to {shown[1]:g} %"
    return draft_of(source, write, shown, says, ctx)


def _changed_since(ctx: Context, id_: str, live: FlagState) -> str:
    """How the flag differs from what this run's last effect on it left; "" where it does not.

    A new attempt that a person asked for starts from what is there: they have read what the last one said. So does one
    that goes on with an effect of ours that was cut off.
    """
    if cut_off(id_, live.raw, ctx) is not None:
        return ""
    mine = [e for e in ctx.state.effects.values() if (e.target.kind, e.target.id, e.status) == ("flag", id_, "done")]
    if not mine:
        return ""
    last = max(mine, key=lambda effect: effect.seq)
    is_of_this_attempt = (last.ref, last.n) == (ctx.step.ref, ctx.step.n)
    left = last.observed if isinstance(last.observed, dict) else last.after
    rules = rules_of(ctx, id_.partition("/")[0])
    if (ctx.step.n > 1 and not is_of_this_attempt) or rules.same(left, live.raw):
        return ""
    return "; ".join(rules.differences(left, live.raw))


def _exposed(fields: RolloutFields, live: FlagState, share: float, ctx: Context) -> FlagWrite:
    return rules_of(ctx, _named(fields)[0]).plan(live, Expose(percent=share, strategy=fields.strategy))


def _named_strategy(live: FlagState, fields: RolloutFields) -> str:
    rollouts = (one.title or one.name for one in live.strategies if one.name == ROLLOUT)
    return fields.strategy or next(rollouts, "")


def _named(fields: RolloutFields) -> tuple[str, str]:
    if not fields.flag or not fields.source or not fields.phases:
        raise Invalid("a rollout of a flag names flag, source and phases")
    return fields.source, fields.flag
