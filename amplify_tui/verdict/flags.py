"""What a flag means and who changed it, as a provider tells it: shapes only, plain data that a board can carry.

No provider's own words: a rule of Unleash and one of a file in git look alike here. All text in them is cleaned where
it comes in. What a judge reads of a flag is `model.FlagReading`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Test = Literal[
    "in", "not in", "contains", "starts with", "ends with", "=", ">", ">=", "<", "<=", "after", "before", "matches", "?"
]
"""`?` is a test that this program does not know: it lets through fewer than all, and nobody can say whom."""


class Clause(Struct, frozen=True, kw_only=True):
    """One condition on one field of the context. `values` are the first few of `count`; `negated` turns it round."""

    field: str
    test: Test
    values: tuple[str, ...] = ()
    count: int = 0
    negated: bool = False


class FlagRule(Struct, frozen=True, kw_only=True):
    """One strategy: a share (0-100) of those who meet every clause and are in every segment.

    percent: None where nobody can tell. more: how many clauses there are besides `clauses`. within: what the segments
    hold, where that was read. variants: name and share of those who get the flag.
    """

    name: str = ""
    title: str = ""
    percent: float | None = None
    clauses: tuple[Clause, ...] = ()
    more: int = 0
    segments: tuple[str, ...] = ()
    within: tuple[Clause, ...] = ()
    stickiness: str = ""
    group: str = ""
    variants: tuple[tuple[str, float], ...] = ()
    disabled: bool = False


class FlagEvent(Struct, frozen=True, kw_only=True):
    """Who changed a flag when (Unix seconds), and what, in the provider's own words."""

    at: float
    by: str
    what: str
    kind: str = ""


class FlagStory(Struct, frozen=True, kw_only=True):
    """What is known of a flag besides its reading: its rules in full, and its latest changes, the newest first.

    It is of the state whose `fingerprint` it names; `says` is its sentence, with the names of segments. asked_at: when
    the source last told the changes, None before it has. note: why it cannot tell them.
    """

    source: str
    flag: str
    fingerprint: str = ""
    says: str = ""
    kind: str = ""
    description: str = ""
    rules: tuple[FlagRule, ...] = ()
    last: FlagEvent | None = None
    events: tuple[FlagEvent, ...] = ()
    asked_at: float | None = None
    note: str = ""
