"""Real commands: their output, their end, and what they leave behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from amplify_tui.adapters import pidfile
from amplify_tui.adapters.output import LINE_LIMIT, TEXT_LIMIT
from amplify_tui.adapters.ports import Forbidden, Invalid, NotFound
from amplify_tui.adapters.process import Shell, left_output, run


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


async def until(holds: Callable[[], bool], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_lines_come_in_order_with_their_stream_and_reach_the_log(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []
    log = tmp_path / "step.log"
    done = await run(
        Shell("echo one; echo two >&2; printf 'no end'; exit 3"),
        timeout=20,
        log=log,
        on_line=lambda stream, line: seen.append((stream, line)),
    )
    assert (done.exit, done.timed_out, done.killed, done.left_running) == (3, False, False, False)
    assert sorted(seen) == [("err", "two"), ("out", "no end"), ("out", "one")]
    assert sorted(log.read_text().splitlines()) == ["  no end", "  one", "! two"]
    assert done.stdout == "one\nno end"
    assert [path.name for path in tmp_path.iterdir()] == ["step.log"]


async def test_a_line_is_seen_while_the_command_still_runs(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    done = await run(
        Shell('echo ready; while [ ! -e "$GATE" ]; do sleep 0.05; done'),
        timeout=20,
        env={"GATE": str(gate)},
        on_line=lambda stream, line: gate.touch(),
    )
    assert done.exit == 0


async def test_values_reach_a_command_by_argv_environment_and_stdin_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEASH_TOKEN", "hunter2")
    hostile = "$(touch pwned) `id` ; --help 'x' \"y\" ✗"
    code = "import json,os,sys; print(json.dumps([sys.argv[1:], os.environ['X'], sys.stdin.read(), dict(os.environ)]))"
    done = await run([*python(code), hostile], timeout=20, env={"X": hostile}, stdin=hostile)
    argv, value, stdin, env = json.loads(done.stdout)
    assert (argv, value, stdin) == ([hostile], hostile, hostile)
    assert "UNLEASH_TOKEN" not in env
    assert env["PATH"]


async def test_a_command_that_never_reads_a_large_stdin_does_not_block() -> None:
    assert (await run(["true"], timeout=20, stdin="x" * 1_000_000)).exit == 0


async def test_without_stdin_a_command_that_asks_gets_the_end_of_file() -> None:
    assert (await run(["cat"], timeout=20)).exit == 0


async def test_hostile_output_loses_its_controls_and_keeps_its_words() -> None:
    done = await run(["printf", r"\033[31mred\033[0m \377 [/]\nold\rnew\n\342\200\256evil\n"], timeout=20)
    assert done.text == "red \ufffd [/]\nnew\nevil"


async def test_a_line_of_a_megabyte_is_cut_and_the_next_one_is_whole() -> None:
    seen: list[str] = []
    done = await run(
        python("print('x' * 1_000_000); print('next')"), timeout=20, on_line=lambda stream, line: seen.append(line)
    )
    assert [len(seen[0]), seen[1:]] == [LINE_LIMIT, ["next"]]
    assert len(done.text.encode()) <= TEXT_LIMIT
    assert not done.is_stdout_whole


async def test_of_a_flood_the_end_is_kept_and_the_callback_is_spared(tmp_path: Path) -> None:
    seen: list[str] = []
    log = tmp_path / "log"
    code = "import sys; sys.stdout.write('0123456789\\n' * 8_000_000); print('the last word')"
    done = await run(python(code), timeout=60, log=log, on_line=lambda stream, line: seen.append(line))
    assert done.text.endswith("the last word")
    assert len(done.text.encode()) <= TEXT_LIMIT
    assert sum(map(len, seen)) < 2_000_000
    assert log.stat().st_size < 2_000_000
    assert log.read_text().rstrip().endswith("the last word")


async def test_a_secret_in_the_output_is_redacted_everywhere(tmp_path: Path) -> None:
    log = tmp_path / "log"
    seen: list[str] = []
    done = await run(
        Shell('echo "token $T"; echo "$T" >&2'),
        timeout=20,
        env={"T": "hunter2"},
        log=log,
        on_line=lambda stream, line: seen.append(line),
        redact=lambda text: text.replace("hunter2", "•••"),
    )
    assert "hunter2" not in repr((done, seen, log.read_text()))
    assert done.stdout == "token •••\n"


async def test_time_up_ends_the_whole_tree_even_what_ignores_sigterm(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = """trap '' TERM; echo $$ >> "$PIDS"; sh -c 'trap "" TERM; echo $$ >> "$PIDS"; while :; do sleep 1; done'"""
    done = await run(Shell(script), timeout=1.0, grace=0.2, env={"PIDS": str(pids)})
    assert (done.timed_out, done.killed, done.exit) == (True, True, -signal.SIGKILL)
    written = [int(pid) for pid in pids.read_text().split()]
    assert len(written) == 2
    await until(lambda: not any(map(is_alive, written)))


async def test_time_up_lets_a_command_tidy_up_within_its_grace() -> None:
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("tidied"), sys.exit(7)))
print("up")
time.sleep(60)
"""
    done = await run(python(code), timeout=1.0, grace=20.0)
    assert (done.timed_out, done.killed, done.exit, done.text) == (True, False, 7, "up\ntidied")


