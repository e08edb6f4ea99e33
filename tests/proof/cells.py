"""Cells of the tables: each is run many times with seeds 0, 1, 2 ..., over all cores. The same seeds, the same table."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final

CELLS: Final[dict[str, Callable[[int], Any]]] = {}
"""What one run of a cell gives for a seed. Filled where the tables are imported, so that other processes have it too."""


def cell(name: str, run: Callable[[int], Any]) -> str:
    """The name under which *run* is known from now on."""
    CELLS[name] = run
    return name


def results(runs: Mapping[str, int], jobs: int) -> dict[str, list[Any]]:
    """What each named cell gave in so many runs, in the order of their seeds."""
    begun = time.monotonic()
    asked = [(name, seed) for name, count in runs.items() for seed in range(count)]
    if jobs > 1:
        with ProcessPoolExecutor(jobs) as pool:
            found = list(pool.map(_one, asked, chunksize=max(1, min(16, len(asked) // (4 * jobs)))))
    else:
        found = [_one(one) for one in asked]
    told: dict[str, list[Any]] = {name: [] for name in runs}
    for (name, _), result in zip(asked, found, strict=True):
        told[name].append(result)
    label = next(iter(runs), "").partition("/")[0]
    print(f"{label}: {len(asked)} runs, {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return told


def _one(asked: tuple[str, int]) -> Any:
    name, seed = asked
    return CELLS[name](seed)
