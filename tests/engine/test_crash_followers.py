"""Followers come and go: none of them stops a run, all of them see all of it, and a command counts once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from amplify_tui.engine.rundir import RunDir
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    checked,
    committed,
    eventually,
    kill_conductor,
    plain_playbook,
    plain_repo,
    step,
)

GO = step("go", "confirm", {"ask": "Go?"})


@pytest.fixture
def file(tmp_path: Path, bench: Bench) -> Path:
    """A playbook that asks, then acts."""
    path = tmp_path / "playbook.yaml"
    steps = [GO, step("work", "command", bench.command("work"))]
    checked(plain_playbook(plain_repo(tmp_path / "repo"), steps), path)
    committed(path)
    return path


def draft(runs: Runs, file: Path) -> RunDir:
    return runs.create(checked(file.read_text(encoding="utf-8"), file))


async def first_run(home: Path) -> RunDir:
    """The run that another process made here."""
    await eventually(lambda: [r for r in RunDir.all(home) if r.conductor()], "a run with a conductor")
    return next(RunDir.all(home))


def terminal(*args: str) -> pexpect.spawn:
    env = os.environ | {"TERM": "xterm-256color", "AMPLIFY_ACTOR": "captain"}
    return pexpect.spawn(sys.executable, ["-m", "amplify_tui", *args], env=env, dimensions=(40, 120), timeout=30)


@pytest.mark.parametrize("end", ["the terminal closes", "ctrl+c", "kill -9"])
@pytest.mark.parametrize("view", ["headless", "cockpit"])
async def test_the_end_of_a_follower_is_not_the_end_of_the_run(
    runs: Runs, file: Path, bench: Bench, end: str, view: str
) -> None:
    args = ["run", str(file), "--headless", "--wait"] if view == "headless" else ["run", str(file)]
    child = terminal(*args)
    try:
        folder = await first_run(runs.home)
        runs.folders.append(folder)
        async with Watched(folder) as watched:
            await watched.until(lambda s: s.phase != "none", "the draft")
            if view == "cockpit":
                await eventually(lambda: child.read_nonblocking(65536, 1), "the cockpit paints")
                await watched.start()
            await watched.seen("StepAwaiting", step="go")
            match end:
                case "the terminal closes":
                    with contextlib.suppress(pexpect.ExceptionPexpect):  # it waits only 0.1 s for the end of its child
                        child.close(force=False)
                case "ctrl+c":
                    child.sendintr()
                case "kill -9":
                    child.kill(signal.SIGKILL)
            answer = await watched.do("Answer", step="go", values={"accept": True})
            assert answer.ok, answer.refusal
            assert await watched.closed() == "completed"
    finally:
        child.close(force=True)
    assert len(bench.did("work")) == 1


async def test_a_hangup_does_not_end_a_conductor(runs: Runs, file: Path) -> None:
    folder = draft(runs, file)
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        said = folder.conductor()
        assert said is not None
        os.kill(said.mark.pid, signal.SIGHUP)
        assert (await watched.do("Answer", step="go", values={"accept": True})).ok
        assert await watched.closed() == "completed"
    assert watched.state.conductor.pid == said.mark.pid


async def test_sigterm_lets_the_run_go_at_once_and_the_next_conductor_goes_on(runs: Runs, file: Path) -> None:
    folder = draft(runs, file)
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        said = folder.conductor()
        assert said is not None
        os.kill(said.mark.pid, signal.SIGTERM)
        await watched.until(lambda _: not Path(said.socket).exists() or watched.of("ConductorDetached"), "it lets go")
        await runs.conduct(folder)
        assert (await watched.do("Answer", step="go", values={"accept": True})).ok
        assert await watched.closed() == "completed"


async def test_two_clients_see_every_event_in_the_same_order(runs: Runs, file: Path) -> None:
    folder = draft(runs, file)
    await runs.conduct(folder)
    async with Watched(folder) as one, Watched(folder) as other:
        await one.start()
        await other.seen("StepAwaiting", step="go")
        assert (await other.do("Answer", step="go", values={"accept": True})).ok
        await one.closed()
        await other.closed()
        assert one.events == other.events
        assert [e.seq for e in one.events] == list(range(1, one.state.seq + 1))


async def test_a_command_that_is_sent_twice_is_carried_out_once_and_answered_the_same(runs: Runs, file: Path) -> None:
    folder = draft(runs, file)
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        start = watched.order("Start")
        assert await watched.client.do(start) == await watched.client.do(start)
        note = watched.order("Note", text="support is staffed")
        first = await watched.client.do(note)
        refused = watched.order("Retry", step="work")
        no = await watched.client.do(refused)
        assert no.refusal is not None
        assert await watched.client.do(refused) == no
        kill_conductor(folder)
        await runs.conduct(folder)
        assert await watched.client.do(note) == first  # also by the next conductor
        await watched.seen("StepAwaiting", step="go")
        assert len(watched.of("NoteAdded")) == 1
        assert len(watched.of("RunStarted")) == 1


async def test_an_order_from_a_stale_screen_is_refused(runs: Runs, file: Path, bench: Bench) -> None:
    """Who saw attempt 0 of a step cannot retry attempt 1 of it."""
    text = file.read_text(encoding="utf-8").replace(str(bench.act), "/bin/false")
    file.write_text(text, encoding="utf-8")
    folder = draft(runs, file)
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        assert (await watched.do("Answer", step="go", values={"accept": True})).ok
        await watched.until(lambda s: s.steps["work"].status == "stuck", "the command fails")
        stale = await watched.do("Retry", step="work", expect=0)
        assert stale.refusal is not None
        assert "attempt" in str(stale.refusal)
        assert len(watched.of("AttemptStarted")) == 2  # of go and of work
        assert (await watched.do("Retry", step="work", expect=1)).ok


async def test_a_command_left_while_nobody_conducted_is_carried_out_once_by_the_next(runs: Runs, file: Path) -> None:
    folder = draft(runs, file)
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        assert kill_conductor(folder)
        argv = [sys.executable, "-m", "amplify_tui", "do", folder.run, "answer", "go", "accept=true"]
        said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert (said.returncode, said.stdout[:6]) == (0, "waits:"), said.stderr
        await runs.conduct(folder)
        assert await watched.closed() == "completed"
        assert len(watched.of("InputGiven")) == 1


async def test_a_broken_inbox_is_put_aside_and_the_run_goes_on(runs: Runs, file: Path) -> None:
    folder = draft(runs, file)
    folder.inbox.write_bytes(b"not a database at all" * 100)
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        assert (await watched.do("Answer", step="go", values={"accept": True})).ok
        assert await watched.closed() == "completed"
    assert list(folder.path.glob("inbox.db.broken-*"))


async def test_bytes_that_are_no_command_in_the_inbox_stop_nothing(runs: Runs, file: Path) -> None:
    from amplify_tui.engine.inbox import Inbox

    folder = draft(runs, file)
    inbox = Inbox.open(folder.inbox)
    for number, body in enumerate((b"{", b"[1]", b'{"command":"Nonsense","id":"x"}', b'{"command":"Start"}', b"\xff")):
        inbox.submit(f"bad{number}", body, 0.0)
    inbox.close()
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        assert (await watched.do("Answer", step="go", values={"accept": True})).ok
        assert await watched.closed() == "completed"
