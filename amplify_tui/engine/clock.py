"""Whether the wall clock jumped: set by hand, stepped by NTP, or a machine that slept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

JUMP_S: Final = 2.0  # less is a slow pass of a busy loop, or a clock that is slewed


class ClockWatch:
    """Compares the wall clock with the steady one, from look to look. The steady one stands still in sleep (Linux)."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._ahead = wall() - steady()

    def jumped(self) -> float:
        """Seconds by which the wall clock went forward (or back) since the last look; 0.0 where it just went on."""
        ahead = self._wall() - self._steady()
        delta, self._ahead = ahead - self._ahead, ahead
        return delta if abs(delta) >= JUMP_S else 0.0
