"""A rollout of a flag: one strategy's percentage rises phase by phase, the environment comes on with the first.

Each phase is one effect. They collapse into one undo to the state at the start of the step (run/undo.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amplify_tui.adapters.ports import Conflict, FlagState, Invalid
from amplify_tui.adapters.unleash_plan import expose, the_rollout
from amplify_tui.adapters.unleash_state import percent, same
from amplify_tui.adapters.unleash_undo import differences
from amplify_tui.run.shapes import PhasePlan
from amplify_tui.steps.flag_parts import cut_off, draft_of, flag_id, state_of, who
from amplify_tui.steps.rollout_fields import RolloutFields, bakes, preview_of, watch_of
from amplify_tui.steps.verb import Context, Draft, Preparation, Task


async def prepare(fields: RolloutFields, ctx: Context) -> Preparation:
    """The watch and the preview. Raises AdapterError where the flag or its strategy is not there to be ramped."""
    source, flag = _named(fields)
    live = await state_of(ctx.world.flags(source), flag)
    write = expose(live, fields.phases[0], fields.strategy)
    baked = bakes(fields, len(fields.phases))
    phases = tuple(
        PhasePlan(target=f"{share:g} %", bake=bake, percent=share)
        for share, bake in zip(fields.phases, baked, strict=True)
    )
    watch = watch_of(fields, phases, ctx.world.playbook, fields.settle, flag=flag_id(source, flag))
    chosen = the_rollout(live, fields.strategy)
    what = f"{flag} in {write.env}, strategy {chosen.get('title') or chosen['name']}"
    reached = [expose(live, share, fields.strategy) for share in (fields.phases[0], fields.phases[-1])]
    lines = [
        f"at {share:g} %, {await who(ctx.world.flags(source), end)}"
        for share, end in zip((fields.phases[0], fields.phases[-1]), reached, strict=True)
    ]
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
    write = expose(live, task.data["share"], fields.strategy)
    ours = any(effect.target.id == id_ and same(effect.after, live.raw) for effect in ctx.done())
    if ours and same(live.raw, write.after):
        return None
    shown = _ramped(live, write.before, fields), _ramped(live, write.after, fields)
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
    if (ctx.step.n > 1 and not is_of_this_attempt) or same(left, live.raw):
        return ""
    return "; ".join(differences(left, live.raw))


def _ramped(live: FlagState, state: dict[str, Any], fields: RolloutFields) -> float:
    """The percent that the ramped strategy gives in *state*: the rollout's own number, whoever else has the flag."""
    if not state["enabled"]:
        return 0.0
    chosen = the_rollout(live, fields.strategy)
    found = next(
        (one for one in state["strategies"] if one is chosen or (one.get("id") and one.get("id") == chosen.get("id"))),
        None,
    )
    share = percent(found) if found is not None and not found.get("disabled") else 0.0
    return 100.0 if share is None else share


def _named(fields: RolloutFields) -> tuple[str, str]:
    if not fields.flag or not fields.source or not fields.phases:
        raise Invalid("a rollout of a flag names flag, source and phases")
    return fields.source, fields.flag
