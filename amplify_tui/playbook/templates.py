"""`${{ }}` inside texts: where they stand and what they hold. Their meaning is expr/'s business.

A text that is exactly one `${{ x }}` keeps x's type; any other text around or between them makes the whole a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from amplify_tui.playbook.expr import Expr, ExprError, parse

OPEN: Final = "${{"
MAX_PIECES: Final = 100  # in one text; finding the place of each is work for each
# The end of an expression, strings stepped over: a `}}` in a string is text.
_BODY: Final = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^"'}]|\}(?!\}))*""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """One `${{ }}`. offset: where its expression starts in the text; ordinal: the how manieth of the text it is."""

    expr: Expr
    offset: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Template:
    parts: tuple[str | Piece, ...]

    @property
    def lone(self) -> Piece | None:
        """The piece, where the text is exactly one `${{ }}`."""
        first = self.parts[0] if len(self.parts) == 1 else None
        return first if isinstance(first, Piece) else None

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return tuple(part for part in self.parts if isinstance(part, Piece))


def has_expr(text: object) -> bool:
    return isinstance(text, str) and OPEN in text


@lru_cache(maxsize=4096)
def split(text: str) -> Template:
    """The parts of *text*. Raises ExprError, whose offset then counts from the start of *text*."""
    parts: list[str | Piece] = []
    at = ordinal = 0
    while (start := text.find(OPEN, at)) >= 0:
        if start > at:
            parts.append(text[at:start])
        inside = start + len(OPEN)
        match = _BODY.match(text, inside)
        end = match.end() if match else inside
        if not text.startswith("}}", end):
            raise ExprError(
                "${{ starts here and no }} ends it", start, start + 3, hint="close it, and every quote in it"
            )
        if ordinal >= MAX_PIECES:
            message = f"a text holds at most {MAX_PIECES} expressions"
            raise ExprError(message, start, start + 3, hint="split the text")
        parts.append(Piece(_parse(text[inside:end], inside), inside, ordinal))
        ordinal += 1
        at = end + 2
    if at < len(text):
        parts.append(text[at:])
    return Template(tuple(parts))


def _parse(source: str, offset: int) -> Expr:
    try:
        return parse(source)
    except ExprError as error:
        raise ExprError(
            error.message, error.offset + offset, error.end + offset, code=error.code, hint=error.hint
        ) from None
