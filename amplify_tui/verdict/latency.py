"""Is a value that counts no requests, a quantile or a mean, higher in one cohort? From the ratio per window. Pure.

Each closed window gives one number, ln(treatment / control): what slows both down cancels, and the unit does not
matter. Their mean is tested by a mixture of Student's t over the size of the effect, which needs no variance beforehand
and stays valid however often one looks; the number of windows is divided by their variance inflation (bets.py). A
quantile of few requests is biased low, so a window counts only where both cohorts have enough
(conditions.default_samples).

judge.md E and 6: slow wander of one cohort alone cannot be told from a slowdown by any test.

Papers: Wang and Ramdas 2023, Anytime-valid t-tests and confidence sequences; Robbins 1970, Statistical methods related
to the law of the iterated logarithm; Geyer 1992, Practical Markov chain Monte Carlo.
"""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

from amplify_tui.verdict.bets import Vif

_FEWEST: Final = 2.0  # degrees of freedom under which nothing is said
_MOST: Final = 1e300


class Ratios(Struct, frozen=True, kw_only=True):
    """The log-ratios of the closed windows: how many, their mean, the sum of squares about it, how they correlate."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    vif: Vif = Vif()

    def add(self, ratio: float) -> Ratios:
        """With the log-ratio of one window more."""
        # Centred at the first ratio, not at 0: the way from 0 to a real effect would pass for correlation.
        vif = self.vif if self.n else Vif(mean=ratio)
        mean = self.mean + (ratio - self.mean) / (self.n + 1)
        squares = self.squares + (ratio - self.mean) * (ratio - mean)
        return Ratios(n=self.n + 1, mean=mean, squares=squares, vif=vif.add(ratio))

    @property
    def deviation(self) -> float:
        """The standard deviation of one window; 0 of fewer than two."""
        return math.sqrt(self.squares / (self.n - 1)) if self.n > 1 else 0.0

    def log_e(self, margin: float) -> float:
        """ln of the evidence that the true mean is not ln(1 + *margin*), on either side of it.

        One side of a symmetric test: a fail needs a mean above it and evidence of 1 / (2 alpha).
        """
        return t_mixture(self.n, self.mean, self.deviation, math.log1p(margin), inflation=self.vif.value())


def t_mixture(
    n: float, mean: float, deviation: float, hypothesis: float, *, spread: float = 1.0, inflation: float = 1.0
) -> float:
    """ln of the evidence that the mean of *n* numbers is not *hypothesis*; 0 where fewer than three count.

    spread: of the effects that are bet on, in standard deviations, squared.
    """
    n = n / inflation
    free = n - 1.0
    if free < _FEWEST or not deviation > 0.0:
        return 0.0
    t_squared = min(_MOST, n * ((mean - hypothesis) / deviation) ** 2)
    wide = 1.0 + n * spread
    gain = math.log1p(t_squared / free) - math.log1p(t_squared / (free * wide))
    return -0.5 * math.log(wide) + 0.5 * (free + 1.0) * gain
