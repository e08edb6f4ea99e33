"""What the tests on a real Unleash share: making a provider and a flag, reading it, waiting for what comes late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from amplify_tui.adapters.flags.plan import FlagSpec, StrategySpec, target
from amplify_tui.adapters.ports import Done, FlagState
from amplify_tui.adapters.unleash.provider import UnleashProvider
from tests.real.services import Unleash

P = "/api/admin/projects/default"
RAMP = StrategySpec(title="ramp", rollout=0, stickiness="userId")


def provide(unleash: Unleash, **changes: Any) -> UnleashProvider:
    wanted = {"token": unleash.admin, "client_token": unleash.client, "environment": "development"} | changes
    return UnleashProvider(unleash.url, **wanted)


async def make(flags: UnleashProvider, key: str, *strategies: StrategySpec, enabled: bool = False) -> None:
    spec = FlagSpec(create="release", enabled=enabled, strategies=strategies or (RAMP,))
    outcome = await flags.apply(target(await one(flags, key), spec))
    assert isinstance(outcome, Done), outcome


async def one(flags: UnleashProvider, key: str) -> FlagState:
    return (await flags.read([key]))[key]


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.05)


def env(key: str) -> str:
    return f"{P}/features/{key}/environments/development"
