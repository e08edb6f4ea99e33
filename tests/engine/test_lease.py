"""Taking, keeping and losing the lease of a run: with an own clock, with real locks, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from amplify_tui.engine.journal import DiskFull, Fenced, Lease, LeaseHeld, Sight
from amplify_tui.engine.lease import Holder, Watch, acquire, holder_mark, holder_text, take_over
from amplify_tui.engine.proc import FileLock, Mark, kill, lives, started, this_process
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteJournal
from tests.engine.engine_helpers import event, eventually, said, script

CONDUCTOR = """
import asyncio, os, signal, sys
from pathlib import Path
from amplify_tui.engine.lease import acquire, take_over
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteJournal
from tests.engine.engine_helpers import event

async def main(run, how):
    journal = SqliteJournal.create(run.journal, run.run, witness=run.head.write)
    lock = FileLock(run.lock)
    keeper = acquire(journal, lock) if how == "acquire" else await take_over(journal, lock, ttl=0.5)
    print("epoch", keeper.lease.epoch, flush=True)
    if how == "stop inside a transaction":
        journal._writer.execute("begin immediate")
        os.kill(os.getpid(), signal.SIGSTOP)
    while keeper.still_mine():
        journal.append(keeper.lease, [event(keeper.lease)])
        await asyncio.sleep(0.002)

asyncio.run(main(RunDir(Path(sys.argv[1])), sys.argv[2]))
"""


# With a child of its own, which must not keep the lock alive.
HOLD_THE_LOCK = """
import subprocess, sys
from pathlib import Path
from amplify_tui.engine.proc import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.take(), flush=True)
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print("started", flush=True)
input()
"""


class OwnTime:
    """A monotonic clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path, "r-1")


@pytest.fixture
def journal(run: RunDir) -> Iterator[SqliteJournal]:
    made = SqliteJournal.create(run.journal, "r-1")
    yield made
    made.close()


def holder_elsewhere() -> str:
    return msgspec.json.encode(Holder(Mark(host="elsewhere", pid=1, started="x"), taking=1)).decode()


def test_a_new_run_is_acquired_with_epoch_1_and_handed_over_by_giving_it_back(
    run: RunDir, journal: SqliteJournal
) -> None:
    lock = FileLock(run.lock)
    first = acquire(journal, lock)
    assert first.lease.epoch == 1
    journal.append(first.lease, [event(first.lease)])
    first.release()
    assert not lock.held
    assert not first.still_mine()
    second = acquire(journal, FileLock(run.lock))
    assert second.lease.epoch == 2
    second.release()


def test_a_held_lease_is_not_acquired_and_the_error_names_the_holder(run: RunDir, journal: SqliteJournal) -> None:
    keeper = acquire(journal, FileLock(run.lock))
    with pytest.raises(LeaseHeld, match=f"driven by process {os.getpid()} on .*amplify attach"):
        acquire(journal, FileLock(run.lock))
    assert keeper.still_mine()
    keeper.release()


def test_a_watch_wants_a_whole_ttl_of_its_own_clock_since_the_last_change() -> None:
    watch = Watch(10.0)
    assert not watch.look(Sight(1, 5, "a"), 100.0)
    assert not watch.look(Sight(1, 5, "a"), 109.9)
    assert watch.look(Sight(1, 5, "a"), 110.0)
    assert not watch.look(Sight(1, 6, "a"), 110.1)  # it beat after all: everything starts again
    assert not watch.look(Sight(1, 6, "a"), 120.0)
    assert watch.look(Sight(1, 6, "a"), 120.1)
    assert watch.beats == 1


async def test_a_silent_holder_of_another_host_is_replaced_after_a_ttl_and_not_before(
    run: RunDir, journal: SqliteJournal
) -> None:
    old = journal.take(holder_elsewhere(), None)
    own = OwnTime()
    keeper = await take_over(journal, FileLock(run.lock), ttl=10.0, clock=own.clock, sleep=own.sleep)
    assert own.now >= 1010.0
    assert keeper.lease.epoch == 2
    assert old is not None
    assert not journal.beat(old)
    keeper.release()


async def test_a_holder_of_another_host_that_beats_is_left_alone(run: RunDir, journal: SqliteJournal) -> None:
    old = journal.take(holder_elsewhere(), None)
    assert old is not None
    own = OwnTime()

    async def sleep(seconds: float) -> None:
        await own.sleep(seconds)
        if own.now > 1005.0:
            journal.beat(old)

    lock = FileLock(run.lock)
    with pytest.raises(LeaseHeld, match="on elsewhere"):
        await take_over(journal, lock, ttl=10.0, clock=own.clock, sleep=sleep)
    assert not lock.held
    assert journal.beat(old)


async def test_of_two_observers_of_one_silent_holder_only_one_takes_over(run: RunDir, journal: SqliteJournal) -> None:
    journal.take(holder_elsewhere(), None)
    rival = SqliteJournal.open_writer(run.journal, "r-1")
    own = OwnTime()

    async def sleep(seconds: float) -> None:
        await own.sleep(seconds)
        if own.now > 1009.0:
            rival.take("rival", rival.seen())

    with pytest.raises(LeaseHeld):
        await take_over(journal, FileLock(run.lock), ttl=10.0, clock=own.clock, sleep=sleep)
    rival.close()


async def test_beating_ends_with_fenced_when_the_lease_is_taken(run: RunDir, journal: SqliteJournal) -> None:
    keeper = acquire(journal, FileLock(run.lock))
    own = OwnTime()
    beats: list[Sight | None] = []

    async def sleep(seconds: float) -> None:
        beats.append(journal.seen())
        if len(beats) == 3:
            journal.take("thief", journal.seen())
        await own.sleep(seconds)

    with pytest.raises(Fenced):
        await keeper.beat_until_lost(2.0, sleep)
    assert len({sight.beat for sight in beats if sight}) == 3
    assert not keeper.still_mine()
    keeper.release()


