"""What a bench hands back: samples per way, taken by turns in one run, and the ratios that count. No printing here.

Only ratios inside one table mean anything: the machine may be slow, shared or noisy, but it is so for all ways alike.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Way = Callable[[], float]
"""Does its work once and returns the seconds that count."""


@dataclass(frozen=True)
class Target:
    """A ratio of the medians of two ways, and where it should end."""

    way: str
    of: str
    most: float
    why: str = ""


@dataclass(frozen=True)
class Table:
    """One question, its ways with their seconds, and the targets set for them."""

    name: str
    title: str
    samples: Mapping[str, tuple[float, ...]]
    targets: tuple[Target, ...] = ()
    note: str = ""

    def median(self, way: str) -> float:
        return statistics.median(self.samples[way])

    def ratio(self, target: Target) -> float:
        return self.median(target.way) / self.median(target.of)


def last_to_first(samples: Mapping[str, tuple[float, ...]], most: float) -> Target:
    """The target of a table whose first way is the measure, and whose last one is ours."""
    names = list(samples)
    return Target(names[-1], names[0], most)


def timed(work: Callable[[], object]) -> Way:
    """A way that counts all of *work*."""

    def once() -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    return once


def by_turns(ways: Mapping[str, Way], rounds: int, warm_up: int = 1) -> dict[str, tuple[float, ...]]:
    """Each way once per round, so that what slows the machine down meets all of them; the first rounds do not count."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(warm_up + rounds):
        for name, way in ways.items():
            gc.collect()
            seconds = way()
            if turn >= warm_up:
                taken[name].append(seconds)
    return {name: tuple(samples) for name, samples in taken.items()}


def percentile(samples: tuple[float, ...], share: float) -> float:
    """The nearest-rank percentile; *share* is 0 to 1. Raises IndexError for no samples."""
    return sorted(samples)[min(len(samples) - 1, int(share * len(samples)))]
