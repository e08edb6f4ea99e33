"""A target that answers again: what waited for it is tried, or looked at, at once and not when its backoff is over."""

from __future__ import annotations

from amplify_tui.engine.board import Board
from amplify_tui.run.agenda import Todo
from amplify_tui.run.lacking import NO_SECRET
from amplify_tui.run.state import State
from amplify_tui.run.undo import ItemState, is_retriable, items_under_way


def retriable_now(state: State, board: Board) -> list[ItemState]:
    """Undo items that failed for want of an answer, whose target has answered since, or of a secret, at another
    conductor, which may have lacked what this one has.

    Only of undo: no forward effect starts again because a system came back (states.md 6.4).
    """
    return [
        entry
        for entry in items_under_way(state)
        if is_retriable(entry)
        and entry.effect is not None
        and entry.effect.retryable
        and (is_back(entry, board) or _had_no_secret(state, entry))
    ]


def is_back(entry: ItemState, board: Board) -> bool:
    """Whether the target has answered since the item's last try ended."""
    ended = entry.effect.ended_at if entry.effect is not None else None
    return board.back_since(entry.item.target.id) > (ended or 0.0)


def _had_no_secret(state: State, entry: ItemState) -> bool:
    last, us = entry.effect, state.conductor
    return us.attached and last is not None and last.error == NO_SECRET and (last.ended_at or 0.0) < us.at


def probes_now(state: State, board: Board) -> list[Todo]:
    """Looks at unknown effects whose target has answered since the last look in vain."""
    if state.phase not in ("forward", "rolling_back"):
        return []
    return [
        Todo(kind="probe", effect=effect)
        for effect in state.effects.values()
        if effect.status == "unknown"
        and board.back_since(effect.target.id) > (effect.probed_at or effect.unknown_since)
    ]
