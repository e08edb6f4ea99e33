"""Is an error budget being burnt too fast? Two windows, with a guard for little traffic. Counts in, yes or no out.

Multi-window burn alerts trip falsely every month where few requests come (judge.md 5, F: one bad request is enough at
0.01 a second). So besides both windows it takes bad requests in five different minutes of the long window and in two of
the short one, and more such minutes than the budget explains: minutes, since ten bad requests of one user are one
thing. Above some 15 requests a second (at 99.9 %) that could never be, for a window has so many minutes and no more;
there bad requests count, taken to come as clustered as twenty of one user.

Papers: Google SRE Workbook 2018, chapter 5, Alerting on SLOs; Clopper and Pearson 1934 (the exact bound, for a Poisson
mean after Garwood 1936).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from msgspec import Struct

from amplify_tui.verdict.evidence import bad_needed

MINUTES_LONG: Final = 5
MINUTES_SHORT: Final = 2
CLUSTERED: Final = 20.0  # the dispersion of bad requests; users that fail half of up to 50 requests give 13 (judge.md)
_DOUBT: Final = 0.001
_HALVINGS: Final = 80


class Spent(Struct, frozen=True, kw_only=True):
    """What one window held: bad requests, all requests, and in how many different minutes there was a bad one."""

    bad: float = 0.0
    total: float = 0.0
    minutes: int = 0


@lru_cache(maxsize=4096)
def poisson_lower(events: int, doubt: float = _DOUBT) -> float:
    """The smallest mean that *events* are compatible with, at one look: under it, as many have a chance of *doubt*."""
    if events <= 0:
        return 0.0
    low, high = 0.0, float(events)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _at_least(events, middle) < doubt else (low, middle)
    return low


def _at_least(events: int, mean: float) -> float:
    """The chance of *events* or more where *mean* are expected, for a mean below them: the tail that shrinks."""
    if mean <= 0.0:
        return 0.0
    term = math.exp(events * math.log(mean) - mean - math.lgamma(events + 1.0))
    total, i = term, events
    while term > 1e-18 * total:
        i += 1
        term *= mean / i
        total += term
    return total


def trips(burn: float, budget: float, long: Spent, short: Spent) -> bool:
    """Whether both windows burn faster than *burn* times the *budget* (1 - objective), and the guard agrees."""
    return is_above(burn, budget, long) and is_above(burn, budget, short) and is_sure(budget, long, short)


def is_above(burn: float, budget: float, spent: Spent) -> bool:
    """Whether the window has more bad requests than *burn* times its budget."""
    return spent.total > 0.0 and spent.bad > burn * budget * spent.total


def is_sure(budget: float, long: Spent, short: Spent) -> bool:
    """Whether enough minutes had a bad request, and more of them, or of bad requests, than the budget explains."""
    if long.minutes < MINUTES_LONG or short.minutes < MINUTES_SHORT:
        return False
    by_minutes = poisson_lower(long.minutes) > budget * long.total
    # An hour has sixty minutes, however many requests: where the budget alone spoils most of them, requests must tell.
    return by_minutes or long.bad >= bad_needed(long.total, budget, CLUSTERED)