async def test_a_full_disk_ends_no_conductor_but_stops_it_from_acting(run: RunDir, journal: SqliteJournal) -> None:
    class FullDisk:
        """The outermost seam: a store whose disk is full for two beats."""

        run = "r-1"
        beats = 0

        def seen(self) -> Sight | None:
            return journal.seen()

        def take(self, holder: str, saw: Sight | None) -> Lease | None:
            return journal.take(holder, saw)

        def free(self, lease: Lease) -> None:
            journal.free(lease)

        def beat(self, lease: Lease) -> bool:
            self.beats += 1
            if self.beats <= 2:
                raise DiskFull("full")
            return self.beats < 5

    store = FullDisk()
    keeper = acquire(store, FileLock(run.lock))
    with pytest.raises(DiskFull):
        keeper.still_mine()
    with pytest.raises(Fenced):
        await keeper.beat_until_lost(0.0, lambda seconds: asyncio.sleep(0))
    assert store.beats == 5
    keeper.release()


async def test_after_kill_9_the_next_conductor_takes_over_at_once(run: RunDir, journal: SqliteJournal) -> None:
    with script(CONDUCTOR, run.path, "acquire") as child:
        assert said(child) == "epoch 1"
        with pytest.raises(LeaseHeld, match=f"process {child.pid}"):
            await take_over(journal, FileLock(run.lock), ttl=30.0)
        eventually(lambda: journal.head().seq > 5, "the conductor appends")
        child.send_signal(signal.SIGKILL)
        child.wait(20)
        own = OwnTime()
        keeper = await take_over(journal, FileLock(run.lock), clock=own.clock, sleep=own.sleep)
        assert own.now == 1000.0  # nothing was waited for
        assert keeper.lease.epoch == 2
        assert journal.verify(run.head.read()).ok
        keeper.release()


@pytest.mark.parametrize("how", ["acquire", "stop inside a transaction"])
async def test_a_stopped_conductor_is_killed_after_a_ttl_and_never_writes_again(
    run: RunDir, journal: SqliteJournal, how: str
) -> None:
    with script(CONDUCTOR, run.path, how) as child:
        assert said(child) == "epoch 1"
        if how == "acquire":
            eventually(lambda: journal.head().seq > 5, "the conductor appends")
            child.send_signal(signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(child.pid, os.WUNTRACED)[1])
        stopped_at = journal.head().seq
        keeper = await take_over(journal, FileLock(run.lock), ttl=0.5)
        assert child.wait(20) == -signal.SIGKILL
        assert keeper.lease.epoch == 2
        journal.append(keeper.lease, [event(keeper.lease, "Mine")])
        assert journal.head().seq == stopped_at + 1
        assert journal.verify().ok
        keeper.release()


async def test_a_conductor_that_takes_over_in_a_process_of_its_own_goes_on_with_the_journal(
    run: RunDir, journal: SqliteJournal
) -> None:
    with script(CONDUCTOR, run.path, "acquire") as first:
        assert said(first) == "epoch 1"
        with script(CONDUCTOR, run.path, "take over") as refused:
            assert said(refused) == ""
            assert refused.wait(20) == 1
        first.send_signal(signal.SIGKILL)
        first.wait(20)
        with script(CONDUCTOR, run.path, "take over") as second:
            assert said(second) == "epoch 2"
            before = journal.head().seq
            eventually(lambda: journal.head().seq > before + 5, "the second conductor appends")
    assert journal.verify().ok


def test_a_pid_that_was_reused_is_never_taken_for_the_holder(tmp_path: Path) -> None:
    me = this_process()
    assert lives(me)
    for other in (Mark(me.host, me.pid, "another start"), Mark("elsewhere", me.pid, me.started)):
        assert not lives(other)
        assert not kill(other)
    with script("input()") as child:
        mark = Mark(me.host, child.pid, started(child.pid) or "")
        assert lives(mark)
        assert kill(mark)
        eventually(lambda: not lives(mark), "a zombie is dead")
        child.wait(20)
        assert started(child.pid) is None


def test_two_takings_by_one_process_have_two_holders() -> None:
    one, two = holder_text(this_process()), holder_text(this_process())
    assert one != two
    assert holder_mark(Sight(1, 1, one)) == holder_mark(Sight(2, 2, two)) == this_process()
    assert holder_mark(Sight(1, 1, "")) is None
    assert holder_mark(Sight(1, 1, "someone's own text")) is None


def test_a_file_lock_is_exclusive_says_who_has_it_and_dies_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    one, two = FileLock(path), FileLock(path)
    assert one.holder() is None
    assert one.take()
    assert one.take()
    assert not two.take()
    assert two.holder() == this_process()
    one.release()
    one.release()
    assert two.take()
    two.release()
    with script(HOLD_THE_LOCK, path) as child:
        assert [said(child), said(child)] == ["True", "started"]
        assert not one.take()
        child.send_signal(signal.SIGKILL)
        child.wait(20)
        assert one.take()
        one.release()


def test_beats_change_even_when_the_clock_stands_still(
    run: RunDir, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 7)
    lease = journal.take("me", None)
    assert lease is not None
    beats = set()
    for _ in range(3):
        assert journal.beat(lease)
        sight = journal.seen()
        assert sight is not None
        beats.add(sight.beat)
    assert len(beats) == 3
