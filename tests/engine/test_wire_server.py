"""A real server and real clients over real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from amplify_tui.engine import wire
from amplify_tui.engine.client import Lost, Queued, RunClient, UnreachableError
from amplify_tui.engine.inbox import Inbox
from amplify_tui.engine.proc import this_process
from amplify_tui.engine.rundir import Conductor, RunDir
from amplify_tui.engine.server import MAX_CLIENTS, Server, SocketTakenError
from amplify_tui.engine.wire import Answer, Refusal, WireError
from tests.engine.engine_helpers import DEADLINE, ROOT, event, said, script, short_folder, soon
from tests.engine.small_conductor import Following, SmallConductor, note, raw

SILENT_SERVER = """
import asyncio, sys
from pathlib import Path
from amplify_tui.engine.server import Server

class Handler:
    async def do(self, command): ...
    def events(self, after, limit): return []
    def board(self): return {}

async def main():
    async with Server(Path(sys.argv[1]), Handler()):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunDir]:
    with short_folder() as folder:
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        yield RunDir.create(tmp_path, "r-1")


@pytest.fixture
async def conductor(run: RunDir) -> AsyncIterator[SmallConductor]:
    made = SmallConductor(run)
    async with made.server:
        yield made
    made.journal.close()


@pytest.fixture
async def client(run: RunDir) -> AsyncIterator[RunClient]:
    made = RunClient(run.path)
    yield made
    await made.close()


async def test_a_command_is_answered_with_its_seq_and_only_once(conductor: SmallConductor, client: RunClient) -> None:
    assert await client.connect() == 0
    assert await client.do(note(1)) == Answer(ok=True, seq=1)
    assert await client.do(note(2)) == Answer(ok=True, seq=2)
    assert await client.do(note(1)) == Answer(ok=True, seq=1)
    assert conductor.journal.head().seq == 2


async def test_a_refusal_arrives_in_words(conductor: SmallConductor, client: RunClient) -> None:
    answer = await client.do({"id": "c-1", "type": "Explode"})
    assert answer == Answer(ok=False, refusal=Refusal("Cannot do that", "Explode is unknown", "Try Note"))


async def test_two_cockpits_see_the_same_events_in_the_same_order(
    conductor: SmallConductor, client: RunClient, run: RunDir
) -> None:
    await client.do(note(0))
    async with Following(run).running() as one, Following(run).running() as two:
        async with asyncio.TaskGroup() as tasks:
            for sender in range(3):
                tasks.create_task(_send(run, range(1 + sender * 40, 41 + sender * 40)))
        await soon(lambda: len(one.bodies) == len(two.bodies) == 121, "both saw all events")
    assert one.bodies == two.bodies == conductor.journal.read(0)


async def _send(run: RunDir, numbers: range) -> None:
    client = RunClient(run.path)
    for number in numbers:
        assert (await client.do(note(number))).ok
    await client.close()


async def test_a_cockpit_that_comes_late_gets_thousands_of_events_in_pages(
    conductor: SmallConductor, run: RunDir
) -> None:
    lease = conductor.lease
    head = conductor.journal.append(lease, [event(lease)] * 2500).head
    conductor.server.wake(head.seq)
    async with Following(run).running() as cockpit:
        await soon(lambda: len(cockpit.bodies) == 2500, "all pages came")
    assert cockpit.bodies == conductor.journal.read(0, 5000)


async def test_long_events_come_in_several_answers(conductor: SmallConductor, run: RunDir) -> None:
    lease = conductor.lease
    for _ in range(3):
        head = conductor.journal.append(lease, [event(lease, pad=7_000_000)]).head
    conductor.server.wake(head.seq)
    async with Following(run).running() as cockpit:
        await soon(lambda: len(cockpit.bodies) == 3, "all three came")


