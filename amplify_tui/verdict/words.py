"""Numbers in the words of a screen: 2m10s, 0.11 %, 412 ms, 5 210. Nothing here knows what a number means.

Every sentence of a verdict is built from these, so that one number reads the same in the cockpit, in a message and in
the journal. No colours, no columns, no translation: those belong to the screens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

Unit: TypeAlias = Literal["share", "latency", "number"]

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"))


@lru_cache(maxsize=4096)  # a verdict says the same numbers again at each tick
def duration(seconds: float) -> str:
    """`2m10s`, `45s`, `1h5m`, `0s`: at most two units, rounded to the smaller of them; below a second `0.4s`."""
    if not math.isfinite(seconds):
        return "unknown"
    seconds = max(0.0, seconds)
    if 0.0 < seconds < 0.95:
        return f"{max(0.1, seconds):.1f}s"
    # Rounding comes before the split: 59.7 s is 1m, never 60s.
    seconds = float(round(seconds)) if seconds < 3570.0 else round(seconds / 60.0) * 60.0
    if seconds >= 86400.0:
        seconds = round(seconds / 3600.0) * 3600.0
    parts: list[str] = []
    for size, name in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count:.0f}{name}")
    return "".join(parts[:2]) or "0s"


def count(value: float) -> str:
    """`5 210`: a whole number with its thousands set apart."""
    return f"{value:,.0f}".replace(",", " ")


@lru_cache(maxsize=4096)
def decimal(value: float, digits: int = 2) -> str:
    """*value* with about *digits* significant digits and no needless zeros: 0.11, 1, 2.9, 412, 15 800."""
    if not math.isfinite(value):
        return "unknown"
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}".replace(",", " ")
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float, unit: Unit, digits: int | None = None) -> str:
    """One value in its unit: a share as `0.11 %`, a latency (seconds) as `412 ms` or `1.24 s`, else a plain number."""
    if unit == "share":
        return f"{decimal(value * 100.0, digits or 2)} %"
    if unit == "latency":
        if abs(value) < 1.0:
            return f"{decimal(value * 1000.0, digits or 3)} ms"
        return f"{decimal(value, digits or 3)} s"
    return decimal(value, digits or 3)


def against(value: float, limit: float, unit: Unit) -> tuple[str, str]:
    """Both numbers in words, with as many digits as it takes to tell them apart where they differ."""
    shown = quantity(value, unit), quantity(limit, unit)
    for digits in range(3, 9):
        if value == limit or shown[0] != shown[1]:
            break
        shown = quantity(value, unit, digits), quantity(limit, unit, digits)
    return shown


def rate(per_second: float) -> str:
    """`1.4/s`; what comes less often than once in ten seconds is told per minute: `2/min`."""
    return f"{decimal(per_second)}/s" if per_second >= 0.1 else f"{decimal(per_second * 60.0)}/min"


def plural(amount: float, one: str, many: str | None = None) -> str:
    """`1 reading`, `5 210 requests`."""
    shown = count(amount)
    return f"{shown} {one if shown == '1' else many or one + 's'}"


def listing(items: Sequence[str], most: int = 3) -> str:
    """The first *most* items separated by `; `, and how many more there are."""
    shown = "; ".join(items[:most])
    return f"{shown}; and {count(len(items) - most)} more" if len(items) > most else shown
