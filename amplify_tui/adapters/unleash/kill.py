"""Proof of a kill of many flags by one call: the project's list says of each flag where it is on.

Reading flag by flag took three times as long as the bulk call that switched them off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack

from amplify_tui.adapters.http import Http
from amplify_tui.adapters.ports import AdapterError
from amplify_tui.adapters.unleash.ops import segment


async def listed_off(http: Http, project: str, environment: str, locks: Iterable[asyncio.Lock]) -> frozenset[str]:
    """The flags of *project* that are off in *environment*; nobody where the list cannot be had or read.

    *locks* are held while it is read: a write of ours that was under way ends before. Always in the same order, so
    that two kills never wait for each other.
    """
    async with AsyncExitStack() as held:
        for lock in locks:
            await held.enter_async_context(lock)
        try:
            answer = (await http.read("GET", f"/api/admin/projects/{segment(project)}/features")).json()
            return frozenset(
                str(flag["name"])
                for flag in answer["features"]
                if [one["enabled"] for one in flag["environments"] if one["name"] == environment] == [False]
            )
        except (AdapterError, KeyError, TypeError):
            return frozenset()  # each flag is then looked at by itself, and its own failure told
