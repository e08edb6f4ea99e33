"""The base of all events, and those of taking back: what was begun, decided, seen, proved. Read events.py first."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from amplify_tui.run.shapes import WORDS_BAND, UndoItem

Via = Literal["key", "cli", "timer", "trigger", "engine"]


class Data(Struct, frozen=True, kw_only=True):
    """Base of every event's data."""


class RollbackStarted(Data, frozen=True):
    scope: Literal["full"]
    plan: tuple[UndoItem, ...]
    reason: str = ""
    force_order: bool = False
    until_band: int = WORDS_BAND


class Superseded(Data, frozen=True):
    """The run *by* has taken over all that there is to take back of this one."""

    by: str


class Reversed(Data, frozen=True):
    """The run *by* takes back all that this closed one left."""

    by: str


class UndoDecided(Data, frozen=True):
    effect: str
    choice: Literal["restore", "ours", "kill", "waive", "retry"]
    reason: str = ""


class ExposureReread(Data, frozen=True):
    """One more look at what the verification *effect* had found off: whether it still is."""

    effect: str
    agrees: bool
    percent: float = 0.0
    observed: Any = None
    detail: str = ""


class MitigationStarted(Data, frozen=True):
    plan: tuple[UndoItem, ...]
    reason: str = ""


class MitigationDone(Data, frozen=True):
    verified_at: float


class IntegrityJudged(Data, frozen=True):
    check: str
    verdict: Literal["pass", "fail", "error"]
    when: Literal["baseline", "after", "backwards", "traffic"]
    detail: str = ""
