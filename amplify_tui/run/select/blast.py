"""The blast radius of taking back, and how long it would take, from what this run itself took on the way forward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from amplify_tui.run.select.world import readings
from amplify_tui.run.shapes import CODE_BAND, EXPOSURE_BAND, VERIFY_BAND, WORDS_BAND
from amplify_tui.run.state import State
from amplify_tui.run.undo import SETTLED_ITEM, ItemState
from amplify_tui.verdict.model import Reading
from amplify_tui.verdict.words import count, duration

STALE_S: Final = 60.0
READ_BACK_S: Final = 1.0  # after which a flag that was taken back is read again
UNTIMED_S: Final = 1.0  # for what this run has not done before


class Pace(Struct, frozen=True):
    """Seconds that the open items would take: those of exposure alone, and all; what a person decides aside."""

    mitigate: float
    whole: float


def pace(state: State, items: list[ItemState]) -> Pace:
    """Independent items of a band run at once; what waits for another takes its time after it."""
    left = {entry.item.id: entry for entry in items if entry.status not in SETTLED_ITEM}
    bands = {
        band: max((_ends(state, left, name) for name, one in left.items() if one.item.band == band), default=0.0)
        for band in (EXPOSURE_BAND, CODE_BAND, WORDS_BAND)
    }
    looks = [one.item.spec.get("traffic") for one in left.values() if one.item.band == VERIFY_BAND]
    reads = max((READ_BACK_S + (one["poll"] + one["window"] if one else 0.0) for one in looks), default=0.0)
    mitigate = bands[EXPOSURE_BAND] + reads
    return Pace(mitigate, mitigate + bands[CODE_BAND] + bands[WORDS_BAND])


def _ends(state: State, left: Mapping[str, ItemState], name: str) -> float:
    """When an item would be done, counted from the begin of its band. Needs never go round in a circle."""
    item = left[name].item
    before = [_ends(state, left, need) for need in item.needs if need in left and left[need].item.band == item.band]
    if item.only_looks:
        return max(before, default=0.0) + READ_BACK_S
    effects = (state.effects[one] for one in item.effects)
    took = [e.ended_at - e.at for e in effects if e.ended_at is not None and e.status == "done"]
    return max(before, default=0.0) + max(took, default=UNTIMED_S)


def per_minute(board: Mapping[str, Any], now: float) -> float | None:
    """Requests a minute on the new path, by the treatment of any signal that counts them; None where none does."""
    rates = [
        one.total * 60
        for one in readings(board, "signal:", Reading)
        if one.cohort == "treatment" and one.status == "ok" and one.total is not None and now - one.data_at <= STALE_S
    ]
    return max(rates, default=None)


def radius(board: Mapping[str, Any], now: float) -> str:
    """`5 200 requests/min`: how many meet the new path; "" where nobody counts them."""
    rate = per_minute(board, now)
    return "" if rate is None else f"{count(rate)} requests/min"


def about(seconds: float) -> str:
    """`about 3m20s`."""
    return f"about {duration(max(1.0, seconds))}"
