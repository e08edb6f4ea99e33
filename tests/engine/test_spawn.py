"""Processes that outlive us, and processes that must not: real ones, really killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amplify_tui.engine import proc, spawn
from amplify_tui.engine.client import RunClient
from amplify_tui.engine.proc import Mark, this_process
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.spawn import NotStartedError
from tests.engine.engine_helpers import ROOT, eventually, said, script, short_folder

LISTEN = """
import asyncio, os, sys
from pathlib import Path
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.server import Server

class Handler:
    async def do(self, command): ...
    def events(self, after, limit): return []
    def board(self): return {}

async def main():
    print("hello from", os.getsid(0) == os.getpid(), os.isatty(0), "%o" % os.umask(0o077), flush=True)
    async with Server(RunDir(Path(sys.argv[1])).own_socket(), Handler(), seq=7):
        await asyncio.Event().wait()

asyncio.run(main())
"""

# Starts a detached grandchild, says its pid, and waits to be killed.
STARTER = """
import sys, time
from pathlib import Path
from amplify_tui.engine.spawn import detach
child = detach([sys.executable, "-c", "import time; time.sleep(60)"], Path(sys.argv[1]))
print(child.pid, flush=True)
input()
"""

CHILD = """
import asyncio, sys
from amplify_tui.engine.spawn import watch_parent

async def main():
    watch_parent(int(sys.argv[1]), parent=int(sys.argv[2]) or None)
    print("watching", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

# Has three children on a death pipe, says their pids once all of them watch, and waits to be killed.
PARENT = """
import os, subprocess, sys
from amplify_tui.engine.spawn import death_pipe
pipe = death_pipe()
parent = os.getpid() if sys.argv[2] == "pdeathsig" else 0
children = [
    subprocess.Popen(
        [sys.executable, "-c", sys.argv[1], str(pipe.read_fd), str(parent)],
        pass_fds=[pipe.read_fd], start_new_session=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )
    for _ in range(3)
]
# A careless sibling that gets every inheritable descriptor, and outlives us: it must not hold the pipe open.
sibling = subprocess.Popen(
    [sys.executable, "-c", "input()"], close_fds=False, start_new_session=True, stdin=os.open(sys.argv[3], os.O_RDWR)
)
for child in children:
    assert child.stdout.readline() == b"watching\\n"
print(*[child.pid for child in children], flush=True)
print(sibling.pid, flush=True)
input()
pipe.close()
print([child.wait(20) for child in children], flush=True)
"""


def alive(pid: int) -> bool:
    return proc.started(pid) is not None


def marks(line: str) -> list[Mark]:
    return [Mark(this_process().host, int(pid), proc.started(int(pid)) or "") for pid in line.split()]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunDir]:
    with short_folder() as folder:
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        monkeypatch.setenv("TMPDIR", str(folder))
        monkeypatch.chdir(ROOT)
        yield RunDir.create(tmp_path, "r-1")


async def test_a_conductor_is_started_detached_and_answers_before_we_go_on(run: RunDir) -> None:
    child = spawn.detach([sys.executable, "-c", LISTEN, str(run.path)], run.log)
    try:
        assert await spawn.wait_ready(run.path, child) == 7
        assert child.ended() is None
        assert child.log_tail() == "hello from True False 77"
        assert stat.S_IMODE(run.log.stat().st_mode) == 0o600
        client = RunClient(run.path)
        assert await client.connect() == 7
        await client.close()
    finally:
        os.kill(child.pid, signal.SIGKILL)
        eventually(lambda: child.ended() == -signal.SIGKILL, "it is reaped")


async def test_a_conductor_that_fails_to_start_is_reported_with_its_log(run: RunDir) -> None:
    code = "raise SystemExit('the playbook has gone')"
    child = spawn.detach([sys.executable, "-c", code], run.log)
    with pytest.raises(NotStartedError, match=r"status 1 before it listened.*\n.*the playbook has gone"):
        await spawn.wait_ready(run.path, child)


async def test_a_conductor_that_never_listens_is_given_up_at_the_deadline(run: RunDir) -> None:
    child = spawn.detach([sys.executable, "-c", "import time; time.sleep(60)"], run.log)
    try:
        with pytest.raises(NotStartedError, match=r"does not listen after 0.2 s.*is empty"):
            await spawn.wait_ready(run.path, child, within=0.2)
        assert child.ended() is None
    finally:
        os.kill(child.pid, signal.SIGKILL)
        eventually(lambda: child.ended() is not None, "it is reaped")


def test_a_detached_process_outlives_kill_9_of_its_starter(run: RunDir) -> None:
    with script(STARTER, run.log) as starter:
        [mark] = marks(said(starter))
        try:
            starter.send_signal(signal.SIGKILL)
            starter.wait(20)
            assert proc.lives(mark)
        finally:
            assert proc.kill(mark)


@contextmanager
def family(how: str, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[Mark]]]:
    """A parent with three children on its death pipe, and a sibling of theirs that is not on it and lives on."""
    os.mkfifo(tmp_path / "never written")
    argv = [sys.executable, "-c", PARENT, CHILD, how, str(tmp_path / "never written")]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as parent:
        children, [sibling] = marks(said(parent)), marks(said(parent))
        try:
            assert len(children) == 3
            assert all(proc.lives(mark) for mark in [*children, sibling])
            yield parent, children
            assert proc.lives(sibling)
        finally:
            for mark in [*children, sibling]:
                proc.kill(mark)
            parent.kill()


def test_children_on_a_death_pipe_end_with_kill_9_of_their_parent(tmp_path: Path) -> None:
    with family("pipe only", tmp_path) as (parent, children):
        parent.send_signal(signal.SIGKILL)
        eventually(lambda: not any(proc.lives(mark) for mark in children), "all children are gone")


def test_children_end_when_the_pipe_is_closed_and_not_before(tmp_path: Path) -> None:
    with family("pipe only", tmp_path) as (parent, _):
        assert parent.stdin is not None
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert said(parent) == "[0, 0, 0]"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked to end a stopped process")
def test_a_stopped_child_ends_too_where_the_kernel_is_asked(tmp_path: Path) -> None:
    with family("pdeathsig", tmp_path) as (parent, children):
        os.kill(children[0].pid, signal.SIGSTOP)
        parent.send_signal(signal.SIGKILL)
        eventually(lambda: not any(proc.lives(mark) for mark in children), "all children are gone")


def test_what_was_left_over_is_swept_at_the_next_start_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "children.json"
    assert spawn.sweep(path) == []
    with script("input()") as left, script("input()") as other:
        [mark] = marks(str(left.pid))
        os.kill(left.pid, signal.SIGSTOP)
        reused = Mark(mark.host, other.pid, "an earlier process with this pid")
        gone = Mark(mark.host, 2**22 - 1, "long gone")
        spawn.remember(path, [mark, reused, gone])
        assert spawn.sweep(path) == [mark]
        assert left.wait(20) == -signal.SIGKILL
        assert alive(other.pid)
    assert not path.exists()
    path.write_bytes(b"garbage")
    assert spawn.sweep(path) == []
