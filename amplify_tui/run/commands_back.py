"""The base of all commands, and those that pass a run on: to another, or its conductor. Read commands.py first."""

from __future__ import annotations

from msgspec import Struct

from amplify_tui.run.events_back import Via
from amplify_tui.run.shapes import WORDS_BAND
from amplify_tui.run.state import State


class Order(Struct, frozen=True, kw_only=True, tag_field="command"):
    """Base of every command. `id` is unique: a repeated one is answered with its first result."""

    id: str
    actor: str
    via: Via
    reason: str = ""


class Reverse(Order, frozen=True, tag=True):
    """Begin a run that takes back what *closed*, the state of another one, did. Given before there is a run.

    touched: by undo item, who changed its target later. problems, advice: what keeps it from beginning, such as a lock,
    and what to do then.
    """

    closed: State
    until_band: int = WORDS_BAND
    touched: dict[str, str] = {}
    problems: tuple[str, ...] = ()
    advice: str = ""
    engine: str = ""


class HandOver(Order, frozen=True, tag=True):
    """Make way for another conductor of this run, on *host*, that *has* a value for these secrets.

    The conductor adds by name which secrets the run *uses* and which of them it *lacks*.
    """

    host: str
    has: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


class Supersede(Order, frozen=True, tag=True):
    """*by* takes all over that there is to take back, and this run ends. instead_of: another that can never begin."""

    by: str
    instead_of: str = ""


class LeaveUndo(Order, frozen=True, tag=True):
    """*by* takes back what this closed run left, and nobody else does. instead_of: another that can never begin."""

    by: str
    instead_of: str = ""