async def test_the_board_is_whole_at_first_and_then_the_latest_per_key_in_batches(
    conductor: SmallConductor, run: RunDir
) -> None:
    conductor.post("before", {"value": 1})
    async with Following(run).running() as cockpit:
        await soon(lambda: cockpit.boards == 1, "the first board")
        assert cockpit.board == {"before": {"value": 1}}
        for value in range(1000):
            conductor.post("latency", value)
            conductor.post("errors", -value)
        await soon(lambda: cockpit.boards == 2, "the second board")
        assert cockpit.board == {"before": {"value": 1}, "latency": 999, "errors": -999}
        conductor.post("latency", 1000)
        await soon(lambda: cockpit.boards == 3, "the third board")
    assert cockpit.board["latency"] == 1000
    assert not cockpit.lost


async def test_five_followers_that_never_read_are_skipped_and_nobody_else_notices(
    conductor: SmallConductor, client: RunClient, run: RunDir
) -> None:
    follow = b'{"op":"follow","from":0}\n'
    deaf = [await raw(run, follow) for _ in range(5)]
    for _, writer in deaf:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with Following(run).running() as cockpit:
        await soon(lambda: cockpit.boards == 1, "the reading follower is there")
        await soon(lambda: len(conductor.server._followers) == 6, "the deaf ones are there")
        conductor.post("big", "x" * 2_000_000)  # fills the buffers of those who do not read
        await soon(lambda: "big" in cockpit.board, "the reading follower got it")
        for number in range(300):
            assert await client.do(note(number)) == Answer(ok=True, seq=number + 1)
        assert conductor.server.skipped == 5 * 300
        conductor.post("small", 1)
        await soon(lambda: len(cockpit.bodies) == 300 and "small" in cockpit.board, "everything arrived")
        held = [peer.writer.transport.get_write_buffer_size() for peer in conductor.server._followers]
        assert max(held) < 3_000_000  # nothing piles up behind them

        reader, writer = deaf[0]
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        heard: dict[str, Any] = {}
        async with asyncio.timeout(DEADLINE):
            while heard.get("wake") != 300 or "small" not in heard.get("board", {}):
                heard |= msgspec.json.decode(await reader.readuntil(b"\n"))
    for _, writer in deaf:
        writer.close()


async def test_a_server_ends_though_a_follower_does_not_read(run: RunDir) -> None:
    conductor = SmallConductor(run)
    async with asyncio.timeout(DEADLINE):
        async with conductor.server:
            _, writer = await raw(run, b'{"op":"follow","from":0}\n')
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await soon(lambda: len(conductor.server._followers) == 1, "it follows")
            conductor.post("big", "x" * 2_000_000)
            [peer] = conductor.server._followers
            await soon(peer.is_behind, "it is behind")
            theirs = peer.writer.get_extra_info("socket")
        await soon(lambda: theirs.fileno() == -1, "its connection is given up, not kept for what it never read")
    writer.close()
    conductor.journal.close()


async def test_a_cockpit_finds_the_next_conductor_by_itself_and_misses_nothing(run: RunDir, client: RunClient) -> None:
    first = SmallConductor(run)
    async with Following(run).running() as cockpit:
        await soon(lambda: len(cockpit.lost) == 1, "there is no conductor yet")
        assert "no conductor listens" in cockpit.lost[0].reason
        async with first.server:
            await client.do(note(1))
            await soon(lambda: len(cockpit.bodies) == 1, "the first event")
        first.journal.close()
        await soon(lambda: len(cockpit.lost) >= 2, "the conductor went away")
        moved = Conductor(mark=this_process(), socket=str(run.own_socket().with_name("elsewhere.sock")))
        run.write_conductor(moved)
        second = SmallConductor(run)
        async with second.server:
            assert await client.do(note(2)) == Answer(ok=True, seq=2)  # on a connection that had broken
            await soon(lambda: len(cockpit.bodies) == 2, "the second event")
            reasons = [lost.reason for lost in cockpit.lost]
        assert cockpit.bodies == second.journal.read(0)
        second.journal.close()
    assert len(set(reasons)) == len(reasons)  # one Lost per reason, not per try


