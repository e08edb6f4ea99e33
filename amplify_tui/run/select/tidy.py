"""What there is to tidy up of one flag, as the board has it: stale, on for too long, gone from the code, orphaned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from amplify_tui.run.select.words import safe

LONGEST: Final = 240


class Tidy(Struct, frozen=True):
    """One thing: what it is, and what to do."""

    what: str
    fix: str


def tidy_lines(board: Mapping[str, Any], flag: str) -> list[Tidy]:
    """What the last look found of *flag* (`source/name`); nothing where nobody has looked yet."""
    source, _, name = flag.partition("/")
    looked = board.get(f"tidy:{source}")
    found = looked.get("flags") if isinstance(looked, dict) else None
    held = [one for one in found or () if isinstance(one, dict) and one.get("flag") == name]
    return [Tidy(safe(str(one.get("what", "")), LONGEST), safe(str(one.get("fix", "")), LONGEST)) for one in held]


def tidy_flags(board: Mapping[str, Any]) -> set[str]:
    """Every flag (`source/name`) of which there is something to tidy up, of the release or of its code alone."""
    found = set()
    for key in board:
        looked = board[key] if key.startswith("tidy:") else None
        flags = looked.get("flags") if isinstance(looked, dict) else None
        found |= {f"{key.removeprefix('tidy:')}/{one['flag']}" for one in flags or () if isinstance(one, dict)}
    return found
