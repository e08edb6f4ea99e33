"""The threat model names, for each threat, a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")

DEFINED = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)


def test_every_test_that_the_page_names_is_there() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 40
    there: dict[str, set[str]] = {}
    for file in {file for file, _ in named}:
        there[file] = set(DEFINED.findall((ROOT / "tests" / file).read_text(encoding="utf-8")))
    assert [f"{file}::{name}" for file, name in named if name not in there[file]] == []


def test_every_threat_is_held_by_a_test() -> None:
    tables = PAGE.split("| Threat | Held by |\n| --- | --- |\n")[1:]
    rows = [row for table in tables for row in table.partition("\n\n")[0].strip().splitlines()]
    assert len(rows) > 35
    assert [row for row in rows if not NAMED.search(row)] == []