async def test_a_journal_that_went_back_ends_the_following_loudly(conductor: SmallConductor, run: RunDir) -> None:
    lease = conductor.lease
    conductor.server.wake(conductor.journal.append(lease, [event(lease)] * 3).head.seq)
    async with aclosing(RunClient(run.path).follow(after=9)) as updates:
        heard = [update async for update in updates]
    assert heard[-1] == Lost("the journal went back to event 3; event 9 had been seen", went_back=True)


async def test_an_event_that_does_not_follow_what_was_seen_ends_the_following(
    conductor: SmallConductor, run: RunDir
) -> None:
    lease = conductor.lease
    async with Following(run).running() as cockpit:
        conductor.server.wake(conductor.journal.append(lease, [event(lease, "A")]).head.seq)
        await soon(lambda: len(cockpit.bodies) == 1, "the first event")
        db = conductor.journal._writer
        db.execute("drop trigger event_is_final")
        db.execute("update event set body = ? where seq = 1", (event(lease, "X")(1, "0" * 64),))
        conductor.server.wake(conductor.journal.append(lease, [event(lease, "B")]).head.seq)
        await soon(lambda: bool(cockpit.lost), "it is noticed")
    assert cockpit.lost[0].went_back
    assert len(cockpit.bodies) == 1


async def test_a_stopped_conductor_is_said_to_be_silent_though_its_socket_is_open(run: RunDir) -> None:
    with script(SILENT_SERVER, run.own_socket()) as frozen:
        assert said(frozen) == "ready"
        async with Following(run, within=0.2).running() as cockpit:
            await soon(lambda: cockpit.boards == 1, "it answers")
            frozen.send_signal(signal.SIGSTOP)
            await soon(lambda: bool(cockpit.lost), "its silence is noticed")
            assert "silent" in cockpit.lost[0].reason
            with pytest.raises(UnreachableError) as caught:
                await RunClient(run.path, within=0.2).do(note(1))
            assert caught.value.kind == "silent"
            frozen.send_signal(signal.SIGCONT)
            await soon(lambda: cockpit.boards >= 2, "it is found again")


@pytest.mark.parametrize(("state", "reason"), [("none", "no conductor listens"), ("dead", "is dead")])
async def test_where_no_conductor_answers_a_command_waits_in_the_inbox_and_says_so(
    run: RunDir, client: RunClient, state: str, reason: str
) -> None:
    if state == "dead":
        with script(SILENT_SERVER, run.own_socket()) as killed:
            assert said(killed) == "ready"
    queued = await client.submit(note(1), at=5.0)
    assert isinstance(queued, Queued)
    assert queued.id == "c-1"
    assert reason in queued.reason
    assert "waits for the next conductor" in queued.reason
    await client.submit(note(1), at=6.0)
    inbox = Inbox.open(run.inbox)
    assert [(each.id, msgspec.json.decode(each.body), each.at) for each in inbox.pending()] == [("c-1", note(1), 5.0)]
    inbox.close()


async def test_with_a_conductor_submit_is_do(conductor: SmallConductor, client: RunClient, run: RunDir) -> None:
    assert await client.submit(note(1), at=5.0) == Answer(ok=True, seq=1)
    assert not run.inbox.exists()


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(
    conductor: SmallConductor, client: RunClient
) -> None:
    conductor.gate.clear()
    with pytest.raises(UnreachableError, match="did not answer within"):
        await client.do(note(1), within=0.05)
    conductor.gate.set()
    assert await client.do({"id": "c-2", "type": "Explode"}) == Answer(
        ok=False, refusal=Refusal("Cannot do that", "Explode is unknown", "Try Note")
    )
    assert await client.do(note(1)) == Answer(ok=True, seq=1)


