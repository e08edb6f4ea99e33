"""What a pure function made of some readings, gone on with where only new ones came.

Hundreds of conditions are judged several times a second, and most of their readings were there a moment before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from amplify_tui.verdict.model import Reading

S = TypeVar("S")


class Running(Generic[S]):
    """Remembers at most *most* keys; the one that was made first goes first."""

    def __init__(self, most: int = 2048) -> None:
        self._most = most
        self._made: dict[Hashable, tuple[list[Reading], S]] = {}

    def get(
        self,
        key: Hashable,
        readings: Sequence[Reading],
        start: Callable[[Sequence[Reading]], S],
        more: Callable[[S, Reading], bool],
    ) -> S:
        """What *start* makes of *readings*; where those of the last call are their head, *more* adds the rest to that.

        more: False where it cannot, because the reading belongs before another; all of it is then made anew. Both have
        to come to the same. What is given holds until the next call with *key*.
        """
        known = self._made.pop(key, None)
        asked = list(readings)
        if known is not None:
            # Lists of the same objects are compared by identity: next to nothing beside a reading's judgement.
            before, made = known
            head = len(before)
            if asked[:head] == before and all(more(made, one) for one in asked[head:]):
                self._made[key] = (asked, made)
                return made
        if len(self._made) >= self._most:
            del self._made[next(iter(self._made))]
        made = start(asked)
        self._made[key] = (asked, made)
        return made
