"""The signals of a run as the panel and the gate screen say them: the last value and the course before it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from amplify_tui.run.select.words import NO_VALUE, age, safe
from amplify_tui.run.select.world import Board, Panel, Row, fresh, read, worst
from amplify_tui.run.state import State
from amplify_tui.verdict.model import Reading, Status
from amplify_tui.verdict.promises import shown_rule
from amplify_tui.verdict.words import Unit, quantity

COURSE: Final = "course:"
KEPT: Final = 60  # readings of a course
SPARKS: Final = "▁▂▃▄▅▆▇█"
TOGETHER_S: Final = 0.25  # the cohorts of one poll answer within so long


class Point(Struct, frozen=True, array_like=True):
    """One reading, as small as it can be: the conductor sends them all again with each new one."""

    at: float
    heard: float
    value: float | None
    n: float | None
    status: Status


class Sample(Struct, frozen=True):
    """What one poll said: of the treatment (or of the only cohort there is), and of control. at: the data's time."""

    at: float
    mine: Point | None
    control: Point | None


def point_of(reading: Reading) -> Point:
    return Point(reading.data_at, reading.received_at, reading.value, reading.n, reading.status)


def key_of(signal: str, cohort: str | None) -> str:
    """The board's key of a signal's course."""
    return f"{COURSE}{signal}:{cohort}" if cohort else f"{COURSE}{signal}"


def points(board: Mapping[str, Any], signal: str, cohort: str | None) -> Sequence[Point]:
    """The course of one cohort, oldest first; nothing where the board has none."""
    return read(board, key_of(signal, cohort), list[Point]) or ()


def samples(board: Mapping[str, Any], signal: str) -> list[Sample]:
    """The polls of a signal, newest first; a cohort that did not answer with the other stands alone."""
    mine = sorted((*points(board, signal, None), *points(board, signal, "treatment")), key=lambda one: one.heard)
    control = sorted(points(board, signal, "control"), key=lambda one: one.heard)
    found: list[Sample] = []
    while mine or control:
        newest = max(part[-1].heard for part in (mine, control) if part) - TOGETHER_S
        one = mine.pop() if mine and mine[-1].heard >= newest else None
        other = control.pop() if control and control[-1].heard >= newest else None
        found.append(Sample(max(point.at for point in (one, other) if point is not None), one, other))
    return found


def unit_of(reading: Reading, known: Mapping[str, Unit]) -> Unit:
    """The unit in which a gate reads the signal; before there is a gate (in a draft) what the reading itself tells."""
    if reading.signal in known:
        return known[reading.signal]
    if reading.total is not None:
        return "share"
    return "latency" if "latency" in reading.signal.lower() else "number"


def units_of(state: State) -> dict[str, Unit]:
    """The unit of each signal that some gate reads: a share, a latency, or just a number."""
    terms = [term for step in state.steps.values() if step.watch is not None for term in step.watch.gate]
    rules = [rule for term in terms if (rule := shown_rule(term)) is not None]
    return {rule.signal: rule.unit for rule in rules}


def signals_panel(state: State, board: Board, now: float) -> Panel:
    """The golden signals as last read, each cohort on its own line with its course."""
    units = units_of(state)
    rows, words = [], []
    oldest: float | None = None
    for key in sorted(k for k in board if k.startswith("signal:")):
        reading = read(board, key, Reading)
        if reading is None:
            rows.append(Row("unknown", safe(key.removeprefix("signal:"), 30), NO_VALUE, "unreadable"))
            continue
        mark = fresh(reading.status, reading.data_at, now, 60.0)
        words.append(mark)
        oldest = reading.data_at if oldest is None else min(oldest, reading.data_at)
        name = safe(f"{reading.signal} {reading.cohort}" if reading.cohort else reading.signal, 30)
        known = reading.value is not None and reading.status == "ok"
        value = quantity(reading.value or 0.0, unit_of(reading, units)) if known else NO_VALUE
        course = spark(points(board, reading.signal, reading.cohort))
        note = "" if mark[1] == "done" else f"{mark[0]} {age(reading.data_at, now)}"
        rows.append(Row(mark[1], name, value, note, course))
    word, sign = worst(words)
    return Panel("SIGNALS", "", age(oldest, now), word, sign, tuple(rows))


def spark(course: Sequence[Point], width: int = 12) -> str:
    """The last *width* points as a line of bars; what was no number is a gap."""
    last = [point.value for point in course[-width:]]
    known = [value for value in last if value is not None and math.isfinite(value)]
    if not known:
        return ""
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    return "".join(
        SPARKS[int((value - low) / span * (len(SPARKS) - 1))] if value is not None and low <= value <= high else " "
        for value in last
    )
