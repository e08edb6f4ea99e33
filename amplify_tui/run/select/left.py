"""What a rollback or a mitigation has not done yet, for somebody at a prompt: who has to do what, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amplify_tui.run.select.words import safe
from amplify_tui.run.shapes import EXPOSURE_BAND, WORDS_BAND
from amplify_tui.run.state import State
from amplify_tui.run.undo import SETTLED_ITEM, ItemState, is_retriable

_FOR_FLAGS: Final = "ours|kill|restore|waive"
_FOR_OTHERS: Final = "restore|waive"


def what_is_left(state: State, items: Sequence[ItemState]) -> list[str]:
    """A line or more an item that is not settled: the command that decides about it where it waits for a person, else
    the line that does it by hand. What a person has to decide is never said to be done by hand: it may do harm.
    """
    unsettled = [entry for entry in items if entry.status not in SETTLED_ITEM]
    left = [entry for entry in unsettled if not entry.item.only_looks]
    blocked = [entry for entry in unsettled if entry.status == "blocked"]
    looked = [e for e in unsettled if e.item.only_looks and e.status == "waiting" and has_failed(e)]
    band = min((entry.item.band for entry in blocked), default=WORDS_BAND + 1)
    lines = [line for entry in blocked for line in _decides(state, entry)]
    lines += [line for entry in looked for line in _waives(state, entry)]
    lines += [_by_hand(entry) for entry in left if entry.status != "blocked" and entry.item.band <= band]
    if waiting := sum(entry.status != "blocked" and entry.item.band > band for entry in left):
        lines.append(f"{waiting} more wait for that")
    return [*lines, f"`amplify attach {state.run}` shows all of it (R); what can go on by itself does"]


def has_failed(entry: ItemState) -> bool:
    """Whether its last try came to nothing, so that its detail says why."""
    return entry.effect is not None and entry.effect.status == "absent"


def _decides(state: State, entry: ItemState) -> list[str]:
    item = entry.item
    choices = _FOR_FLAGS if item.band == EXPOSURE_BAND else _FOR_OTHERS
    order = f"amplify do {state.run}"
    ways = [f"`{order} retry {item.id}`"] if is_retriable(entry) else []
    if state.phase == "rolling_back":
        ways.append(f"`{order} decide-undo {item.id} {choices} --reason WHY`")
    else:  # a mitigation is tried again; what else may be decided is for a rollback
        ways.append(f"`amplify rollback {state.run}`, where it can be decided otherwise")
    return [
        f"{safe(item.target.id, 60)} waits for a person: {safe(entry.detail, 240)}",
        f"  {', or '.join(ways)}",
    ]


def _waives(state: State, entry: ItemState) -> list[str]:
    item = entry.item
    return [
        f"{safe(item.target.id, 60)}: {safe(entry.detail, 240)}",
        f"  looked at again until that is mended; or `amplify do {state.run} decide-undo {item.id} waive --reason WHY`",
    ]


def _by_hand(entry: ItemState) -> str:
    return f"{safe(entry.item.target.id, 60)}: {safe(entry.item.by_hand or entry.item.says, 2000)}"
