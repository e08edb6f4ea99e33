"""Taking a flag back, and reading it back: from journaled data alone, guarded against what others did (states.md 6.3).

| the flag now is | in a rollback | in a mitigation |
| --- | --- | --- |
| as we left it | the exact state before | off where it was off before, else the state before |
| as it was before | nothing to write | nothing to write |
| neither | what is ours taken back; off where it was off before | the same, where that lowers exposure |

A mitigation does not even look first where the flag was off before: off is one call, and right whatever it is now.

A person's decision (restore, ours, kill) goes before the table. An automatic act never exposes more users than before
it acted: a plan that would is not carried out in a mitigation.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from msgspec import Struct

from amplify_tui.adapters.flags.port import Already, Diverged, FlagRules, Off
from amplify_tui.adapters.ports import (
    Absent,
    AdapterError,
    Done,
    FlagProvider,
    FlagState,
    FlagWrite,
    Outcome,
    Probe,
    Unreachable,
)
from amplify_tui.run.shapes import Exposure, UndoItem
from amplify_tui.run.state import EffectState
from amplify_tui.steps import flag_mend
from amplify_tui.steps.flag_parts import TIMEOUT, blame, kill_now, rules_of, split_id, state_of, write_now
from amplify_tui.steps.verb import Context, Draft, Task

VERIFY_AFTER: Final = 1.0  # a write that timed out may still land after ours (unleash.md 1.6)
READ_WITHIN: Final = 2.0
_LOOKS: Final = 3


class Plan(Struct, frozen=True):
    """What an undo would write. `write` None: nothing. `says` is for the journal."""

    write: FlagWrite | None
    says: str


def task_of(item: UndoItem) -> Task:
    """The task of an undo item: to take back, or to verify that it stays taken back."""
    do = "verify" if item.spec.get("verify") else "undo"
    return Task(ordinal=item.id, data={"do": do, "item": item}, label=item.says)


async def intend(task: Task, ctx: Context) -> Draft:
    """The intent of an undo, planned on the flag as it is at this moment.

    Never raises for a flag server that is down: the try is journaled, so that it is tried again once it is back.
    """
    if task.data["do"] == "mend":
        return await flag_mend.intend(task, ctx)
    item: UndoItem = task.data["item"]
    data = {"do": task.data["do"], "source": item.spec["source"], "flag": item.spec["flag"], "item": item}
    if data["do"] == "undo" and ctx.state.phase == "forward" and _was_off(item, ctx):
        return _kill(item, data, f"{data['flag']} off", ctx)
    if data["do"] == "verify" and not ctx.state.tries_of(item.id):
        return _first_look(item, data, ctx)
    try:
        provider = ctx.world.flags(data["source"])
        now = await _read_soon(provider, data["flag"])
        plan = Plan(None, f"{now.key} is read back")
        if data["do"] == "undo":
            plan = await _plan(item, now, provider, ctx)
    except AdapterError as silent:
        return _blind(item, data, silent, ctx)
    after = plan.write.after if plan.write else now.raw
    rules = rules_of(ctx, data["source"])
    return Draft(
        target=item.target,
        before=now.raw,
        after=after,
        timeout=TIMEOUT * (_LOOKS if data["do"] == "verify" else 1),
        says=plan.says,
        data=data | {"write": msgspec.to_builtins(plan.write) if plan.write else None},
        exposure=Exposure(flag=item.target.id, before=rules.exposed(now.raw), after=rules.exposed(after)),
    )


async def _read_soon(provider: FlagProvider, flag: str) -> FlagState:
    """The flag, or Unreachable after two seconds: who is exposed waits for nobody's read, an unread kill is one too."""
    try:
        async with asyncio.timeout(READ_WITHIN):
            return await state_of(provider, flag)
    except TimeoutError:
        raise Unreachable(f"no answer within {READ_WITHIN:g} s") from None


def _was_off(item: UndoItem, ctx: Context) -> bool:
    return rules_of(ctx, item.spec["source"]).exposed(item.before) == 0.0


def _kill(item: UndoItem, data: dict[str, Any], says: str, ctx: Context) -> Draft:
    """The intent of switching off what is not looked at first: from what we left to the same, off."""
    exposed = rules_of(ctx, data["source"]).exposed(item.after)
    return Draft(
        target=item.target,
        before=item.after,
        after={**item.after, "enabled": False},
        timeout=TIMEOUT,
        says=says,
        data=data | {"do": "kill"},
        exposure=Exposure(flag=item.target.id, before=exposed, after=0.0),
    )


def _first_look(item: UndoItem, data: dict[str, Any], ctx: Context) -> Draft:
    """The intent of the first verification: what it verifies ended just now, and its own look comes a second later."""
    known = ctx.state.exposure.get(item.target.id, 0.0)
    return Draft(
        target=item.target,
        before=item.after,
        after=item.before,
        timeout=TIMEOUT * _LOOKS,
        says=f"{data['flag']} is read back",
        data=data,
        exposure=Exposure(flag=item.target.id, before=known, after=known),
    )


def _blind(item: UndoItem, data: dict[str, Any], silent: AdapterError, ctx: Context) -> Draft:
    """The intent where the flag cannot be read: off all the same where it was off before; else nothing yet."""
    if data["do"] == "undo" and _was_off(item, ctx):
        return _kill(item, data, f"{data['flag']} off, unread: {silent}", ctx)
    why = {"why": str(silent), "retryable": silent.retryable, "error": type(silent).__name__}
    return Draft(
        target=item.target,
        before=item.after,
        after=item.before,
        timeout=TIMEOUT,
        says=f"{data['flag']} cannot be read: {silent}",
        data=data | {"do": "nothing"} | why,
    )


