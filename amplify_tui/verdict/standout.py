"""Who stands out: the instance whose number is far from those of its peers. One bad server hides in a sum of eight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amplify_tui.verdict.model import Part
from amplify_tui.verdict.words import Unit, quantity

FAR: Final = 2.0  # times the next of its peers
FEWEST: Final = 10.0  # requests; of fewer a share says nothing about an instance


def who(parts: Sequence[Part], unit: Unit, *, below: bool = False) -> str:
    """`checkout-4 690 ms, others 305 to 330 ms`; without one that is far from the next, the range of all.

    below: low is bad. Empty where there are no two instances to compare.
    """
    known = [part for part in parts if part.n is None or part.n >= FEWEST]
    if len(known) < 2:
        return ""
    worst, *rest = sorted(known, key=lambda part: (part.value if below else -part.value, part.instance))
    low, high = min(part.value for part in rest), max(part.value for part in rest)
    stands_out = worst.value * FAR < low if below else worst.value > FAR * high
    if stands_out:
        return f"{worst.instance} {quantity(worst.value, unit)}, others {_range(low, high, unit)}"
    low, high = min(low, worst.value), max(high, worst.value)
    return f"{len(known)} instances alike, {_range(low, high, unit)}"


def _range(low: float, high: float, unit: Unit) -> str:
    first, last = quantity(low, unit), quantity(high, unit)
    return first if first == last else f"{first} to {last}"