async def test_a_grandchild_that_keeps_the_output_open_holds_up_nobody(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    done = await run(Shell('sleep 600 & echo $! > "$PID"; echo done'), timeout=60, env={"PID": str(pid)})
    left = int(pid.read_text())
    assert (done.exit, done.text, done.timed_out, done.left_running) == (0, "done", False, True)
    assert is_alive(left)
    os.kill(left, signal.SIGKILL)


async def test_a_cancelled_caller_leaves_no_orphan(tmp_path: Path) -> None:
    pids, record = tmp_path / "pids", tmp_path / "record"
    script = """trap '' TERM; (trap '' TERM; sh -c 'echo $PPID $$'; sleep 600) >> "$PIDS"; wait"""
    task = asyncio.create_task(run(Shell(script), timeout=60, grace=0.2, env={"PIDS": str(pids)}, record=record))
    await until(lambda: pids.exists() and len(pids.read_text().split()) == 2 and record.exists())
    leader = pidfile.still_running(record)
    assert leader is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not any(is_alive(int(pid)) for pid in [*pids.read_text().split(), leader.pid]))
    assert pidfile.read(record) == leader  # that it was started stays known; that it ended, its process says


async def test_what_cannot_be_started_is_said_in_words(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no script")
    with pytest.raises(NotFound, match="no program 'ops/none'"):
        await run(["ops/none"], timeout=5, cwd=tmp_path)
    with pytest.raises(Forbidden, match="may not be run"):
        await run([str(plain)], timeout=5)
    plain.chmod(0o755)
    with pytest.raises(Invalid, match="#! line"):
        await run([str(plain)], timeout=5)
    with pytest.raises(NotFound, match="no such directory"):
        await run(["true"], timeout=5, cwd=tmp_path / "none")
    with pytest.raises(Invalid, match="no command"):
        await run([], timeout=5)
    with pytest.raises(Invalid, match="null byte"):
        await run(["true", "a\0b"], timeout=5)


async def test_a_program_is_looked_for_in_the_commands_own_directory(tmp_path: Path) -> None:
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "deploy").write_text("#!/bin/sh\necho deployed from ${PWD##*/}\n")
    (tmp_path / "ops" / "deploy").chmod(0o755)
    assert (await run(["ops/deploy"], timeout=20, cwd=tmp_path)).text == f"deployed from {tmp_path.name}"


CONDUCTOR = """
import asyncio, sys
from pathlib import Path
from amplify_tui.adapters.process import Shell, run
where = Path(sys.argv[1])
script = 'echo begun; while [ ! -e gate ]; do sleep 0.05; done; echo finished; touch landed'
asyncio.run(run(Shell(script), timeout=60, cwd=where, log=where / 'log', record=where / 'record'))
"""


@pytest.fixture
async def orphaned(tmp_path: Path) -> Path:
    """The directory of a command whose conductor was killed with SIGKILL in the middle of it."""
    conductor = subprocess.Popen([sys.executable, "-c", CONDUCTOR, str(tmp_path)])
    log = tmp_path / "log"
    await until(lambda: log.exists() and "begun" in log.read_text() and pidfile.read(tmp_path / "record") is not None)
    conductor.kill()
    conductor.wait()
    return tmp_path


async def test_a_command_outlives_its_killed_conductor_and_the_next_one_waits_for_it(orphaned: Path) -> None:
    record = orphaned / "record"
    running = pidfile.still_running(record)
    assert running is not None
    assert running.deadline is not None
    assert not await pidfile.wait_gone(record, 0.0)
    (orphaned / "gate").touch()
    assert await pidfile.wait_gone(record, 20.0)
    assert (orphaned / "landed").exists()
    assert left_output(orphaned / "log") == "begun\nfinished"
    assert not (orphaned / "log.out").exists()
    assert "finished" in (orphaned / "log").read_text()


async def test_the_next_conductor_can_end_what_the_last_one_started(orphaned: Path) -> None:
    record = orphaned / "record"
    assert await pidfile.end(record, grace=5.0) == "ended"
    assert pidfile.still_running(record) is None
    assert await pidfile.end(record) == "was gone"
    assert not (orphaned / "landed").exists()


async def test_a_pid_that_was_used_again_is_never_touched(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        record = tmp_path / "record"
        written = pidfile.remember(record, stranger.pid, time.time())
        assert pidfile.still_running(record) == written
        record.write_text(record.read_text().replace(f'"start":"{written.start}"', '"start":"1"'))
        assert await pidfile.end(record) == "was gone"
        record.write_text(record.read_text().replace(f'"host":"{written.host}"', '"host":"elsewhere.example"'))
        assert await pidfile.end(record) == "elsewhere"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_a_torn_or_missing_record_says_nothing(tmp_path: Path) -> None:
    record = tmp_path / "record"
    assert pidfile.still_running(record) is None
    record.write_text('{"pid": 1')
    assert pidfile.read(record) is None
    assert await pidfile.end(record) == "was gone"
