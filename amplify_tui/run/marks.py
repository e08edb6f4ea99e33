"""Small things that the state keeps of what was seen: how far a flag exposes, and what a look said."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class FlagBook(Struct, frozen=True):
    """What is known of a flag's exposure: *known* percent left *by* an effect at *last* (when, seq), and what is open.

    Made and kept up by `run.exposure`. Who changes effects otherwise than by their events forgets the books: they are
    made anew from the effects.
    """

    known: float
    last: tuple[float, int]
    by: str = ""
    opened: tuple[str, ...] = ()


class Judgement(Struct, frozen=True):
    """What a look on the way back said; `error`: nobody could tell."""

    verdict: Literal["pass", "fail", "error"]
    detail: str = ""
