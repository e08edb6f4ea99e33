"""Orders of a person at the keys: built with a fresh id and sent; the answer becomes one line.

Nothing is decided here: every order goes through the one door, and its Refusal is shown in its own words.
"""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import uuid4

import msgspec

from amplify_tui.engine.client import Queued
from amplify_tui.engine.wire import Answer
from amplify_tui.run.commands import Order
from amplify_tui.run.select.words import command_words, refused

O = TypeVar("O", bound=Order)  # noqa: E741  # one order in, the same kind out


def order(kind: type[O], actor: str, **fields: Any) -> O:
    """An order of *actor*, by key, with an id of its own."""
    return kind(id=uuid4().hex, actor=actor, via="key", **fields)


def as_command(command: Order) -> dict[str, Any]:
    """What the wire carries."""
    made: dict[str, Any] = msgspec.to_builtins(command)
    return made


def words(command: Order, answer: Answer | Queued) -> str:
    """The message line for an answer: sign first, then what happened."""
    name = command_words(str(type(command).__struct_config__.tag or type(command).__name__))
    match answer:
        case Queued(reason=reason):
            return f"? {name} is written down, not done: {reason}"
        case Answer(ok=True, seq=seq):
            return f"✓ {name} taken (event {seq})"
        case Answer(refusal=refusal) if refusal is not None:
            return no(refusal.what, refusal.why, refusal.next)
        case _:
            return no(f"{name} was refused", "no reason was given")


def no(what: str, why: str = "", next_: str = "") -> str:
    """The message line of a refusal, whoever refuses: what, why, and what would make it possible."""
    return f"✗ {refused(what, why, next_)}"
