"""What every effect on a flag shares: its target, how exposure is told, the write and its read-back, the probe.

| who | asks |
| --- | --- |
| flag.py, rollout_flag.py | target_of, draft_of, write_now, look |
| flag_undo.py | the same, with a plan made from the journaled before and after |

A flag's state is plain data (`FlagState.raw`): before, after and observed of an effect are whole states.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from amplify_tui.adapters.ports import (
    AdapterError,
    Done,
    FlagProvider,
    FlagState,
    FlagWrite,
    NotFound,
    Outcome,
    Probe,
    Unknown,
)
from amplify_tui.adapters.unleash_state import exposed, fingerprint, same
from amplify_tui.adapters.unleash_undo import differences
from amplify_tui.run.shapes import EXPOSURE_BAND, Exposure, Target, Undo
from amplify_tui.run.state import EffectState
from amplify_tui.steps.verb import Context, Draft, World

TIMEOUT: Final = 8.0


def flag_id(source: str, flag: str) -> str:
    """The id of a flag as a target, and its name in the run's exposure."""
    return f"{source}/{flag}"


def split_id(target: Target) -> tuple[str, str]:
    """Source and flag of a target; a flag's name may itself hold a slash, a source's cannot."""
    source, _, flag = target.id.partition("/")
    return source, flag


async def state_of(provider: FlagProvider, flag: str) -> FlagState:
    """The flag as it is now. Raises AdapterError."""
    found = await provider.read([flag])
    if flag not in found:
        raise NotFound(f"the flag server said nothing of {flag}")
    return found[flag]


def undo_of(source: str, write: FlagWrite) -> Undo:
    """How a write is taken back: to the state before, guarded against what others did meanwhile."""
    before = write.before
    if not before["exists"]:
        says = f"{write.key}: off again, and kept"
    elif exposed(before) > 0:
        says = f"{write.key}: back to {exposed(before):g} %"
    else:
        says = f"{write.key}: off"
    return Undo(
        band=EXPOSURE_BAND,
        verb="flag",
        spec={"source": source, "flag": write.key, "env": write.env},
        cls="guarded",
        says=says,
        by_hand=f"switch {write.key} off in {write.env} at the flag server",
    )


def draft_of(
    source: str, write: FlagWrite, shown: tuple[float, float] | None, says: str, ctx: Context, *, undo: bool = True
) -> Draft:
    """The intent of one write. shown: the percents before and after, where the effect changes who is exposed."""
    target = flag_id(source, write.key)
    return Draft(
        target=Target(kind="flag", id=target, env=write.env),
        before=write.before,
        after=write.after,
        timeout=ctx.plan.timeout or TIMEOUT,
        says=says,
        data={"source": source, "write": msgspec.to_builtins(write)},
        undo=undo_of(source, write) if undo else None,
        exposure=Exposure(flag=target, before=shown[0], after=shown[1]) if shown else None,
    )


async def write_now(draft: Draft, ctx: Context) -> Outcome:
    """Writes, and answers Done only with what the server says afterwards; a state already reached is not written."""
    write = msgspec.convert(draft.data["write"], FlagWrite)
    provider = ctx.world.flags(draft.data["source"])
    receipt: dict[str, Any] = {}
    if write.before != write.after:
        outcome = await provider.apply(write)
        if not isinstance(outcome, Done):
            return outcome
        receipt = outcome.receipt
    try:
        now = await state_of(provider, write.key)
    except AdapterError as silent:
        return Unknown(cause=f"written, and not read back: {silent}")
    if not same(now.raw, write.after):
        said = "; ".join(differences(write.after, now.raw)) or "it is not as written"
        return Unknown(cause=f"read back after the write: {said}")
    return Done(receipt=receipt | {"fingerprint": fingerprint(now.raw)}, observed=now.raw)


async def kill_now(source: str, flag: str, ctx: Context) -> Outcome:
    """Switches the flag off without knowing more of it than its name; Done with what it then is."""
    provider = ctx.world.flags(source)
    outcome = (await provider.kill([flag])).get(flag, Unknown(cause=f"the flag server said nothing of {flag}"))
    if not isinstance(outcome, Done):
        return outcome
    try:
        now = await state_of(provider, flag)
    except AdapterError as silent:
        return Unknown(cause=f"switched off, and not read back: {silent}")
    if exposed(now.raw) > 0:
        return Unknown(cause=f"switched off, and {flag} is at {exposed(now.raw):g} % all the same")
    return Done(receipt=outcome.receipt, observed=now.raw)


async def look(effect: EffectState, ctx: Context) -> Probe:
    """Whether the flag is as after or as before; else what differs, and who changed it."""
    return await compare(effect.target, effect.before, effect.after, effect.at, ctx.world)


async def compare(target: Target, before: Any, after: Any, since: float, world: World) -> Probe:
    source, flag = split_id(target)
    try:
        provider = world.flags(source)
        now = await state_of(provider, flag)
    except AdapterError as silent:
        return Probe(result="unreachable", detail=str(silent))
    if same(now.raw, after):
        return Probe(result="done", observed=now.raw)
    if same(now.raw, before):
        return Probe(result="absent", observed=now.raw, detail=f"{flag} is as it was before")
    said = "; ".join(differences(after, now.raw))
    return Probe(result="diverged", observed=now.raw, detail=said + await blame(provider, flag, since))


async def blame(provider: FlagProvider, flag: str, since: float) -> str:
    """Who changed the flag since then, to follow a sentence; "" where nobody can say."""
    try:
        changes = await provider.changes(flag, since)
    except AdapterError:  # the difference is known without it
        return ""
    who = ", ".join(dict.fromkeys(change.by for change in changes[:5]))
    return f" (changed by {who})" if who else ""
