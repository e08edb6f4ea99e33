"""A command with a record does not begin before its record is on the disk; real processes, really killed."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from amplify_tui.adapters import pidfile
from amplify_tui.adapters.ports import Conflict, Forbidden, Invalid, NotFound, Unreachable
from amplify_tui.adapters.process import Shell, run

# A conductor whose disk is slow: it hangs in the writing of the record, with the process already there.
CONDUCTOR = """
import asyncio, os, sys
from pathlib import Path
from amplify_tui.adapters.process import run
where = Path(sys.argv[1])
os.mkfifo(where / f"record.{os.getpid()}.new")
(where / "ready").touch()
asyncio.run(run(["touch", "ran"], timeout=60, cwd=where, record=where / "record"))
"""


async def until(holds: Callable[[], bool], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.01)


def children(pid: int) -> list[int]:
    said = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [line.split() for line in said.splitlines()]
    return [int(child) for child, parent in pairs if int(parent) == pid]


def is_alive(pid: int) -> bool:
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(said.strip()) and not said.strip().startswith("Z")


async def test_a_command_whose_conductor_dies_before_its_record_never_runs(tmp_path: Path) -> None:
    conductor = subprocess.Popen([sys.executable, "-c", CONDUCTOR, str(tmp_path)])
    try:
        await until(lambda: (tmp_path / "ready").exists() and len(children(conductor.pid)) == 1)
        [waiting] = children(conductor.pid)
        assert is_alive(waiting)
    finally:
        conductor.kill()
        conductor.wait()
    await until(lambda: not is_alive(waiting))
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "record").exists()
    assert pidfile.refuse(tmp_path / "record")


async def test_the_record_knows_the_process_that_the_command_is(tmp_path: Path) -> None:
    record = tmp_path / "record"
    done = await run(Shell("echo $$; ps -o pgid= -p $$"), timeout=20, record=record)
    written = pidfile.read(record)
    assert written is not None
    assert [int(number) for number in done.text.split()] == [written.pid, written.pid]
    assert (written.exit, written.is_running()) == (0, False)


async def test_a_refused_record_keeps_its_command_from_running(tmp_path: Path) -> None:
    record = tmp_path / "record"
    assert pidfile.refuse(record)
    with pytest.raises(Conflict, match="given up"):
        await run(["touch", "ran"], timeout=20, cwd=tmp_path, record=record)
    assert not (tmp_path / "ran").exists()
    assert pidfile.refuse(record)


async def test_a_record_is_not_refused_once_something_was_started(tmp_path: Path) -> None:
    record = tmp_path / "record"
    pidfile.remember(record, 1, None)
    assert not pidfile.refuse(record)
    record.write_text('{"pid": 1')  # torn: something was there
    assert not pidfile.refuse(record)


async def test_where_the_record_cannot_be_written_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="record cannot be written"):
        await run(["touch", "ran"], timeout=20, cwd=tmp_path, record=tmp_path / "none" / "record")
    assert not (tmp_path / "ran").exists()


async def test_what_cannot_be_started_is_said_in_the_same_words_behind_the_gate(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no script")
    with pytest.raises(NotFound, match="no program 'ops/none'"):
        await run(["ops/none"], timeout=5, cwd=tmp_path, record=tmp_path / "1")
    with pytest.raises(Forbidden, match="may not be run"):
        await run([str(plain)], timeout=5, record=tmp_path / "2")
    plain.chmod(0o755)
    with pytest.raises(Invalid, match="#! line"):
        await run([str(plain)], timeout=5, record=tmp_path / "3")
    with pytest.raises(Invalid, match="null byte"):
        await run(["true", "a\0b"], timeout=5, record=tmp_path / "4")


@pytest.mark.parametrize("env", [{}, {"LC_CTYPE": "C", "PYTHONHOME": "/none", "X": "a=b\n✗"}])
async def test_a_command_sees_no_trace_of_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    look = "/usr/bin/env; ulimit -n; trap; ls /dev/fd; grep ^Sig /proc/self/status 2>/dev/null; cat; true"
    argv = ["/bin/sh", "-c", look, "a b", "\udcff"]
    plain = await run(argv, timeout=20, env=env, stdin="given")
    gated = await run(argv, timeout=20, env=env, stdin="given", record=tmp_path / "record")
    assert gated.stdout == plain.stdout


async def test_a_cancelled_start_leaves_nobody_at_the_gate(tmp_path: Path) -> None:
    task = asyncio.create_task(run(["touch", "ran"], timeout=20, cwd=tmp_path, record=tmp_path / "record"))
    mine = children(os.getpid())
    deadline = time.monotonic() + 20
    while not (started := set(children(os.getpid())) - set(mine)):
        assert time.monotonic() < deadline
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not any(map(is_alive, started)))


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system such as exFAT, which cannot be mounted everywhere that tests run."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)


@pytest.mark.usefixtures("no_links")
async def test_a_command_runs_and_is_refused_alike_where_there_are_no_hard_links(tmp_path: Path) -> None:
    ended = await run(["true"], timeout=10, log=tmp_path / "log", record=tmp_path / "record")
    assert ended.exit == 0
    assert not pidfile.refuse(tmp_path / "record")
    assert pidfile.refuse(tmp_path / "other")
    with pytest.raises(Conflict):
        await run(["true"], timeout=10, log=tmp_path / "log", record=tmp_path / "other")
