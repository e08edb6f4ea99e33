"""Fixtures of the engine's tests: a small world of real services, a bench of commands that are counted, and runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.crash_world import Bench, Runs, World, small_world


@pytest.fixture
def world() -> Iterator[World]:
    with small_world() as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "bench")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """Runs in a home of their own; what is left of their processes is ended after the test."""
    monkeypatch.setenv("AMPLIFY_HOME", str(tmp_path / "home"))
    made = Runs(tmp_path / "home")
    yield made
    made.sweep()
