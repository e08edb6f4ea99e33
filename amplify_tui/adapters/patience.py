"""Leaving a source of numbers alone for as long as it asks: who polls on through a 429 keeps it from getting well.

Only what a Retry-After says is heeded (RFC 9110, 10.2.3), and five minutes of it at most: a judge that hears nothing
is blind, and says so. Nothing that writes waits here: an undo tries again as its own queue says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

from amplify_tui.adapters.ports import RateLimited
from amplify_tui.verdict.words import duration

MOST_S: Final = 300.0


class Patience:
    """Of one source: wrap each call in `call`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._until = 0.0

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Raises RateLimited, and asks nothing, while the source wants to be left alone."""
        left = self._until - monotonic()
        if left > 0.0:
            said = f"{self._name} asked not to be asked for {duration(left)} more (429)"
            raise RateLimited(said, retry_after=left)
        try:
            yield
        except RateLimited as error:
            if error.is_told:
                self._until = monotonic() + min(error.retry_after, MOST_S)
            raise
