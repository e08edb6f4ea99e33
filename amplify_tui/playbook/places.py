"""Where in the file a part of a scalar stands: from an offset in its value back to line and column."""

from __future__ import annotations

from collections.abc import Sequence

from amplify_tui.playbook.problems import Span
from amplify_tui.playbook.templates import OPEN
from amplify_tui.playbook.yaml import Scalar


def of_piece(lines: Sequence[str], node: Scalar, ordinal: int) -> Span:
    """The place of the *ordinal*-th `${{ }}` of a scalar; the scalar's own where it cannot be told."""
    found = _opening(lines, node, ordinal)
    if found is None:
        return node.span
    line, column = found
    end = lines[line - 1].find("}}", column - 1)
    return Span(line, column, end + 3 if end >= 0 else column + len(OPEN))


def of_text(lines: Sequence[str], node: Scalar, start: int, end: int) -> Span:
    """The place of the characters *start* to *end* of a scalar's value, which stand in or at a `${{ }}`."""
    ordinal = node.text.count(OPEN, 0, start + 1) - 1
    opening = node.text.rfind(OPEN, 0, start + 1)
    found = _opening(lines, node, max(ordinal, 0))
    if found is None or opening < 0:
        return node.span
    line, column = found
    source = lines[line - 1]
    # Quotes and escapes change what stands in the file; the offset holds where the text up to it is the same.
    written = node.text[opening : max(end, opening + len(OPEN))]
    if source.startswith(written, column - 1) or source.startswith(node.text[opening:start], column - 1):
        left = column + start - opening
        return Span(line, left, max(left + 1, min(column + end - opening, len(source) + 1)))
    return Span(line, column, column + len(OPEN))


def _opening(lines: Sequence[str], node: Scalar, ordinal: int) -> tuple[int, int] | None:
    """Line and column of the *ordinal*-th `${{` at or behind the scalar's start."""
    left = ordinal
    for line in range(node.span.line, min(node.end_line, len(lines)) + 1):
        at = node.span.column - 1 if line == node.span.line else 0
        while (at := lines[line - 1].find(OPEN, at)) >= 0:
            if left == 0:
                return line, at + 1
            left -= 1
            at += len(OPEN)
    return None
