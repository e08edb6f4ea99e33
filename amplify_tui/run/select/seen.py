"""What applications really evaluate of one flag, as the panel and the screen say it: lines, without a state.

The board holds a reading per flag and origin: what SDKs tell the flag server, and what a service counts by variant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from amplify_tui.run.select.words import Sign, age, safe
from amplify_tui.verdict.exposure import in_words
from amplify_tui.verdict.model import ExposureReading

FINDING: Final = 300
FRESH_S: Final = 5.0  # as fresh as the panel itself says that it is


class Seen(Struct, frozen=True):
    """One line: a sign, what was seen beside what was asked for (or what is wrong), and how old that is."""

    sign: Sign
    text: str
    extra: str = ""


def readings_of(board: Mapping[str, Any], flag: str) -> list[ExposureReading]:
    """What the board knows of *flag* (`source/name`): what is off first, then what tells most.

    What has another shape is left out.
    """
    found = [_of(board[key]) for key in sorted(key for key in board if key.startswith(f"seen:{flag}:"))]
    return sorted((one for one in found if one is not None), key=_rank)


def _of(value: Any) -> ExposureReading | None:
    try:
        return msgspec.convert(value, ExposureReading, strict=False)
    except msgspec.ValidationError:  # None is one too: nobody gets the flag any more
        return None


def _rank(one: ExposureReading) -> tuple[bool, ...]:
    """A share that is off comes first: the fit of another origin must not hide it."""
    return (one.fits is not False, one.status != "ok", one.fits is None, one.origin == "usage")


def seen_lines(board: Mapping[str, Any], flag: str, now: float, *, all_: bool = False) -> list[Seen]:
    """The share seen beside the share asked for, and each thing that is wrong with it; nothing where nobody looks.

    *all_* says what every origin saw, and what is likely meant so; else the one that tells most, and the warnings.
    """
    readings = readings_of(board, flag)
    lines = [_line(one, now, whole=all_) for one in (readings if all_ else readings[:1])]
    findings = [finding for one in readings for finding in one.findings if finding.warns or all_]
    return lines + [Seen("note" if one.warns else "none", safe(one.text, FINDING)) for one in findings]


def _line(reading: ExposureReading, now: float, *, whole: bool) -> Seen:
    passed = now - reading.data_at
    origin = f" ({safe(reading.origin, 40)})" if whole else ""
    when = age(reading.data_at, now) if whole or passed > FRESH_S else ""
    if reading.status != "ok":
        word = {"error": "cannot be read, ", "stale": "old, "}.get(reading.status, "")
        return Seen("unknown", f"share seen: {word}{safe(reading.note, 120) or 'none told'}{origin}", when)
    sign: Sign = "failed" if reading.fits is False else "done" if reading.fits else "unknown"
    if passed > reading.max_age:
        sign, when = "unknown", f"old {age(reading.data_at, now)}"
    return Seen(sign, f"{safe(in_words(reading), 120)}{origin}", when)
