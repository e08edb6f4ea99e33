"""The last look of a service's way back: every instance is asked, and none may report what was taken back.

| an instance says | what becomes of the look |
| --- | --- |
| the version before, all of them | done |
| the version taken back, one that this run reverted | absent: reverted again; at `TIMES` a person is asked |
| the version taken back, one that this run did not deploy | absent: somebody has to take it down; looked at again |
| a third version, one that this run reverted | absent: somebody else deployed it; looked at again |
| nothing | absent: looked at again |

A deploy of this run that had no answer may land for as long as a write to a flag may: until then it is looked again.
Where somebody has to act the run goes on by itself once that is done, or once a person waives the look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from amplify_tui.adapters.ports import Absent, Done, Outcome, Probe
from amplify_tui.run.shapes import UndoItem
from amplify_tui.run.undo import LANDS_WITHIN
from amplify_tui.run.undo_fleet import came_back, unit_of
from amplify_tui.steps.instances import Live, seen
from amplify_tui.steps.verb import Context, Draft
from amplify_tui.verdict.fleet import same_version

TIMES: Final = 3  # that one instance is found on the new version again until a person is asked
TIMEOUT: Final = 30.0
AGAIN: Final = 2.0


class Odd(Struct, frozen=True, kw_only=True):
    """An instance that is not as it has to be. version: what it reports; "" where it says nothing. reverts: it is
    reverted once more by itself. asks: only a person can say how it goes on."""

    unit: str
    said: str
    version: str = ""
    error: str = "Conflict"
    reverts: bool = False
    asks: bool = False


def intend(item: UndoItem, ctx: Context) -> Draft:
    """The intent of looking: nothing is read before it is written down, for it changes nothing."""
    late = max(0.0, _lands_until(item, ctx) - ctx.now())
    also = f"; a deploy had no answer, and may land for {late:.0f} s more" if late else ""
    return Draft(
        target=item.target,
        before=item.after,
        after=item.before,
        timeout=TIMEOUT + late,
        says=f"every instance of {item.target.id} is read back{also}",
        data={"item": item, "late": late},
    )


async def act(draft: Draft, ctx: Context) -> Outcome:
    """Looks once, and where a deploy that was given up may yet land, again and again until it cannot any more."""
    item: UndoItem = draft.data["item"]
    clock = asyncio.get_running_loop().time
    until = clock() + draft.data["late"]
    while True:
        await ctx.world.refresh()
        odd = list(_odd_ones(item, ctx))
        if any(one.version for one in odd) or clock() >= until:  # who says nothing may only be coming up
            break
        await asyncio.sleep(min(AGAIN, until - clock()))
    if not odd:
        versions = {unit: version for unit, version in item.before.items() if unit not in _waived(item, ctx)}
        return Done(observed=versions)
    return Absent(
        reason="; ".join(one.said for one in odd),
        retryable=any(one.reverts for one in odd) or not any(one.asks for one in odd),
        error=odd[0].error,
        observed={one.unit: one.version for one in odd if one.version},
    )


def _lands_until(item: UndoItem, ctx: Context) -> float:
    """Until when (Unix seconds) a deploy of ours that had no answer may land; 0 where each had one."""
    deploys = (ctx.state.effects[name] for name in item.effects if name in ctx.state.effects)
    return max((e.unknown_since + LANDS_WITHIN for e in deploys if e.unknown_since and not e.human), default=0.0)


def probe() -> Probe:
    """What a look would have found nobody can say afterwards: it is taken again."""
    return Probe(result="absent", detail="the fleet is read back again")


def _odd_ones(item: UndoItem, ctx: Context) -> Iterator[Odd]:
    service, waived = item.target.id, _waived(item, ctx)
    taken_back = {version for unit, version in item.after.items() if version and unit not in waived}
    for unit, before in item.before.items():
        if unit not in waived:
            yield from _of_ours(item, unit, before, seen(ctx.world, service, unit), ctx)
    others = {r.instance for r in ctx.world.evidence().fleet if r.service == service} - set(item.before)
    for unit in sorted(others):
        version = seen(ctx.world, service, unit).version
        if version is not None and any(same_version(version, gone) for gone in taken_back):
            said = f"{unit}, which this run did not deploy, reports {version}"
            yield Odd(unit=unit, said=f"{said}: take it down, or deploy another version there", version=version)


def _of_ours(item: UndoItem, unit: str, before: str, now: Live, ctx: Context) -> Iterator[Odd]:
    new = item.after.get(unit)
    if now.version is None:
        yield Odd(unit=unit, said=now.note, error="Unreachable")
    elif same_version(now.version, before):
        return
    elif new is None or not same_version(now.version, new):
        said = f"{unit} reports {now.version}, not {before}: somebody else deployed it, deploy {before} there"
        yield Odd(unit=unit, said=said, version=now.version)
    else:
        times = 1 + _times(item, unit, ctx)
        again = times < TIMES
        more = "it is reverted again" if again else f"{times} times by now: end what keeps deploying it, then try again"
        yield Odd(unit=unit, said=f"{unit} is back on {new}: {more}", version=new, reverts=again, asks=not again)


def _times(item: UndoItem, unit: str, ctx: Context) -> int:
    """How often the instance was found on the new version, since a person last asked for another look."""
    decision = ctx.state.decisions.get(item.id)
    since = decision.seq if decision is not None else 0
    return sum(unit in came_back(look) for look in ctx.state.tries_of(item.id) if look.seq > since)


def _waived(item: UndoItem, ctx: Context) -> set[str]:
    """The instances whose way back a person has waived: they stay as they are."""
    decisions = ctx.state.decisions
    names = [name for name in item.needs if name in decisions and decisions[name].choice == "waive"]
    plan = {one.id: one for one in ctx.state.rollback_plan}
    return {unit_of(plan[name].target) for name in names if name in plan}
