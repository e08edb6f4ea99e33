"""Lines of styled pieces, and the one way from them to a widget: Content, never markup. Styles are names of the theme.

A drawing function returns lines; a piece is `(text, style)`. In ASCII mode each piece is twinned before it is placed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from amplify_tui.run.select.words import SIGNS, Sign, ascii_twin, safe

Piece = tuple[str, str]
Line = list[Piece]

PLAIN: Final = ""
DIM: Final = "$text-muted"
STRONG: Final = "bold"
GOOD: Final = "$text-success"
BAD: Final = "bold $text-error"
WARN: Final = "bold $text-warning"
ACTIVE: Final = "bold $text-accent"
CURSOR: Final = "reverse"

SIGN_STYLES: Final[dict[Sign, str]] = {
    "done": GOOD,
    "active": ACTIVE,
    "held": WARN,
    "failed": BAD,
    "unknown": WARN,
    "later": DIM,
    "undone": ACTIVE,
    "skipped": DIM,
    "kept": DIM,
    "note": WARN,
    "none": PLAIN,
}


def sign(name: Sign) -> Piece:
    """The sign with its style; it never stands without a word beside it."""
    return SIGNS[name], SIGN_STYLES[name]


def text(value: object, style: str = PLAIN) -> Piece:
    """A piece of any value, made safe."""
    return safe(value), style


def width(line: Iterable[Piece]) -> int:
    return sum(cell_len(part) for part, _ in line)


def fit(value: str, cells: int) -> str:
    """*value* in exactly *cells* cells: padded, or cut with an ellipsis."""
    if cells <= 0:
        return ""
    have = cell_len(value)
    if have <= cells:
        return value + " " * (cells - have)
    kept = set_cell_size(value, cells - 1)
    return set_cell_size(f"{kept.rstrip()}…", cells)


def spread(left: Line, right: Line, cells: int) -> Line:
    """*left* at the left, *right* at the right edge; the left gives way where both do not fit."""
    room = cells - width(right) - 1
    if room < 8:
        return clip(left, cells)
    kept = clip(left, room)
    return [*kept, (" " * (cells - width(kept) - width(right)), PLAIN), *right]


def clip(line: Sequence[Piece], cells: int) -> Line:
    """*line* cut to at most *cells* cells, with an ellipsis where something is missing."""
    if width(line) <= cells:
        return list(line)
    kept: Line = []
    room = cells - 1
    for part, style in line:
        have = cell_len(part)
        if have > room:
            kept.append((f"{set_cell_size(part, max(0, room))}…" if cells > 0 else "", style))
            break
        kept.append((part, style))
        room -= have
    return kept


def rule(cells: int) -> Line:
    return [("─" * cells, DIM)]


def wrap(value: str, cells: int, most: int) -> list[str]:
    """*value* in at most *most* lines of *cells* cells, broken at spaces; the last is cut."""
    lines: list[str] = []
    rest = value
    while rest and len(lines) < most:
        if cell_len(rest) <= cells or len(lines) == most - 1:
            lines.append(fit(rest, cells).rstrip())
            break
        head = set_cell_size(rest, cells + 1)
        at = head.rfind(" ")
        cut = at if at > cells // 3 else len(set_cell_size(rest, cells).rstrip()) or 1
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return lines


def contents(lines: Sequence[Sequence[Piece]], cells: int, *, ascii_only: bool) -> list[Content]:
    """Each line as Content, at most *cells* wide. Nothing in them is ever read as markup."""
    made = []
    for line in lines:
        parts = [(ascii_twin(safe(part, 4000)) if ascii_only else safe(part, 4000), style) for part, style in line]
        fitting = [(ascii_twin(p) if ascii_only else p, s) for p, s in clip(parts, cells)]  # clip adds an ellipsis
        made.append(Content.assemble(*[(p, s) if s else p for p, s in fitting], end=""))
    return made


def changed_cells(before: Content, after: Content) -> tuple[int, int] | None:
    """From which cell to before which the two lines differ; None where they are the same.

    A line whose styles or length changed counts as a whole: it is digits that tick which must cost little.
    """
    if before.is_same(after):
        return None
    old, new = before.plain, after.plain
    if before.spans != after.spans or len(old) != len(new) or before.cell_length != after.cell_length:
        return 0, max(before.cell_length, after.cell_length)
    different = [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    return cell_len(new[: different[0]]), after.cell_length - cell_len(new[different[-1] + 1 :])
