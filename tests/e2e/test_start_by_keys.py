"""A playbook that nobody vouches for, started in a terminal: it is shown what it would run, and asked once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_home import AMPLIFY
from terminal import Terminal

from amplify_tui.cli.common import replay
from amplify_tui.engine.rundir import RunDir
from tests.engine.crash_world import Bench, kill_conductor, plain_playbook, plain_repo, step

pytestmark = pytest.mark.e2e


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "home"
    monkeypatch.setenv("AMPLIFY_HOME", str(place))
    yield place
    for folder in RunDir.all(place):
        kill_conductor(folder)


def test_a_terminal_asks_once_shows_what_would_run_and_takes_a_reason(home: Path, tmp_path: Path) -> None:
    bench = Bench(tmp_path / "bench")
    repo = plain_repo(tmp_path / "shop")
    file = repo / "release.yaml"
    work = step("work", "command", bench.command("work"))
    file.write_text(plain_playbook(repo, [work, step("go", "confirm", {"ask": "Go on?"})]), encoding="utf-8")
    env = os.environ | {"TERM": "xterm-256color", "AMPLIFY_ACTOR": "captain"}
    with Terminal([*AMPLIFY, "run", str(file)], env) as cockpit:
        cockpit.shows(r"this playbook is not trusted")
        cockpit.press("enter")
        cockpit.shows(r"release.yaml is not committed")
        cockpit.shows(r"undo_work")
        assert bench.did("work") == []
        cockpit.type_into(r"why should it start\?", "emergency")
        cockpit.answer(r"Start plain\?", "Start it untrusted")
        cockpit.shows(r"Go on\?")
        cockpit.press("q")
        cockpit.ends()
    (folder,) = RunDir.all(home)
    state = replay(folder)
    assert (state.phase, state.untrusted, len(bench.did("work"))) == ("forward", "emergency", 1)
