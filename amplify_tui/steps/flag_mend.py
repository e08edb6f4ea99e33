"""Making a flag ours again that somebody else changed, after a person chose so: our last after-image, once more.

It is written only on the very state that the person was shown. What changed since is another question.
"""

from __future__ import annotations

import msgspec

from amplify_tui.adapters.ports import Conflict, FlagWrite
from amplify_tui.run.drift import image
from amplify_tui.run.shapes import Drift, Exposure
from amplify_tui.steps.flag_parts import TIMEOUT, rules_of, split_id, state_of
from amplify_tui.steps.verb import Context, Draft, Task


async def intend(task: Task, ctx: Context) -> Draft:
    """The intent: from what is there to what our last effect left. Raises AdapterError, Conflict where it moved on."""
    drift: Drift = task.data["drift"]
    ours = ctx.state.effects[drift.effect]
    source, flag = split_id(ours.target)
    rules, now = rules_of(ctx, source), await state_of(ctx.world.flags(source), flag)
    left = image(ours)
    if not rules.same(now.raw, drift.observed) and not rules.same(now.raw, left):
        raise Conflict(f"{flag} was changed once more", fix="look at what it is now, and choose again")
    plan = rules.undo(left, now.raw, now)
    write = plan if isinstance(plan, FlagWrite) else None
    after = write.after if write else now.raw
    return Draft(
        target=ours.target,
        before=now.raw,
        after=after,
        timeout=TIMEOUT,
        says=f"{flag} as we left it, from {rules.exposed(now.raw):g} % to {rules.exposed(after):g} %",
        data={"do": "mend", "source": source, "flag": flag, "write": msgspec.to_builtins(write) if write else None},
        undo=ours.undo,
        exposure=Exposure(flag=drift.flag, before=rules.exposed(now.raw), after=rules.exposed(after)),
    )
