"""Whose turn it is among the undo items: band after band, and inside one whatever waits for nothing. Pure."""

from __future__ import annotations

from amplify_tui.run.shapes import CODE_BAND, EXPOSURE_BAND, VERIFY_BAND, WORDS_BAND
from amplify_tui.run.state import State
from amplify_tui.run.undo import (
    SETTLED_ITEM,
    ItemState,
    held_up_by,
    item_state,
    items_under_way,
    plan_under_way,
    unfinished_band,
)


def ready_items(state: State, items: list[ItemState], now: float) -> list[ItemState]:
    """Items to act on now: code waits until exposure is verified off, data for code, and words for all of them.

    Inside a band independent items go on when one fails; an item waits for what it names in `needs`.
    """
    done = {i.item.id for i in items if i.status in SETTLED_ITEM}
    band = unfinished_band([i for i in items if i.item.band != WORDS_BAND])
    ready = []
    for entry in items:
        item = entry.item
        due = entry.status == "planned" or (
            entry.status == "waiting" and entry.effect is not None and entry.effect.status == "absent"
        )
        if not due or entry.not_before > now or not set(item.needs) <= done or held_up_by(state, item):
            continue
        if item.band == WORDS_BAND:
            if band is None:
                ready.append(entry)
        elif (
            item.band == band
            or (item.band == VERIFY_BAND and band == EXPOSURE_BAND)
            or (state.force_order and item.band == CODE_BAND)
        ):
            ready.append(entry)
    return ready


def is_turn_of(state: State, name: str, now: float) -> bool:
    """Whether the undo item of that id may be begun now.

    Of exposure and its verification only the item and what it needs are looked at: no band comes before theirs, and a
    release of a hundred flags asks this for each of them while users still get what burns.
    """
    plan, label = plan_under_way(state)
    item = next((item for item in plan if item.id == name), None)
    if item is None:
        return False
    if item.band in (EXPOSURE_BAND, VERIFY_BAND):
        items = [item_state(state, one, label) for one in plan if one is item or one.id in item.needs]
    else:
        items = items_under_way(state)
    return name in {entry.item.id for entry in ready_items(state, items, now)}
