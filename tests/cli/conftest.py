"""A home for each test, and no conductor left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from amplify_tui.drill.world import World
from amplify_tui.engine.rundir import RunDir
from tests.engine.crash_world import Bench, kill_commands, kill_conductor, plain_repo, small_world


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """AMPLIFY_HOME; also what the command line started in it ends with the test."""
    place = tmp_path / "home"
    monkeypatch.setenv("AMPLIFY_HOME", str(place))
    yield place
    for folder in RunDir.all(place):
        kill_commands(folder)
        kill_conductor(folder)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "bench")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return plain_repo(tmp_path / "repo")


@pytest.fixture
def world() -> Iterator[World]:
    with small_world() as running:
        yield running
