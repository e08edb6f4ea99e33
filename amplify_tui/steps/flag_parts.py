"""What every effect on a flag shares: its target, how exposure is told, the write and its read-back, the probe.

| who | asks |
| --- | --- |
| flag.py, rollout_flag.py | flag_id, draft_of, write_now, look, cut_off |
| flag_undo.py | the same, with a plan made from the journaled before and after |

A flag's state is plain data (`FlagState.raw`): before, after and observed of an effect are whole states.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from amplify_tui.adapters.flags.port import ByHand, FlagKind, FlagRules, RestoresByHand
from amplify_tui.adapters.ports import (
    Absent,
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
from amplify_tui.playbook.model import Playbook
from amplify_tui.run.shapes import EXPOSURE_BAND, Exposure, Target, Undo
from amplify_tui.run.state import EffectState
from amplify_tui.steps.cohorts import signal_of
from amplify_tui.steps.verb import Context, Draft, World

TIMEOUT: Final = 8.0


def flag_id(source: str, flag: str) -> str:
    """The id of a flag as a target, and its name in the run's exposure."""
    return f"{source}/{flag}"


def split_id(target: Target) -> tuple[str, str]:
    """Source and flag of a target; a flag's name may itself hold a slash, a source's cannot."""
    source, _, flag = target.id.partition("/")
    return source, flag


def rules_of(ctx: Context, source: str) -> FlagRules:
    """What the flags of a source mean. Raises AdapterError where it serves none."""
    return ctx.world.flag_kind(source).rules


async def state_of(provider: FlagProvider, flag: str) -> FlagState:
    """The flag as it is now. Raises AdapterError."""
    found = await provider.read([flag])
    if flag not in found:
        raise NotFound(f"the flag server said nothing of {flag}")
    return found[flag]


def undo_of(kind: FlagKind, source: str, write: FlagWrite, by_hand: ByHand, playbook: Playbook) -> Undo:
    """How a write is taken back: to the state before, guarded against what others did meanwhile.

    Where nobody had it before and a signal counts who gets it, its requests have to be gone, too.
    """
    before, exposed = write.before, kind.rules.exposed(write.before)
    if not before["exists"]:
        says = f"{write.key}: off again, and kept"
    elif exposed > 0:
        says = f"{write.key}: back to {exposed:g} %"
    else:
        says = f"{write.key}: off"
    return Undo(
        band=EXPOSURE_BAND,
        verb="flag",
        spec={"source": source, "flag": write.key, "env": write.env} | _counted(source, write.key, exposed, playbook),
        cls="guarded",
        says=says,
        by_hand=by_hand.undo,
        proof=by_hand.proof,
    )


def _counted(source: str, flag: str, exposed_before: float, playbook: Playbook) -> dict[str, Any]:
    """What a verification needs to see that nobody gets the flag any more: the signal, and how long to wait for it."""
    signal = signal_of(playbook, source, flag) if exposed_before == 0 else None
    if signal is None:
        return {}
    return {
        "traffic": {"signal": signal, "poll": playbook.sources[source].poll, "window": playbook.signals[signal].window}
    }


def by_hand_of(kind: FlagKind, source: str, write: FlagWrite, world: World) -> ByHand:
    """How the write is taken back without us; off, where the flag's kind knows no more."""
    spec = world.playbook.sources[source]
    if isinstance(kind, RestoresByHand):
        return kind.restored_by_hand(spec, write, world.repo_path)
    return ByHand(undo=kind.by_hand(spec, write.key, write.env))


