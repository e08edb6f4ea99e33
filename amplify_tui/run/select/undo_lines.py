"""The undo plan as rows by bands, what a mitigation would touch, and what cannot be taken back."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from amplify_tui.run.select.words import Sign, percent, safe, short
from amplify_tui.run.shapes import EXPOSURE_BAND, UndoItem
from amplify_tui.run.state import State
from amplify_tui.run.undo import (
    BAND_NAMES,
    SETTLED_ITEM,
    ItemState,
    ItemStatus,
    exposure_plan,
    mitigation_items,
    rollback_items,
    unfinished_band,
)
from amplify_tui.verdict.words import duration, plural

ITEM_SIGNS: Final[dict[ItemStatus, Sign]] = {
    "planned": "later",
    "running": "active",
    "waiting": "unknown",
    "blocked": "failed",
    "done": "undone",
    "waived": "skipped",
    "kept": "kept",
    "manual": "note",
}


class UndoRow(Struct, frozen=True):
    """One line of the plan. `change` reads `50 % → off`; `note` is what it waits for, or why it is blocked."""

    id: str
    band: int
    band_name: str
    sign: Sign
    target: str
    change: str
    word: str
    note: str
    cls: str
    by_hand: str
    choosable: bool = False


class Touches(Struct, frozen=True):
    """What the whole plan would touch, in words, and how much of it is done."""

    summary: str
    done: int
    total: int
    cannot: tuple[str, ...]
    past_return: bool


def rows(items: list[ItemState], now: float) -> tuple[UndoRow, ...]:
    """A row per item, in the order of work."""
    band = unfinished_band(items)
    return tuple(_row(entry, now, band) for entry in items)


def undo_rows(state: State, now: float) -> tuple[UndoRow, ...]:
    """The rollback under way; the mitigation while one runs; else the plan of a rollback that might start now."""
    if state.phase == "forward" and state.mitigation == "running":
        return rows(mitigation_items(state), now)
    return rows(rollback_items(state), now)


def _row(entry: ItemState, now: float, band: int | None) -> UndoRow:
    item = entry.item
    note = safe(entry.detail, 160)
    if entry.status == "waiting" and entry.not_before > now:
        note = f"{note}, again in {duration(entry.not_before - now)}"
    if entry.status == "planned" and band is not None and item.band > band:
        note = f"waits for band {band}"
    if entry.tries > 1 or entry.status == "waiting":
        note = f"{note}, try {entry.tries}".lstrip(", ")
    word = {"done": "undone", "kept": "not undoable"}.get(entry.status, entry.status)
    return UndoRow(
        id=item.id,
        band=item.band,
        band_name=BAND_NAMES[item.band],
        sign=ITEM_SIGNS[entry.status],
        target=safe(f"{item.target.kind} {item.target.id}", 60),
        change=change(item),
        word=f"{word} ({entry.decision})" if entry.decision and entry.status != "waived" else word,
        note=note,
        cls=item.cls,
        by_hand=safe(item.by_hand),
        choosable=entry.status in ("blocked", "waiting"),
    )


def change(item: UndoItem) -> str:
    """What taking it back does: its own sentence, else after → before."""
    return safe(item.says, 160) if item.says else f"{short(item.after)} → {short(item.before)}"


def touches(state: State) -> Touches:
    """The second line of the rollback screen."""
    items = rollback_items(state)
    kinds: dict[str, int] = {}
    for entry in items:
        if entry.item.band != 2:
            kinds[entry.item.target.kind] = kinds.get(entry.item.target.kind, 0) + 1
    summary = ", ".join(plural(n, safe(kind, 24)) for kind, n in kinds.items())
    undoable = [entry for entry in items if entry.status != "kept"]
    done = sum(entry.status in SETTLED_ITEM for entry in undoable)
    cannot = tuple(safe(e.item.says or e.item.target.id, 80) for e in items if e.item.cls == "none")
    contracted = any(
        e.status == "done" and e.undo is not None and e.undo.spec.get("data") == "contract"
        for e in state.effects.values()
    )
    return Touches(summary or "nothing", done, len(undoable), cannot, contracted)


def mitigation_preview(state: State) -> tuple[str, ...]:
    """What `M Y` would take away: a line per flag; empty where nothing is exposed by this run."""
    lines = []
    for item in exposure_plan(state):
        if item.band == EXPOSURE_BAND:
            now = state.exposure.get(item.target.id)
            at = f"now {percent(now)}: " if now is not None else ""
            lines.append(f"{safe(item.target.id, 60)}  {at}{change(item)}")
    return tuple(lines)


def rollback_state(state: State) -> str:
    """`ready`, `mitigating`, `rolling back`, `blocked on …`, `rolled back`: the title's word."""
    match state.phase:
        case "none" | "draft":
            return "nothing to undo yet"
        case "closed":
            return (state.outcome or "closed").replace("_", " ")
        case "forward" if state.mitigation == "running":
            return "MITIGATING"
        case "forward":
            return "mitigated, held" if state.mitigation == "done" else "ready"
        case "rolling_back":
            blocked = next((e for e in rollback_items(state) if e.status == "blocked"), None)
            return f"BLOCKED on {safe(blocked.item.target.id, 40)}" if blocked else "ROLLING BACK"
