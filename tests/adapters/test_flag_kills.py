"""Kills that are due at the same moment are one call, whoever asks and whoever gives up; against a real Unleash."""

from __future__ import annotations

import asyncio

import pytest

from amplify_tui.adapters.flags.kills import Kills
from amplify_tui.adapters.flags.port import StrategySpec
from amplify_tui.adapters.ports import Absent, Done
from amplify_tui.adapters.unleash.provider import FEW, UnleashProvider
from tests.adapters.raw_server import raw_server
from tests.adapters.unleash_world import P, make
from tests.real.services import Unleash
from tests.real.tap import tap

pytestmark = pytest.mark.real

BULK = ("POST", f"{P}/bulk_features/environments/development/off")


async def on(flags: UnleashProvider, *names: str) -> None:
    for name in names:
        await make(flags, name, StrategySpec(title="ramp", rollout=50), enabled=True)


async def test_as_many_as_are_due_now_are_switched_off_by_one_call(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    names = [f"{key}-{n}" for n in range(FEW + 1)]
    await on(flags, *names)
    async with tap(unleash.url) as wire:
        through = UnleashProvider(wire.url, unleash.admin, environment="development")
        kills = Kills(through)
        outcomes = await asyncio.gather(*(kills.kill(name) for name in names))
        await through.aclose()
    assert [(one.method, one.path) for one in wire.seen] == [BULK, ("GET", f"{P}/features")]
    assert all(isinstance(outcome, Done) for outcome in outcomes)
    assert not any(state.enabled for state in (await flags.read(names)).values())


async def test_each_is_told_how_its_own_came_out(flags: UnleashProvider, key: str) -> None:
    await on(flags, key)
    kills = Kills(flags)
    mine, nobodys = await asyncio.gather(kills.kill(key), kills.kill(f"{key}-nowhere"))
    assert isinstance(mine, Done)
    assert isinstance(nobodys, Absent)


async def test_one_that_comes_while_another_is_on_its_way_does_not_wait_for_it(key: str) -> None:
    asked: asyncio.Queue[str] = asyncio.Queue()
    async with raw_server(asked.put_nowait) as deaf:
        flags = UnleashProvider(deaf.url, "some-token", environment="development")
        kills = Kills(flags)
        first = asyncio.create_task(kills.kill(key))
        await asked.get()
        second = asyncio.create_task(kills.kill(f"{key}-2"))
        await asked.get()  # a second call is there, and the first has had no answer
        assert not first.done()
        for task in (first, second):
            task.cancel()
        await kills.aclose()
        await flags.aclose()


async def test_who_gives_up_takes_nobody_elses_kill_with_him(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await on(flags, key, f"{key}-2")
    kills = Kills(flags)
    with unleash.frozen():
        gives_up = asyncio.create_task(kills.kill(key))
        waits = asyncio.create_task(kills.kill(f"{key}-2"))
        await asyncio.sleep(0)
        gives_up.cancel()
        await asyncio.wait([gives_up])
    assert isinstance(await waits, Done)
    assert not any(state.enabled for state in (await flags.read([key, f"{key}-2"])).values())