async def test_a_bug_in_one_command_ends_that_client_and_not_the_conductor(
    conductor: SmallConductor, client: RunClient, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UnreachableError, match="closed"):
        await client.do({"id": "c-1", "type": "Bug"})
    assert "a bug in a command" in caplog.text
    assert await client.do(note(2)) == Answer(ok=True, seq=1)


async def test_what_is_no_request_is_answered_with_an_error_and_the_connection_goes_on(
    conductor: SmallConductor, run: RunDir
) -> None:
    reader, writer = await raw(run, b"hello\n", b'{"op":"events","after":-1,"id":"e"}\n', b'{"op":"ping","id":"p"}\n')
    answers = [msgspec.json.decode(await reader.readline()) for _ in range(3)]
    assert "not a request" in answers[0]["error"]
    assert answers[1]["re"] == "e"
    assert "no event before the first" in answers[1]["error"]
    assert answers[2] == {"re": "p", "ok": True, "seq": 0}
    writer.close()


async def test_a_request_that_is_too_long_is_refused_and_the_rest_goes_on(
    conductor: SmallConductor, client: RunClient
) -> None:
    with pytest.raises(WireError, match="a request may be"):
        await client.do(note(1, text="x" * wire.MAX_REQUEST))
    assert await client.do(note(2)) == Answer(ok=True, seq=1)


async def test_a_request_without_an_end_does_not_fill_the_memory(conductor: SmallConductor, run: RunDir) -> None:
    reader, writer = await raw(run, b"x" * (3 * wire.MAX_REQUEST))
    answer = msgspec.json.decode(await reader.readline())
    assert "a request may be" in answer["error"]
    writer.close()


async def test_more_clients_than_fit_are_told_so(conductor: SmallConductor, run: RunDir, client: RunClient) -> None:
    opened = [await raw(run, b'{"op":"ping"}\n') for _ in range(MAX_CLIENTS)]
    for reader, _ in opened:
        await reader.readline()
    with pytest.raises(WireError, match="clients are connected already"):
        await client.connect()
    for _, writer in opened:
        writer.close()
    await soon(lambda: not conductor.server._tasks, "they are gone")
    assert await client.connect() == 0


async def test_a_second_server_never_takes_the_path_of_a_living_one(conductor: SmallConductor, run: RunDir) -> None:
    with pytest.raises(SocketTakenError, match=str(os.getpid())):
        async with Server(run.own_socket(), conductor):
            raise AssertionError("it took the socket")
    assert await RunClient(run.path).connect() == 0


async def test_a_socket_left_by_kill_9_is_replaced_and_one_that_ended_well_is_gone(
    run: RunDir, client: RunClient
) -> None:
    with script(SILENT_SERVER, run.own_socket()) as killed:
        assert said(killed) == "ready"
    assert run.own_socket().exists()
    with pytest.raises(UnreachableError) as caught:
        await client.connect()
    assert caught.value.kind == "dead"
    conductor = SmallConductor(run)
    async with conductor.server:
        assert stat.S_IMODE(run.own_socket().stat().st_mode) == 0o600
        assert await client.connect() == 0
    assert not run.own_socket().exists()
    conductor.journal.close()


async def test_a_socket_that_a_cleaner_removed_is_made_again(conductor: SmallConductor, run: RunDir) -> None:
    async with Following(run).running() as cockpit:
        await soon(lambda: cockpit.boards == 1, "a cockpit is there")
        assert not await conductor.server.ensure_reachable()
        run.own_socket().unlink()
        assert await conductor.server.ensure_reachable()
        assert await RunClient(run.path).do(note(1)) == Answer(ok=True, seq=1)
        await soon(lambda: len(cockpit.bodies) == 1, "the old connection lives on")
        assert not cockpit.lost


def test_the_cockpits_client_imports_nothing_heavy() -> None:
    heavy = "sqlite3 httpx git UnleashClient textual yaml platformdirs"
    code = f"import sys, amplify_tui.engine.client; print([m for m in '{heavy}'.split() if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
