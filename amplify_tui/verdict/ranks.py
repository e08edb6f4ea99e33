"""Are these numbers larger than those? The rank test of two samples that may each depend on what came just before.

Mann & Whitney, "On a test of whether one of two random variables is stochastically larger than the other", Annals of
Mathematical Statistics 18 (1947): no shape of the numbers is assumed, so that one wild block decides nothing. Kayenta
(Netflix, Google) asks by the same test, once, at the end; here it is asked again and again, and `spending` says what
each look may cost. Numbers in, chances out; nothing here knows a signal or a time.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_MOST_RHO: Final = 0.9
_LOOKS: Final = 6.0 / math.pi**2  # the sum of 1 / k^2 over all k is its inverse


def chance(current: Sequence[float], past: Sequence[float]) -> float:
    """How likely *current* lies at least so much above *past* by chance alone, if nothing is worse: 0 to 1.

    Mid-ranks for ties and a correction of half a step, as usual. The variance is that of independent numbers times
    (1 + rho) / (1 - rho), rho being the correlation of each of *past*, which are in the order of time, with the next.
    1.0 where there is nothing to compare, or all are alike.
    """
    few, many = len(current), len(past)
    if not few or not many:
        return 1.0
    ranks = _ranks((*current, *past))
    total = few + many
    above = sum(ranks[:few]) - few * (few + 1) / 2.0  # pairs in which the current one is larger; half for a tie
    ties = sum(n**3 - n for n in Counter(ranks).values()) / (total * (total - 1.0))
    rho = correlation(ranks[few:])
    variance = few * many / 12.0 * (total + 1.0 - ties) * (1.0 + rho) / (1.0 - rho)
    if variance <= 1e-9:
        return 1.0
    far = (above - few * many / 2.0 - 0.5) / math.sqrt(variance)
    return statistics.NormalDist().cdf(-far)


def mean_chance(current: Sequence[float], past: Sequence[float]) -> float:
    """As `chance`, by the means, whose scatter may differ (Welch 1947): for shares of more or fewer requests than then.

    Most blocks of few requests have no bad one at all, so that those of many rank above them at the same share. Needs
    two numbers of each; 1.0 with fewer.
    """
    if len(current) < 2 or len(past) < 2:
        return 1.0
    rho = correlation(past)
    scatter = statistics.variance(current) / len(current) + statistics.variance(past) / len(past)
    error = math.sqrt(scatter * (1.0 + rho) / (1.0 - rho))
    far = statistics.fmean(current) - statistics.fmean(past)
    if error <= 0.0:
        return 0.0 if far > 0.0 else 1.0
    return statistics.NormalDist().cdf(-far / error)


def correlation(numbers: Sequence[float]) -> float:
    """At most how much each number tells of the next one, from 0 to 0.9: never below 0, for that would be bolder.

    An estimate from few numbers is too small by about (1 + 3 rho) / n (Kendall 1954), which is added back, and one
    standard error with it: a short past knows little of itself.
    """
    n = len(numbers)
    if n < 3:
        return 0.0
    mean = sum(numbers) / n
    spread = sum((one - mean) ** 2 for one in numbers)
    if spread <= 0.0:
        return 0.0
    found = sum((one - mean) * (other - mean) for one, other in pairwise(numbers)) / spread
    error = math.sqrt(max(0.0, 1.0 - found**2) / n)
    return min(_MOST_RHO, max(0.0, found + (1.0 + 3.0 * found) / n + error))


def spending(alpha: float, look: int) -> float:
    """What the *look*-th look (from 1) may spend of *alpha*: all looks together, however many, spend it once."""
    return alpha * _LOOKS / look**2


def _ranks(numbers: Sequence[float]) -> list[float]:
    """The rank of each, from 1; those that are equal share the mean of theirs."""
    order = sorted(range(len(numbers)), key=lambda place: numbers[place])
    ranks = [0.0] * len(numbers)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and numbers[order[end]] == numbers[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + 1 + end) / 2.0
        start = end
    return ranks
