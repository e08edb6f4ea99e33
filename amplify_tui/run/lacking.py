"""What waits for a secret that has no value where the conductor runs; a conductor that leaves for want of it. Pure."""

from __future__ import annotations

from typing import Final

from amplify_tui.run.secret_words import not_set
from amplify_tui.run.state import State
from amplify_tui.run.undo import ItemState, items_under_way

NO_SECRET: Final = "NoSecret"  # noqa: S105  # no password: the error of an effect that was not begun for want of one


def is_leaving(state: State) -> bool:
    """Whether its conductor has made way for another one, and begins nothing any more."""
    return state.phase != "closed" and not state.conductor.attached


def waiting_for_secrets(state: State) -> list[ItemState]:
    """Undo items whose last try had no secret; each is tried again."""
    items = items_under_way(state)
    return [e for e in items if e.status == "waiting" and e.effect is not None and e.effect.error == NO_SECRET]


def waits_for(state: State, secret: str) -> bool:
    """Whether an undo item waits for a value of that one."""
    found = waiting_for_secrets(state)
    return any(not_set(secret) in entry.effect.reason for entry in found if entry.effect is not None)
