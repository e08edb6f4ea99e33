"""From the numbers a source answered to one Reading: the rules that all metric sources share (verdicts.md 1). Pure.

Nothing that is missing becomes a number, with one exception that healthy services need: an empty `bad` beside a total
above 0 is 0, because an error series that never counted does not exist.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from amplify_tui.adapters.ports import AdapterError, Invalid, Query, RateLimited
from amplify_tui.verdict.model import Reading, Status

_WORST: Final[tuple[Status, ...]] = ("error", "stale", "nodata")


class Number(Struct, frozen=True, kw_only=True):
    """One number of a query, or why there is none. `empty`: the source answered, and there is no such series."""

    value: float | None = None
    at: float = 0.0
    status: Status = "ok"
    empty: bool = False
    note: str = ""

    @classmethod
    def of(cls, value: float | None, *, at: float, note: str = "") -> Number:
        if value is None:
            return cls(status="nodata", empty=True, at=at, note=note)
        if not math.isfinite(value):
            return cls(status="nodata", at=at, note=_join(note, f"the answer is {value}"))
        return cls(value=value, at=at, note=note)


def failed(error: AdapterError) -> Number:
    """The number that a failed call leaves: a rate limit makes it stale, anything else is an error."""
    return Number(status="stale" if isinstance(error, RateLimited) else "error", note=str(error))


def no_past(source: str, why: str) -> Invalid:
    """What a source raises that cannot be asked about the past."""
    fix = "record a run's own readings, or ask a Prometheus that has scraped the service"
    return Invalid(f"sources.{source} has no past to ask for: {why}", fix=fix)


def reading_of(
    query: Query,
    numbers: Mapping[str, Number],
    *,
    source: str,
    at: float,
    received: float,
    window: float,
    per: float,
    window_from: float | None = None,
) -> Reading:
    """The reading of one query from its numbers `value`, `count`, `bad`, `total` (those it does not ask for: absent).

    per: what turns `count` and `total` into a number of requests: the window in seconds for rates, 1 for counts. A
    total of 0 is kept beside its `nodata`: that nobody came is known then, and is not the same as not to know.
    """
    parts = dict(numbers)
    note = ""
    bad, total = parts["bad"], parts["total"]
    if query.bad is not None and bad.empty and total.value is not None and total.value > 0:
        parts["bad"] = bad = Number(value=0.0, at=total.at, note=_join(bad.note, "no series of bad ones: counted as 0"))
    used = [parts[name] for name in ("value", "count", "bad", "total") if getattr(query, name) is not None]
    status: Status = next((worst for worst in _WORST if any(one.status == worst for one in used)), "ok")
    note = _join(*(one.note for one in used))
    idle = status == "ok" and total.value is not None and total.value <= 0
    value, n = parts["value"].value, None
    if status == "ok" and query.total is not None and total.value is not None:
        if idle:
            status, note = "nodata", _join(note, "no requests")
        else:
            value, n = max(bad.value or 0.0, 0.0) / total.value, total.value * per
    elif status == "ok" and query.value is not None and parts["count"].value is not None:
        n = parts["count"].value * per
    ok = status == "ok"
    data_at = min([one.at for one in used if one.at], default=at)
    return Reading(
        signal=query.signal,
        source=source,
        cohort=query.cohort,
        status=status,
        data_at=data_at,
        received_at=received,
        window_from=data_at - window if window_from is None else window_from,
        window_to=data_at,
        value=value if ok else None,
        n=n if ok else None,
        bad=max(bad.value or 0.0, 0.0) if ok and query.bad is not None else None,
        total=total.value if ok else 0.0 if idle else None,
        note=note or ("" if ok else "the query answered nothing"),
    )


def _join(*notes: str) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))
