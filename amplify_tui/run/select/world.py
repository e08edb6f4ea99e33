"""The live world beside the run, as panels say it: health, git, people; flags.py has the flags, signals.py the signals.

The board holds plain JSON that the conductor posts. What is not there reads as a dash, what is old says how old, what
cannot be read says so: healthy is never the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from amplify_tui.run.select.words import NO_VALUE, Sign, age, safe
from amplify_tui.run.state import State
from amplify_tui.verdict.model import InstanceReading

T = TypeVar("T")
Board = Mapping[str, Any]

STALE_GIT: Final = 120.0  # origin is asked every 30 s
STATUS_WORDS: Final = {"nodata": "no data", "stale": "old", "foreign": "not of this run"}


class Row(Struct, frozen=True):
    """One line of a panel: a sign, a name, what is known of it; `course` is drawn as far as there is room.

    part: it belongs to the row above, and counts with it. more: what is said in a line of its own where there is room.
    """

    sign: Sign
    name: str
    text: str
    extra: str = ""
    course: str = ""
    part: bool = False
    more: str = ""


class Panel(Struct, frozen=True):
    """A panel: its title, where it comes from, how old that is, whether to believe it, and its lines."""

    title: str
    source: str
    age: str
    word: str
    sign: Sign
    rows: tuple[Row, ...]

    @property
    def is_good(self) -> bool:
        return self.sign == "done"


def read(board: Board, key: str, kind: type[T]) -> T | None:
    """The value under *key* as *kind*; None where it is absent or is not of that shape."""
    value = board.get(key)
    if value is None:
        return None
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        return None


def readings(board: Board, prefix: str, kind: type[T]) -> list[T]:
    """Every value under a key that begins with *prefix*, ordered by key; what has another shape is left out."""
    found = (read(board, key, kind) for key in sorted(board) if key.startswith(prefix))
    return [reading for reading in found if reading is not None]


def fresh(status: str, at: float, now: float, limit: float) -> tuple[str, Sign]:
    """The word and sign of a source: its status, or `old` where it is ok but older than *limit*."""
    if status != "ok":
        return STATUS_WORDS.get(status, status), "unknown"
    return ("old", "unknown") if now - at > limit else ("ok", "done")


def worst(words: list[tuple[str, Sign]]) -> tuple[str, Sign]:
    """The first word that is not well; of nothing, that there is no data."""
    bad = [entry for entry in words if entry[1] != "done"]
    return bad[0] if bad else words[0] if words else ("no data yet", "unknown")


def health_panel(state: State, board: Board, now: float) -> Panel:
    """A row per service: how many instances are well, at which versions, and what is wrong."""
    by_service: dict[str, list[InstanceReading]] = {}
    for reading in readings(board, "health:", InstanceReading):
        by_service.setdefault(reading.service, []).append(reading)
    names = [*state.services, *(name for name in by_service if name not in state.services)]
    rows, words = [], []
    oldest: float | None = None
    for name in names:
        units = by_service.get(name, [])
        limit = state.services[name].max_age if name in state.services else 15.0
        marks = [fresh(u.status, u.data_at, now, limit) for u in units]
        words += marks or [("no data yet", "unknown")]
        for unit in units:
            oldest = unit.data_at if oldest is None else min(oldest, unit.data_at)
        rows.append(_service(name, units, marks, _wanted(state, name, units), now))
    word, sign = worst(words)
    if any(row.sign == "failed" for row in rows):
        word, sign = "not well", "failed"
    return Panel("HEALTH", "", age(oldest, now), word, sign, tuple(rows))


def _wanted(state: State, name: str, units: list[InstanceReading]) -> int:
    return len(state.services[name].instances) if name in state.services else len(units)


def _service(name: str, units: list[InstanceReading], marks: list[tuple[str, Sign]], total: int, now: float) -> Row:
    well = sum(unit.ok is True and mark[1] == "done" for unit, mark in zip(units, marks, strict=True))
    versions = sorted({safe(u.version or NO_VALUE, 20) for u in units}) or [NO_VALUE]
    notes = []
    for unit, mark in zip(units, marks, strict=True):
        if unit.ok is False:
            notes.append(f"{safe(unit.instance, 24)} not ok {safe(unit.note, 40)}".strip())
        elif mark[1] != "done" or unit.ok is None:
            notes.append(
                f"{safe(unit.instance, 24)} {mark[0] if mark[1] != 'done' else 'silent'} {age(unit.data_at, now)}"
            )
    words = {mark[0] for mark in marks}
    if len(units) > 1 and len(words) == 1 and marks[0][1] != "done" and not any(unit.ok is False for unit in units):
        notes = [f"all {marks[0][0]} {age(min(unit.data_at for unit in units), now)}"]
    failed = any(unit.ok is False for unit in units)
    sign: Sign = "failed" if failed else "done" if well == total and total else "unknown"
    return Row(sign, safe(name, 24), f"{well}/{total}  {' '.join(versions)}", "; ".join(notes[:2]))


def git_panel(state: State, board: Board, now: float) -> Panel:
    """The repository: where it stands, the tag of the release and whether it is pushed."""
    git = board.get("git")
    if not isinstance(git, dict):
        subject = state.subject
        rows = (Row("unknown", "sha", subject.sha[:7] if subject else NO_VALUE),)
        return Panel("GIT", "", NO_VALUE, "no data yet", "unknown", rows)
    at = git.get("at")
    seen = float(at) if isinstance(at, (int, float)) else 0.0
    word, sign = fresh(str(git.get("status", "")) or "unknown", seen, now, STALE_GIT)
    rows_ = [
        Row("none", safe(git.get("branch") or NO_VALUE, 40), safe(str(git.get("sha") or NO_VALUE)[:7]), _distance(git))
    ]
    if git.get("tag"):
        rows_.append(Row("none", safe(git["tag"], 40), safe(git.get("tag_state") or NO_VALUE, 40)))
    if git.get("note"):
        rows_.append(Row("note", "", safe(git["note"], 80)))
    return Panel("GIT", "origin", age(seen, now), safe(word, 20), sign, tuple(rows_))


def _distance(git: dict[str, Any]) -> str:
    parts = [f"{git[name]} {name}" for name in ("ahead", "behind") if isinstance(git.get(name), int) and git[name]]
    if git.get("dirty"):
        parts.append("DIRTY")
    return ", ".join(parts)


def people_panel(state: State) -> Panel:
    """Who started the run, who holds which role, and which roles anybody may claim."""
    rows = [Row("none", "started by", safe(state.starter, 40) or NO_VALUE)]
    for role, actors in state.roles.items():
        rows.append(Row("none", safe(role, 20), safe(", ".join(actors), 60) if actors else "(may be claimed)"))
    return Panel("PEOPLE", "", "", "", "done", tuple(rows))


def conductor_age(state: State, board: Board, now: float) -> tuple[Sign, str]:
    """`● conductor 3s`: how long ago the conductor last said something on the board."""
    beat = board.get("conductor")
    at = beat.get("at") if isinstance(beat, dict) else None
    if isinstance(at, (int, float)):
        quiet = now - float(at)
        return ("done" if abs(quiet) <= 10.0 else "unknown"), f"conductor {age(float(at), now)}"
    if state.phase in ("closed", "none"):
        return "none", ""
    return "unknown", "no conductor yet" if not state.conductor.attached else "conductor silent"


def pinned_words(state: State, board: Board) -> str:
    """`pinned 3f2a, file is 91bc, D shows the difference`: where the run could go by another text; else ""."""
    found = board.get("file")
    if not isinstance(found, dict) or state.phase not in ("draft", "forward"):
        return ""
    sha = str(found.get("sha", ""))
    if not sha:
        return f"pinned {state.bundle_sha[:4]}, its file cannot be read: the run does not need it"
    return (
        "" if sha == state.bundle_sha else f"pinned {state.bundle_sha[:4]}, file is {sha[:4]}, D shows the difference"
    )
