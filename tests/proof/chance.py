"""Chance with a seed, and what may be said after some runs: counts, intervals, medians. No judgement here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

MANY = 50.0  # events above which a normal distribution stands in for Poisson's


def some(chance: Random, mean: float) -> int:
    """How many events come where *mean* are expected (Poisson)."""
    if mean > MANY:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    edge, product, count = math.exp(-mean), chance.random(), 0
    while product > edge:
        product *= chance.random()
        count += 1
    return count


def interval(events: int, runs: int, doubt: float = 0.05) -> tuple[float, float]:
    """The two-sided Clopper-Pearson interval of a share: *events* of *runs* at 1 - *doubt*."""
    if runs == 0:
        return 0.0, 1.0
    low = 0.0 if events == 0 else _edge(lambda p: _at_most(events - 1, runs, p) > 1.0 - doubt / 2.0)
    high = 1.0 if events == runs else _edge(lambda p: _at_most(events, runs, p) > doubt / 2.0)
    return low, high


def _edge(is_below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return 0.5 * (low + high)


def _at_most(events: int, runs: int, share: float) -> float:
    return sum(math.comb(runs, k) * share**k * (1.0 - share) ** (runs - k) for k in range(events + 1))


def median(values: Sequence[float | None]) -> float | None:
    """The median, where None is later than every number; None where more than half of them are."""
    found = sorted(math.inf if value is None else value for value in values)
    middle = found[len(found) // 2] if len(found) % 2 else 0.5 * (found[len(found) // 2 - 1] + found[len(found) // 2])
    return None if math.isinf(middle) else middle
