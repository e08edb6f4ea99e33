"""Alerts as evidence: only what turned red since the phase began counts; what was red before is somebody else's.

A release must not be held, or taken back, for a fire that burnt before it; and one that begins again is a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from amplify_tui.playbook.model import Limit
from amplify_tui.verdict import words
from amplify_tui.verdict.model import Reading

# An alert has waited out its own `for`: one reading of it is enough.
LIMIT: Final = Limit(above=0.0, for_=0.0)


def counted_since(readings: Sequence[Reading], since: float) -> list[Reading]:
    """The readings with the number of alerts that turned red at or after *since* as their value."""
    return [
        replace(reading, value=float(_new(reading, since))) if reading.value is not None else reading
        for reading in readings
    ]


def said(readings: Sequence[Reading], since: float) -> str:
    """`1 alert turned red; 2 that were red before do not count`: of the last fresh reading, in words."""
    last = max((one for one in readings if one.status == "ok"), key=lambda one: one.received_at, default=None)
    if last is None:
        return "no alert is known"
    new = _new(last, since)
    old = len(last.red) - new
    first = f"{words.plural(new, 'alert')} turned red" if new else "no alert turned red"
    before = f"; {old} that {'was' if old == 1 else 'were'} red before {'does' if old == 1 else 'do'} not count"
    return f"{first}{before if old else ''}"


def _new(reading: Reading, since: float) -> int:
    return sum(moment >= since for moment in reading.red)