async def _plan(item: UndoItem, now: FlagState, provider: FlagProvider, ctx: Context) -> Plan:
    decision = ctx.state.decisions.get(item.id)
    choice = decision.choice if decision else ""
    mitigates = ctx.state.phase == "forward"
    rules = rules_of(ctx, item.spec["source"])
    if choice == "kill":
        if not now.enabled:
            return Plan(None, f"{now.key} is off already")
        return Plan(rules.plan(now, Off()), f"{now.key} off")
    found = rules.undo(item.before, item.after, now)
    if isinstance(found, Already):
        return Plan(None, f"{now.key} is as it was before")
    if not isinstance(found, Diverged):
        return _bounded(found, item.says or f"{now.key} as it was before", mitigates)
    said = "; ".join(found.differences) + await blame(provider, now.key, ctx.state.started_at or 0.0)
    if choice == "restore":
        return Plan(found.restore, f"overwritten as decided: {said}")
    ours = found.ours
    if choice != "ours" and rules.exposed(item.before) == 0.0:
        ours = _off(ours)
    return _bounded(ours, f"what is ours is taken back; somebody else changed {now.key}: {said}", mitigates)


def _bounded(write: FlagWrite, says: str, mitigates: bool) -> Plan:
    if mitigates and write.widens:
        return Plan(None, f"{write.key} stays: going back would expose more users, and a mitigation never does")
    return Plan(write, says)


def _off(write: FlagWrite) -> FlagWrite:
    """The same plan with the environment off: who had nothing before the release has nothing after it."""
    return msgspec.structs.replace(write, after={**write.after, "enabled": False}, widens=False)


async def act(draft: Draft, ctx: Context) -> Outcome:
    data = draft.data
    match data["do"]:
        case "verify":
            return await _verify(draft, ctx)
        case "kill":
            return await kill_now(data["source"], data["flag"], ctx)
        case "nothing":
            return Absent(reason=data["why"], retryable=data["retryable"], error=data["error"])
    if not data["write"]:
        return Done(observed=draft.before)
    outcome = await write_now(draft, ctx)
    conflict = isinstance(outcome, Absent) and outcome.error == "Conflict"
    if conflict and data["do"] != "mend":  # changed under our hands: the next try plans anew
        return msgspec.structs.replace(outcome, retryable=True)
    return outcome


async def _verify(draft: Draft, ctx: Context) -> Outcome:
    """Reads the flag back a second after the write, and takes it back again where it came on again.

    Done only where it exposes nobody whom neither the release's before nor our own undo left exposed.
    """
    source, flag, item = draft.data["source"], draft.data["flag"], draft.data["item"]
    provider, rules = ctx.world.flags(source), rules_of(ctx, source)
    left = _left_behind(item, ctx)
    wait = _until_second_look(item, ctx)
    try:
        for _ in range(_LOOKS):
            await asyncio.sleep(wait)
            wait = VERIFY_AFTER
            now = await state_of(provider, flag)
            if not all(_exposes_more(rules, now.raw, state) for state in left):
                return Done(observed=now.raw, receipt={"exposed": rules.exposed(now.raw)})
            ctx.log(f"{flag} came back to {rules.exposed(now.raw):g} %: taken back again")
            outcome = await _again(source, now, left[-1], ctx)
            if not isinstance(outcome, Done):
                return outcome
    except AdapterError as silent:
        return Absent(reason=f"{flag} is not read back: {silent}", retryable=True, error=type(silent).__name__)
    words = f"{flag} came back {_LOOKS} times: somebody or something keeps switching it on"
    return Absent(reason=words, retryable=True, error="Conflict")


async def _again(source: str, now: FlagState, wanted: dict[str, Any], ctx: Context) -> Outcome:
    """Off where nobody should have it, else exactly what our undo had left."""
    rules = rules_of(ctx, source)
    if rules.exposed(wanted) == 0.0:
        return await kill_now(source, now.key, ctx)
    plan = rules.undo(wanted, now.raw, now)
    return await ctx.world.flags(source).apply(plan) if isinstance(plan, FlagWrite) else Done(observed=now.raw)


async def stays(effect: EffectState, ctx: Context) -> Probe:
    """One more look at what was verified: done while it exposes nobody else, diverged where it does."""
    source, flag = split_id(effect.target)
    try:
        provider = ctx.world.flags(source)
        now = await state_of(provider, flag)
    except AdapterError as silent:
        return Probe(result="unreachable", detail=str(silent))
    rules = rules_of(ctx, source)
    if not _exposes_more(rules, now.raw, effect.observed):
        return Probe(result="done", observed=now.raw)
    said = "; ".join(rules.differences(effect.observed, now.raw)) + await blame(provider, flag, effect.at)
    return Probe(result="diverged", observed=now.raw, detail=said, exposed=rules.exposed(now.raw))


def _left_behind(item: UndoItem, ctx: Context) -> list[dict[str, Any]]:
    """The states that nobody minds: the one before the release, and the one our undo was seen to leave."""
    seen = [
        effect.observed or effect.after
        for effect in ctx.state.effects.values()
        if effect.undoes in item.needs and effect.status == "done"
    ]
    return [item.before, *seen[-1:]]


def _exposes_more(rules: FlagRules, now: dict[str, Any], than: dict[str, Any]) -> bool:
    """Whether anybody may get the flag who did not have it in the other state."""
    return rules.exposed(now) > 0.0 and rules.widens(than, now)


def _until_second_look(item: UndoItem, ctx: Context) -> float:
    """Seconds until the write that is verified is a second old."""
    undone = [e.ended_at for e in ctx.state.effects.values() if e.undoes in item.needs and e.ended_at is not None]
    latest = max(undone, default=ctx.now())
    return min(VERIFY_AFTER, max(0.0, latest + VERIFY_AFTER - ctx.now()))
