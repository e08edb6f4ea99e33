"""How long a proof will take: the traffic that there is, and the bets it would have to win. Pure; an estimate in words.

A proof that a treatment is not worse needs far more requests than a fail of one that is much worse, and people should
know before they wait. Where the two are alike, a block is expected to move the wealth of the best stake by a little;
the forecast is after how many blocks it is there. judge.md 4 has simulated medians: these are half to twice of them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from amplify_tui.verdict.bets import BETTER, expected_share
from amplify_tui.verdict.latency import t_mixture
from amplify_tui.verdict.words import duration

FOREVER: Final = 30.0 * 86400.0  # what takes longer is not worth a number
_SPLIT: Final = math.log(2.0 * 3.0)  # half of the wealth comes late, and some three of the stakes win alike
_FEW, _MOST = 8.0, 24  # events of a block up to which each share is looked at, and how many there may be then
_POINTS: Final = ((-math.sqrt(3.0), 1 / 6), (0.0, 2 / 3), (math.sqrt(3.0), 1 / 6))  # a normal, in three points


def blocks_to_proof(
    treatment: float, control: float, rate: float, rho: float, *, evidence: float, blocks: int = 0, prior: float = 3.0
) -> float:
    """After how many blocks more two cohorts of the same *rate* are proven to differ by less than *rho*; or infinity.

    treatment, control: requests of a block. evidence: ln of what is still missing. blocks: those that the variance
    inflation has learnt from.
    """
    events = rate * (treatment + control)
    if events <= 0.0 or treatment <= 0.0 or control <= 0.0:
        return math.inf
    share = treatment / (treatment + control)
    shares = _shares(_rounded(events), _rounded(share))
    q = expected_share(rho, treatment, control)
    gain = max(_gain(shares, q, stake) for stake in BETTER)
    if gain <= 0.0:
        return math.inf
    return _blocks_until(evidence / gain, blocks, prior)


def _gain(shares: tuple[tuple[float, float], ...], q: float, stake: float) -> float:
    """What a block is expected to add to ln of the wealth of one stake; a block without an event adds nothing."""
    base = math.log1p(q * (stake - 1.0))
    return sum(weight * (math.log1p(one * (stake - 1.0)) - base) for one, weight in shares)


@lru_cache(maxsize=256)
def _shares(events: float, share: float) -> tuple[tuple[float, float], ...]:
    """The shares of a block with about so many *events*, each with its chance: those of few ones exactly."""
    if events > _FEW:
        spread = math.sqrt(share * (1.0 - share) / events)
        return tuple((min(1.0, max(0.0, share + at * spread)), weight) for at, weight in _POINTS)
    found: list[tuple[float, float]] = []
    chance = math.exp(-events)
    for n in range(1, _MOST + 1):
        chance *= events / n
        ways = (math.comb(n, k) * share**k * (1.0 - share) ** (n - k) for k in range(n + 1))
        found += [(k / n, chance * way) for k, way in enumerate(ways)]
    return tuple(found)


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")


def _blocks_until(wanted: float, blocks: int, prior: float) -> float:
    """How many blocks give *wanted* whole bets, where each counts 1 / inflation, which falls from *prior* to 1."""
    extra = 10.0 * (prior - 1.0)

    def whole(more: float) -> float:
        begin = 10.0 + extra + blocks
        return more - extra * math.log((begin + more) / begin)

    low, high = 0.0, max(1.0, wanted)
    while whole(high) < wanted:
        low, high = high, 2.0 * high
        if high > 1e9:
            return math.inf
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if whole(middle) < wanted else (low, middle)
    return high


def proof_from_scratch(odds: float) -> float:
    """ln of the evidence that a test which has not begun is missing for a proof of *odds* to one."""
    return math.log(odds) + _SPLIT


def in_words(seconds: float) -> str:
    """`about 3h`, to the minute: it is a forecast."""
    return f"about {duration(max(60.0, 60.0 * round(seconds / 60.0)))}" if seconds < FOREVER else "longer than a month"


def windows_to_proof(deviation: float, inflation: float, by: float, *, evidence: float) -> float:
    """After how many windows two cohorts of the same value are proven to differ by less than *by*; or infinity.

    deviation: of ln(treatment / control) from window to window. evidence: ln of what it takes in all.
    """
    if deviation <= 0.0 or by <= 0.0:
        return math.inf
    windows = 3.0 * inflation
    while windows < 1e6:
        if t_mixture(windows, 0.0, deviation, math.log1p(by), inflation=inflation) >= evidence:
            return windows
        windows *= 1.1
    return math.inf
