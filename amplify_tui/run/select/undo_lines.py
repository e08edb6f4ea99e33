"""The undo plan as rows by bands, what a mitigation would touch, and what cannot be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct

from amplify_tui.run.select.words import Sign, age, percent, safe, short
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
    waits_after,
)
from amplify_tui.run.undo_asks import contracts
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


ITEM_WORDS: Final[dict[ItemStatus, str]] = {"done": "undone", "kept": "kept"}
UNSENT: Final[dict[str, tuple[Sign, str]]] = {"maybe": ("unknown", "perhaps sent"), "no": ("failed", "not sent")}
Board: TypeAlias = Mapping[str, Any]


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


class Tally(Struct, frozen=True):
    """How far a plan is: every count of it on any screen is this one."""

    done: int
    total: int
    kept: int
    perhaps: int

    def __str__(self) -> str:
        more = [f"{self.kept} kept" if self.kept else "", f"{self.perhaps} perhaps not told" if self.perhaps else ""]
        return ", ".join([f"{self.done} of {self.total} done", *(part for part in more if part)])


class Touches(Struct, frozen=True):
    """What the whole plan would touch, in words, and how much of it is done."""

    summary: str
    tally: Tally
    cannot: tuple[str, ...]
    past_return: bool


def undo_rows(state: State, now: float, board: Board | None = None) -> tuple[UndoRow, ...]:
    """A row per item in the order of work: of the rollback under way; of the mitigation while one runs; else of the
    plan of a rollback that might start now. *board* tells how long a flag server has been silent.
    """
    items = items_shown(state)
    band = unfinished_band(items) if _is_under_way(state) else None
    return tuple(_row(state, entry, now, band, board or {}) for entry in items)


def _is_under_way(state: State) -> bool:
    return state.phase == "rolling_back" or (state.phase == "forward" and state.mitigation == "running")


def items_shown(state: State) -> list[ItemState]:
    """The items of the mitigation while one runs, else those of the rollback or of its plan."""
    mitigates = state.phase == "forward" and state.mitigation == "running"
    return mitigation_items(state) if mitigates else rollback_items(state)


def _row(state: State, entry: ItemState, now: float, band: int | None, board: Board) -> UndoRow:
    item = entry.item
    sign, word = standing(entry)
    if entry.status == "planned" and band is not None and item.band > band:
        word = f"waits for band {band}"
    return UndoRow(
        id=item.id,
        band=item.band,
        band_name=BAND_NAMES[item.band],
        sign=sign,
        target=safe(f"{item.target.kind} {item.target.id}", 60),
        change=change(item),
        word=f"{word} ({entry.decision})" if entry.decision and entry.status != "waived" else word,
        note=safe(item_note(state, entry, now, band, board), 240),
        cls=item.cls,
        by_hand=safe(item.by_hand),
        choosable=entry.status in ("blocked", "waiting"),
    )


def sent(entry: ItemState) -> str:
    """Of a correction that is done for the run: `maybe` where nobody answered, `no` where it was given up."""
    if entry.status != "done" or entry.effect is None:
        return ""
    return str(entry.effect.receipt.get("sent", ""))


def is_taken_back(entry: ItemState) -> bool:
    """Whether the item may be called undone: not a message that perhaps did not arrive."""
    return entry.status == "done" and sent(entry) not in UNSENT


def _stayed(entry: ItemState) -> str:
    """What an undo answered where it left its target alone, such as `kept: origin has it`."""
    observed = entry.effect.observed if entry.effect is not None else None
    return observed if entry.status == "done" and isinstance(observed, str) else ""


def standing(entry: ItemState) -> tuple[Sign, str]:
    """The sign and the word of an item; a message without an answer is never called undone."""
    if sent(entry) in UNSENT:
        return UNSENT[sent(entry)]
    if _stayed(entry).startswith("kept"):
        return "kept", "kept"
    if entry.status == "done" and entry.item.only_looks:
        return "done", "verified"
    return ITEM_SIGNS[entry.status], ITEM_WORDS.get(entry.status, entry.status)


def item_note(state: State, entry: ItemState, now: float, band: int | None, board: Board) -> str:
    """What an item waits for and for how long, which try this is, and why the one before was not the last."""
    match entry.status:
        case "planned":
            if band is not None and entry.item.band > band:
                return entry.detail
            waits = entry.detail or begins(state, entry, now)
            return ", ".join(part for part in (waits, silence(entry.item, now, board)) if part)
        case "running" | "waiting":
            return f"{asked(entry, now)}{_earlier(state, entry)}"
        case "done":
            return _how_it_ended(entry)
        case "blocked" | "waived" | "kept" | "manual":
            return entry.detail if entry.item.says != entry.detail else ""


def asked(entry: ItemState, now: float) -> str:
    """`no answer 2s, gives up in 6s, try 1`, then `no answer 9s, reading back, try 1: ReadTimeout`."""
    effect = entry.effect
    if effect is None:
        return entry.detail
    waited, reason = duration(max(0.0, now - effect.at)), brief(effect.reason)
    because = f": {reason}" if reason and not reason.startswith("no answer") else ""
    if effect.status == "done":
        return entry.detail
    if entry.item.only_looks and effect.status == "intended":
        return f"reading it back for {waited}, try {entry.tries}"
    match effect.status:
        case "intended" if effect.deadline > now:
            return f"no answer {waited}, gives up in {duration(effect.deadline - now)}, try {entry.tries}"
        case "intended":
            return f"no answer {waited}, past its time, try {entry.tries}"
        case "accepted":
            return f"accepted, waits {waited}{because}, try {entry.tries}"
        case "unknown":
            return f"no answer {waited}, reading back, try {entry.tries}{because}"
        case _:
            left = entry.not_before - now
            again = f"again in {duration(left)}" if left > 0 else "again now"
            return f"{again}, try {entry.tries + 1}{because}"


def _earlier(state: State, entry: ItemState) -> str:
    """Why there was more than one try: how the one before ended."""
    last = entry.effect
    before = [e for e in state.tries_of(entry.item.id) if last is not None and e.seq < last.seq]
    reason = brief(before[-1].reason) if before else ""
    return f" (before: {reason})" if reason and last is not None and reason not in last.reason else ""


def _how_it_ended(entry: ItemState) -> str:
    """Nothing where it went well at once: the trouble on the way is over."""
    if entry.effect is None:
        return entry.detail
    if sent(entry) in UNSENT:
        return f"{brief(str(entry.effect.receipt.get('why', '')) or 'no answer')}; tell them yourself, or ask"
    if _stayed(entry):
        return safe(_stayed(entry), 120)
    return f"on try {entry.tries}" if entry.tries > 1 else ""


def begins(state: State, entry: ItemState, now: float) -> str:
    """`no answer 3s, read before the write, try 1`: a target is looked at before its undo is written down, and where
    it is silent that takes its time, too.
    """
    if not _is_under_way(state) or entry.item.needs or entry.effect is not None:
        return ""
    waited = now - max(state.last_at, state.rollback_at or 0.0)
    return f"no answer {duration(waited)}, read before the write, try {entry.tries + 1}" if waited >= 1.0 else ""


def brief(reason: str) -> str:
    """A reason without the address that an adapter put at its end: that is for the log."""
    return safe(reason.partition("; at ")[0], 120)


def silence(item: UndoItem, now: float, board: Board) -> str:
    """How long the flag server of an item has been silent; empty where it answers, or nobody knows."""
    if item.target.kind != "flag":
        return ""
    ids = (f"flag:{item.target.id}", f"/{item.target.id}")
    found = (board[key] for key in board if key == ids[0] or (key.startswith("flag:") and key.endswith(ids[1])))
    raw = next(found, None)
    if not isinstance(raw, dict) or raw.get("status") not in ("error", "stale"):
        return ""
    heard = raw.get("data_at")
    at = float(heard) if isinstance(heard, (int, float)) else 0.0
    ago = f"last heard {age(at, now)} ago" if at else "never heard"
    return f"{safe(raw.get('source', 'the flag server'), 24)} is silent, {ago}"


def change(item: UndoItem) -> str:
    """What taking it back does: its own sentence, else after → before; what is kept says why."""
    if item.cls == "none":
        return kept_words(item)
    return safe(item.says, 160) if item.says else f"{short(item.after)} → {short(item.before)}"


def tally(items: list[ItemState]) -> Tally:
    """Items that are settled, of those that can be taken back; what is kept is counted apart."""
    undoable = [entry for entry in items if entry.status != "kept"]
    return Tally(
        done=sum(entry.status in SETTLED_ITEM for entry in undoable),
        total=len(undoable),
        kept=len(items) - len(undoable),
        perhaps=sum(sent(entry) in UNSENT for entry in items),
    )


def touches(state: State, items: list[ItemState] | None = None) -> Touches:
    """What *items* touch; without them all of the rollback."""
    items = rollback_items(state) if items is None else items
    kinds: dict[str, int] = {}
    for entry in items:
        if not entry.item.only_looks and entry.status != "kept" and not entry.never_happened:
            kind = _kind(entry.item)
            kinds[kind] = kinds.get(kind, 0) + 1
    summary = ", ".join(plural(n, safe(kind, 24)) for kind, n in kinds.items())
    cannot = tuple(kept_words(e.item) for e in items if e.item.cls == "none")
    return Touches(summary or "nothing", tally(items), cannot, bool(contracts(state)))


def _kind(item: UndoItem) -> str:
    """A tag that is out is withdrawn by another one, and none is taken away: that is no second tag of the release."""
    return "withdrawn tag" if item.spec.get("do") == "withdraw" else item.target.kind


def kept_words(item: UndoItem) -> str:
    """What stays, without the word that every screen puts before it."""
    return safe((item.says or item.target.id).removeprefix("kept: "), 80)


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
            if blocked:
                return f"BLOCKED on {safe(blocked.item.target.id, 40)}"
            return "WAITS" if waits_after(state) else "ROLLING BACK"
