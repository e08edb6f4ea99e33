"""Compares a screen's text with the one kept beside the tests; AMPLIFY_UPDATE_SNAPSHOTS=1 writes it anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

SNAPSHOTS = Path(__file__).parent / "snapshots"

Compare = Callable[[str, str], None]


@pytest.fixture
def snapshot() -> Compare:
    def compare(name: str, text: str) -> None:
        path = SNAPSHOTS / f"{name}.txt"
        if os.environ.get("AMPLIFY_UPDATE_SNAPSHOTS") == "1":
            SNAPSHOTS.mkdir(exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8")
            return
        assert path.exists(), f"no snapshot {name}: write it with AMPLIFY_UPDATE_SNAPSHOTS=1, and read it"
        assert text + "\n" == path.read_text(encoding="utf-8")

    return compare