def draft_of(source: str, write: FlagWrite, shown: tuple[float, float] | None, says: str, ctx: Context) -> Draft:
    """The intent of one write. shown: the percents before and after, where the effect changes who is exposed.

    Where it goes on with an effect that was cut off, it has the same state before as that: its undo goes all the way.
    """
    target, kind = flag_id(source, write.key), ctx.world.flag_kind(source)
    cut = cut_off(target, write.before, ctx)
    planned = write if cut is None else msgspec.structs.replace(write, before=cut.before)
    return Draft(
        target=Target(kind="flag", id=target, env=write.env),
        before=planned.before,
        after=write.after,
        timeout=ctx.plan.timeout or TIMEOUT,
        says=says if cut is None else f"goes on with what {cut.id} began: {says}",
        data={"source": source, "write": msgspec.to_builtins(write)},
        undo=undo_of(kind, source, planned, by_hand_of(kind, source, planned, ctx.world), ctx.world.playbook),
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
    rules = rules_of(ctx, draft.data["source"])
    if not rules.same(now.raw, write.after):
        said = "; ".join(rules.differences(write.after, now.raw)) or "it is not as written"
        return Unknown(cause=f"read back after the write: {said}")
    return Done(receipt=receipt | {"fingerprint": rules.fingerprint(now.raw)}, observed=now.raw)


async def kill_now(source: str, flag: str, ctx: Context) -> Outcome:
    """Switches the flag off, of which only the name is known; Done is proven, also where it is gone.

    It is with what the flag then is where few were switched off with it, else without: it is read back a second later.
    """
    outcome = await ctx.world.kill(source, flag)
    if isinstance(outcome, Done):
        still = rules_of(ctx, source).exposed(outcome.observed) if outcome.observed else 0.0
        return Unknown(cause=f"switched off, and {flag} is at {still:g} % all the same") if still > 0 else outcome
    if not (isinstance(outcome, Absent) and outcome.error == "NotFound"):
        return outcome
    try:
        now = await state_of(ctx.world.flags(source), flag)
    except AdapterError as silent:
        return Unknown(cause=f"{flag} is said to be gone, and cannot be read: {silent}")
    return outcome if now.exists else Done(observed=now.raw)


async def look(effect: EffectState, ctx: Context) -> Probe:
    """Whether the flag is as after or as before; else what differs, and who changed it.

    What a cut-off write left on its way is absent too, where going on from it loses nothing: see `_may_go_on`.
    """
    source, flag = split_id(effect.target)
    try:
        provider, rules = ctx.world.flags(source), rules_of(ctx, source)
        now = await state_of(provider, flag)
        if rules.same(now.raw, effect.after):
            return Probe(result="done", observed=now.raw)
        if rules.same(now.raw, effect.before):
            return Probe(result="absent", observed=now.raw, detail=f"{flag} is as it was before")
        stage = _stage(rules, effect, now.raw)
        if stage and _may_go_on(effect, ctx) and await _is_of_one(provider, flag, effect.at):
            if ctx.now() < effect.deadline:  # a call that timed out may still land (unleash.md 1.6)
                return Probe(result="unreachable", detail=f"half done ({stage}): its last calls may still land")
            detail = f"half done: {flag} is {stage}, and nobody has it; what is missing can be added"
            return Probe(result="absent", observed=now.raw, detail=detail)
    except AdapterError as silent:
        return Probe(result="unreachable", detail=str(silent))
    said = "; ".join(rules.differences(effect.after, now.raw))
    return Probe(result="diverged", observed=now.raw, detail=said + await blame(provider, flag, effect.at))


def cut_off(id_: str, live: Any, ctx: Context) -> EffectState | None:
    """The step's effect that was cut off half way and left the flag exactly as it is; None where there is none."""
    tries = [effect for effect in ctx.state.effects_of(ctx.step) if effect.target.id == id_]
    last = tries[-1] if tries else None
    if last is None or last.status != "absent" or last.human:
        return None
    if not _stage(rules_of(ctx, split_id(last.target)[0]), last, live):
        return None
    return last


def _stage(rules: FlagRules, effect: EffectState, now: Any) -> str:
    """In words, which of its calls a cut-off write had made when it left the flag as it is, off; "" where none."""
    on_the_way = rules.half_done(effect.before, effect.after)
    if rules.exposed(now) > 0 or not any(rules.same(now, state) for state in on_the_way):
        return ""
    if effect.before["exists"]:
        return "changed in part, and off"
    return "created, with strategies, and not switched on" if now["strategies"] else "created, without a strategy"


def _may_go_on(effect: EffectState, ctx: Context) -> bool:
    """Whether "absent" loses nothing: what proved absent is not taken back by a rollback that comes before the retry.

    A flag that we made is left off by its undo anyway. A flag of before goes back to its exact strategies, so it is
    only gone on with where that happens at once. An undo is tried again until it is done.
    """
    if effect.undoes or not effect.before["exists"]:
        return True
    nobody_had_it = rules_of(ctx, split_id(effect.target)[0]).exposed(effect.before) == 0
    return nobody_had_it and ctx.state.phase == "forward" and not ctx.state.holds_on(effect.ref)


async def _is_of_one(provider: FlagProvider, flag: str, since: float) -> bool:
    """Whether one actor alone changed the flag since then: two are us and somebody else. Raises AdapterError."""
    return len({change.by for change in await provider.changes(flag, since)}) <= 1


async def blame(provider: FlagProvider, flag: str, since: float) -> str:
    """Who changed the flag since then, to follow a sentence; "" where nobody can say."""
    try:
        changes = await provider.changes(flag, since)
    except AdapterError:  # the difference is known without it
        return ""
    who = ", ".join(dict.fromkeys(change.by for change in changes[:5]))
    return f" (changed by {who})" if who else ""
