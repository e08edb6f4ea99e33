"""The last result of a pure function for each key, made anew only where the readings that it was made of are others.

Hundreds of conditions are judged several times a second, and their readings change once in five.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from amplify_tui.verdict.model import Reading

T = TypeVar("T")


class Memo(Generic[T]):
    """Remembers at most *most* keys; the one that was made first goes first. What it gives must not be changed."""

    def __init__(self, most: int = 2048) -> None:
        self._most = most
        self._made: dict[Hashable, tuple[list[Reading], T]] = {}

    def get(self, key: Hashable, readings: Sequence[Reading], make: Callable[[], T]) -> T:
        """What *make* gives for *key* and *readings*."""
        known = self._made.get(key)
        asked = list(readings)
        # Lists of the same objects are compared by identity, so that this costs a tenth of a reading's judgement.
        if known is not None and known[0] == asked:
            return known[1]
        made = make()
        if known is None and len(self._made) >= self._most:
            del self._made[next(iter(self._made))]
        self._made[key] = (asked, made)
        return made
