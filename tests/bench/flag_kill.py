"""Switching off 1, 10, 100 and 500 flags of a real Unleash: the kill against the bulk call, and call by call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import httpx

from amplify_tui.adapters.ports import Done
from amplify_tui.adapters.unleash.provider import UnleashProvider
from tests.bench.flag_world import AT_ONCE, ENVIRONMENT, P, admin, flag_server, switch
from tests.bench.measure import Table, Target
from tests.real.services import Unleash

SIZES: Final = (1, 10, 100, 500)
ROUNDS: Final = 5
BULK: Final = "bulk call, nothing read back"
SLOWEST: Final = "the slowest single call"
SINGLE: Final = f"single calls, {AT_ONCE} at a time"
KILL: Final = "kill, read back"
MOST: Final = 2.0

Off = Callable[[Sequence[str]], Awaitable[dict[str, float]]]


def tables() -> list[Table]:
    """A table for each number of flags."""
    names = [f"bench-{number}" for number in range(max(SIZES))]
    with flag_server(names) as server:
        return asyncio.run(_measured(server, names))


async def _measured(server: Unleash, names: Sequence[str]) -> list[Table]:
    found = []
    provider = UnleashProvider(
        server.url, server.admin, environment=ENVIRONMENT, client_token=server.client, timeout=60.0
    )
    async with admin(server) as http:
        ways: list[Off] = [_bulk(http), _one_by_one(http), _killed(provider)]
        for size in SIZES:
            taken: dict[str, list[float]] = {BULK: [], SLOWEST: [], SINGLE: [], KILL: []}
            for turn in range(ROUNDS + 1):  # the first does not count
                for way in ways:
                    await switch(http, names[:size], "on")
                    for name, seconds in (await way(names[:size])).items():
                        taken[name] += [seconds] if turn else []
            found.append(_table(size, taken))
    await provider.aclose()
    return found


def _bulk(http: httpx.AsyncClient) -> Off:
    async def off(flags: Sequence[str]) -> dict[str, float]:
        begun = time.perf_counter()
        await switch(http, flags, "off")
        return {BULK: time.perf_counter() - begun}

    return off


def _one_by_one(http: httpx.AsyncClient) -> Off:
    async def off(flags: Sequence[str]) -> dict[str, float]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(flag: str) -> float:
            async with gate:
                begun = time.perf_counter()
                (await http.post(f"{P}/features/{flag}/environments/{ENVIRONMENT}/off")).raise_for_status()
                return time.perf_counter() - begun

        begun = time.perf_counter()
        calls = await asyncio.gather(*(one(flag) for flag in flags))
        return {SLOWEST: max(calls), SINGLE: time.perf_counter() - begun}

    return off


def _killed(provider: UnleashProvider) -> Off:
    async def off(flags: Sequence[str]) -> dict[str, float]:
        begun = time.perf_counter()
        outcomes = await provider.kill(flags)
        seconds = time.perf_counter() - begun
        lost = [flag for flag, outcome in outcomes.items() if not isinstance(outcome, Done)]
        if lost:
            raise RuntimeError(f"not switched off: {', '.join(lost[:5])}")
        return {KILL: seconds}

    return off


def _table(size: int, taken: dict[str, list[float]]) -> Table:
    samples = {name: tuple(seconds) for name, seconds in taken.items()}
    targets = (Target(KILL, BULK, MOST, "an aspiration"), Target(KILL, SINGLE, 1.0, "an aspiration"))
    return Table(f"kill-{size}", f"Switching off {size} flag{'s' * (size > 1)}", samples, targets)
