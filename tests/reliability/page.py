"""The page docs/reliability.md: prose with one place, which the table fills."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.proof.tables import Table
from tests.reliability.rows import HEAD, ROWS

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
_PLACE: Final = re.compile(r"(?<=<!-- table faults -->\n).*?(?=<!-- end -->)", re.DOTALL)


def filled(text: str, table: Table) -> str:
    """The page with this table in its place. Raises KeyError where it has none."""
    if not _PLACE.search(text):
        raise KeyError("docs/reliability.md has no place for the table faults")
    return _PLACE.sub(lambda _: f"{table.markdown()}\n", text)


def stale(text: str) -> Iterator[str]:
    """What is wrong with the page: other rows or columns than the code has, a row without a run, an effect lost."""
    found = _PLACE.search(text)
    lines = [_cells(line) for line in found[0].splitlines() if line.startswith("|")] if found else []
    head, body = (lines[0], lines[2:]) if len(lines) > 2 else ((), [])
    if head != HEAD or [cells[0] for cells in body] != [*(row.title for row in ROWS), "**all**"]:
        yield "docs/reliability.md has other rows than the code: python -m tests.reliability"
        return
    for title, runs, _, lost, doubled, *_ in body:
        if runs == "0" or (lost, doubled) != ("0", "0"):
            yield f"docs/reliability.md says of {title}: {runs} runs, {lost} lost, {doubled} doubled"


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip("|").split("|"))
