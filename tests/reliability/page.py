"""The page docs/reliability.md: prose with one place, which the table fills."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.reliability.rows import ALL, HEAD, ROWS, table

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
_PLACE: Final = re.compile(r"(?<=<!-- table faults -->\n).*?(?=<!-- end -->)", re.DOTALL)


def held(text: str) -> dict[str, tuple[int, ...]]:
    """The figures of each row that stands on the page, by its title."""
    found = _PLACE.search(text)
    if not found:
        raise KeyError("docs/reliability.md has no place for the table faults")
    lines = [_cells(line) for line in found[0].splitlines() if line.startswith("|")]
    if not lines or lines[0] != HEAD:
        return {}
    return {cells[0]: tuple(int(cell.replace(",", "")) for cell in cells[1:]) for cells in lines[2:]}


def filled(text: str, made: Mapping[str, tuple[int, ...]]) -> str:
    """The page with the figures of these rows; the others stay as they are. Raises KeyError where it has no place."""
    whole = held(text) | dict(made)
    return _PLACE.sub(lambda _: f"{table(whole).markdown()}\n", text)


def stale(text: str) -> Iterator[str]:
    """What is wrong with the page: other rows or columns than the code has, a row without a run, an effect lost."""
    rows = held(text)
    if list(rows) != [*(row.title for row in ROWS), ALL]:
        yield "docs/reliability.md has other rows than the code: python -m tests.reliability"
    for title, (runs, _, lost, doubled, *_rest) in rows.items():
        if not runs or lost or doubled:
            yield f"docs/reliability.md says of {title}: {runs} runs, {lost} lost, {doubled} doubled"


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip("|").split("|"))
