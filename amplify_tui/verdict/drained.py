"""Has the new path run dry? What a signal of the treatment says once nobody should get the flag any more. Pure.

A flag that reads as off is off for who asks the flag server; an application that has stopped polling goes on as before
(one of eight servers was enough for Knight Capital). So exposure counts as gone once the treatment's requests are, in a
window that lies wholly after the applications' next poll. Metrics that say nothing hold up no rollback.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from amplify_tui.verdict.model import Reading
from amplify_tui.verdict.words import count, duration

UNSEEN_S: Final = 30.0  # how much longer than a reading takes one is waited for


class Drained(NamedTuple):
    """pass: nobody gets it. fail: somebody does. error: nobody can say. `detail` in words."""

    verdict: Literal["pass", "fail", "error"]
    detail: str


def drained(reading: Reading | None, off_at: float, poll: float, window: float, now: float) -> Drained | None:
    """What the latest *reading* of the treatment says at *now* of exposure that was taken away at *off_at*.

    All in Unix seconds and seconds. poll: how long applications may take to hear of it. None: it is too early to say.
    """
    heard_by = off_at + poll
    if reading is not None and reading.window_from >= heard_by:
        if reading.status == "nodata" or (reading.status == "ok" and not (reading.total or 0.0) > 0.0):
            return Drained("pass", "")
        if reading.status == "ok":
            rate, lasting = count((reading.total or 0.0) * 60), duration(max(1.0, now - off_at))
            return Drained("fail", f"{rate} requests/min still get it, {lasting} after it was off")
    if now > heard_by + 2 * window + UNSEEN_S:
        return Drained("error", "nobody counts who still gets it: its metrics are silent")
    return None
