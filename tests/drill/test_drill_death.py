"""However a sandbox ends, nothing of it is left: no process, no folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import until

from amplify_tui.drill import janitor, lifeline
from amplify_tui.drill.world import WorldError, start_world

RUN = """
import pathlib, sys
from amplify_tui.drill.sandbox import run_sandbox
sys.exit(run_sandbox(folder=pathlib.Path(sys.argv[1]), keep=len(sys.argv) > 2))
"""


class Alone:
    """A sandbox in a process of its own."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        argv = [sys.executable, "-c", RUN, str(folder), *more]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.facts = json.loads(self.process.stdout.readline())
        self.children = {name: pid for name, pid in lifeline.processes(folder) if name != "owner"}

    def alive(self) -> list[str]:
        return [name for name, pid in self.children.items() if lifeline.start_time(pid)]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        until(lambda: not self.alive())


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    sandbox = Alone(tmp_path / "world")
    yield sandbox
    sandbox.end()


def test_killing_the_parent_ends_every_child_and_removes_the_folder(alone: Alone) -> None:
    assert set(alone.alive()) == {"janitor", "traffic", "flagserver", "services", "sink"}
    alone.process.kill()
    until(lambda: not alone.alive() and not alone.folder.exists())


def test_a_stopped_child_does_not_outlive_a_killed_parent(alone: Alone) -> None:
    os.kill(alone.children["services"], signal.SIGSTOP)
    alone.process.kill()
    until(lambda: not alone.alive() and not alone.folder.exists())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_of_it_in_order(alone: Alone, number: signal.Signals) -> None:
    alone.process.send_signal(number)
    assert alone.process.wait(10) == 0
    assert alone.alive() == []
    assert not alone.folder.exists()


def test_a_child_that_falls_ends_the_sandbox_with_a_word(alone: Alone) -> None:
    os.kill(alone.children["sink"], signal.SIGKILL)
    assert alone.process.wait(10) == 1
    assert alone.alive() == []


def test_a_kept_folder_stays_after_a_kill_and_is_not_swept(tmp_path: Path) -> None:
    sandbox = Alone(tmp_path / f"{janitor.PREFIX}kept", "keep")
    sandbox.end()
    assert janitor.sweep(tmp_path) == []
    assert (sandbox.folder / "shop" / ".git").is_dir()


def test_what_a_killed_janitor_left_is_swept_at_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / f"{janitor.PREFIX}orphan"
    folder.mkdir()
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        lifeline.record(folder, "owner", owner.pid)
        lifeline.record(folder, "services", left.pid)
        with (folder / lifeline.PIDS).open("a") as file:  # the pid of a process that is long gone, taken by a stranger
            file.write(json.dumps({"name": "sink", "pid": stranger.pid, "start": "1"}) + "\n")
        assert janitor.sweep(tmp_path) == []  # its owner lives
        owner.communicate(b"\n")
        assert janitor.sweep(tmp_path) == [folder]
        assert left.wait(10) == -signal.SIGKILL
        assert stranger.poll() is None
        assert not folder.exists()
    finally:
        for process in (owner, left, stranger):
            process.kill()
            process.wait()


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="not empty"):
        start_world(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_a_world_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "git").write_text("#!/bin/sh\necho 'no git today' >&2\nexit 1\n", encoding="utf-8")
    (broken / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken}:{os.environ['PATH']}")
    with pytest.raises(WorldError, match="no git today"):
        start_world(tmp_path / "world")
    assert not (tmp_path / "world").exists()
