"""Kills of one flag server that are asked for at the same moment, made together.

A release of a hundred flags is taken back by a hundred undos, each journaled by itself. One call for all of them is
what a server answers in a moment (Unleash's bulk call, one commit of a flag file); a hundred calls queue there for
seconds, while users still get what burns.
"""

from __future__ import annotations

import asyncio

from amplify_tui.adapters.ports import FlagProvider, Outcome, Unknown


class Kills:
    """The kill switch of one provider. Nobody waits for company: who asks before the loop turns once is in one call."""

    def __init__(self, provider: FlagProvider) -> None:
        self._provider = provider
        self._keys: list[str] = []
        self._next: asyncio.Task[dict[str, Outcome]] | None = None
        self._under_way: set[asyncio.Task[dict[str, Outcome]]] = set()

    async def kill(self, key: str) -> Outcome:
        """How switching *key* off came out. Who is cancelled waits no longer; the call goes on for the others."""
        if self._next is None:
            self._next = asyncio.create_task(self._together(), name="kill")
            self._under_way.add(self._next)
            self._next.add_done_callback(self._under_way.discard)
        self._keys.append(key)
        found = await asyncio.shield(self._next)
        return found.get(key, Unknown(cause=f"the flag server said nothing of {key}"))

    async def _together(self) -> dict[str, Outcome]:
        keys, self._keys, self._next = self._keys, [], None
        return await self._provider.kill(keys)

    async def aclose(self) -> None:
        """End what is under way; the provider is its owner's to close."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
