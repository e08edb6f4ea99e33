"""Faults of the conductor and of what it stands on: death, sleep, a rival, its disk, its journal, its clock."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

from amplify_tui.cli.common import replay
from amplify_tui.run.envelope import Envelope
from tests.engine.crash_world import eventually
from tests.reliability.laboratory import Fault, Trial
from tests.reliability.target import When
from tests.reliability.trial import Result

INSIDE: Final = "`kill -9` inside the transaction of an append"
BETWEEN: Final = "`kill -9` after the commit of an append, before the high-water mark"
AFTER: Final = "`kill -9` after an append"
ARRIVES: Final = "`kill -9` as an effect reaches its target"
CARRIED_OUT: Final = "`kill -9` as an effect was carried out, and its outcome not journaled"
FULL: Final = "the disk is full for 8 s"
LOCKED: Final = "the journal is locked for 30 s"
CLOCK: Final = "the clock jumps by an hour, ahead or back"
ASLEEP: Final = "the machine sleeps: stopped, and an hour later when it wakes"
STOPPED: Final = "stopped, and another conductor of the host takes over"
RIVAL: Final = "stopped, a conductor of another host takes over, and the first one wakes"
TWO: Final = "a second conductor is started beside the one that lives"

MOMENTS: Final = {INSIDE: "before", BETWEEN: "between", AFTER: "after"}
COMMANDS: Final = ("work", "deploy", "revert", "undo_work")
FENCED: Final = 75


def _of(kind: str, step: str = "", *, back: bool = False) -> Callable[[Envelope], bool]:
    def fits(event: Envelope) -> bool:
        is_back = bool(getattr(event.data, "undoes", ""))
        return event.type == kind and (not step or getattr(event.data, "step", "") == step) and is_back == back

    return fits


WHEN: Final = {
    "a command is intended": _of("EffectIntended", "work"),
    "a service bakes": _of("PhaseEntered", "deploy"),
    "a flag is about to be switched": _of("EffectIntended", "ramp"),
    "a flag bakes": _of("PhaseEntered", "ramp"),
    "the rollback begins": _of("RollbackStarted"),
    "an undo is intended": _of("EffectIntended", back=True),
}
"""Moments of a run at which the faults come that have no place of their own."""


async def moment(trial: Trial, name: str) -> None:
    """Come back when the run is there."""
    await trial.watched.until(lambda _: any(map(WHEN[name], trial.watched.events)), name)


# --- death ------------------------------------------------------------------------------------------------------------


def kills_at_appends(model: Result, row: str) -> Iterator[Fault]:
    """One for each append of the model's run: three conductors of a run die, each a third of the way after the last.

    Inside a transaction it is as after the append before it, but where an effect was made between the two: there one
    for each, elsewhere for each fourth. Between commit and high-water mark, which is as after it, for each eighth.
    """
    chosen = [
        point
        for number, point in enumerate(model.points)
        if row == AFTER
        or (row == INSIDE and point.startswith("EffectDone"))
        or number % (8 if row == BETWEEN else 4) == 0
    ]
    # The second time that something is told is another time to a conductor that did not hear the first.
    once = [point for point in chosen if "#" not in point]
    third = -(-len(once) // 3)
    for several in [
        *zip_longest(*(once[n * third : (n + 1) * third] for n in range(3))),
        *([p] for p in chosen if "#" in p),
    ]:
        first, *then = ({"at": point, "moment": MOMENTS[row]} for point in several if point is not None)
        yield Fault(row=row, name=" / ".join(filter(None, several)), first=first, then=tuple(then))


def kills_at_targets(model: Result, row: str) -> Iterator[Fault]:
    """One for each write of the model's run, as its target sees it. A command goes on when its conductor is dead."""
    when: When = "before" if row == ARRIVES else "after"

    def at(write: str) -> Fault:
        async def work(trial: Trial) -> None:
            async def kill() -> None:
                trial.strike()

            trial.place.target.meet(write, when, kill)

        return Fault(row=row, name=write, work=work)

    def doomed(what: str) -> Fault:
        async def work(trial: Trial) -> None:
            trial.place.doom(what)

        return Fault(row=row, name=what, work=work)

    yield from map(at, model.writes)
    yield from (doomed(f"{name}.{when}") for name in COMMANDS)
    yield doomed("pre-receive" if when == "before" else "post-receive")


# --- what it stands on ------------------------------------------------------------------------------------------------


def locked() -> Iterator[Fault]:
    """Another program sits in a transaction on the journal."""
    for name in WHEN:

        async def work(trial: Trial, name: str = name) -> None:
            await moment(trial, name)
            db = sqlite3.connect(trial.folder.journal, isolation_level=None, timeout=0.0)
            try:
                while not db.in_transaction:
                    with contextlib.suppress(sqlite3.OperationalError):
                        db.execute("begin immediate")
                    await asyncio.sleep(0.002)
                trial.struck.set()
                await asyncio.sleep(30.0)
            finally:
                db.close()

        yield Fault(row=LOCKED, name=name, work=work)


def full_disks() -> Iterator[Fault]:
    """A file system of 24 MiB, filled to the last byte, and again after the reserve was spent."""
    if not may_mount():
        return
    for name in WHEN:
        folder = Path(tempfile.mkdtemp(prefix="amp-"))

        async def work(trial: Trial, name: str = name, folder: Path = folder) -> None:
            await moment(trial, name)
            filler = folder / "filler"
            for _ in range(40):
                _fill(filler)
                await asyncio.sleep(0.2)
            trial.struck.set()
            filler.unlink()

        yield Fault(row=FULL, name=name, work=work, home=folder)


def may_mount() -> bool:
    """A file system of its own can only be mounted by root on Linux."""
    return sys.platform == "linux" and os.getuid() == 0


def _fill(filler: Path) -> None:
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):  # ENOSPC
                while file.write(b"x" * size):
                    pass


@contextlib.contextmanager
def small_disks(faults: Sequence[Fault]) -> Iterator[None]:
    """The file systems of those faults that have one of their own."""
    folders = [fault.home for fault in faults if fault.home is not None]
    try:
        for folder in folders:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=True)
        yield
    finally:
        for folder in folders:
            subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
            shutil.rmtree(folder, ignore_errors=True)


def _jump_was_told(trial: Trial) -> list[str]:
    return [] if trial.watched.of("ClockJumped") else ["no ClockJumped stands in the journal"]


def clocks() -> Iterator[Fault]:
    """The wall clock is set, by hand or by NTP."""
    for name, delta in itertools.product(WHEN, (3600.0, -3600.0)):

        async def work(trial: Trial, name: str = name, delta: float = delta) -> None:
            await moment(trial, name)
            trial.place.move_clock(delta)
            trial.struck.set()

        yield Fault(row=CLOCK, name=f"{delta:+g} s as {name}", work=work, check=_jump_was_told)


def sleeps() -> Iterator[Fault]:
    """Everything stands still for 3 s; the wall clock has gone on by an hour."""
    for name in WHEN:

        async def work(trial: Trial, name: str = name) -> None:
            await moment(trial, name)
            trial.strike(signal.SIGSTOP)
            trial.place.move_clock(3600.0)
            await asyncio.sleep(3.0)
            trial.strike(signal.SIGCONT)

        yield Fault(row=ASLEEP, name=name, work=work, check=_jump_was_told)


# --- rivals -----------------------------------------------------------------------------------------------------------


def _stopped_at(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def stopped(model: Result) -> Iterator[Fault]:
    """It stands still after an append, holding its lease; the next one kills it after a whole TTL of silence."""
    for point in model.points[::12]:

        async def work(trial: Trial) -> None:
            first = await trial.born()
            await eventually(lambda: _stopped_at(first.pid), "it stands still", within=120.0)
            trial.struck.set()
            await trial.start()

        yield Fault(row=STOPPED, name=point, work=work, first={"at": point, "with_": int(signal.SIGSTOP)})


def rivals(model: Result) -> Iterator[Fault]:
    """It stands still after an append and is believed dead on another host; then it wakes up in the middle."""
    for point in model.points[3::8]:

        async def work(trial: Trial) -> None:
            first = await trial.born()
            await eventually(lambda: _stopped_at(first.pid), "it stands still", within=120.0)
            trial.struck.set()
            await trial.start(host="elsewhere")
            # By the journal: a follower of the one that stands still hears of it only once that one wakes.
            await eventually(lambda: replay(trial.folder).conductor.host == "elsewhere", "the other host takes over")
            os.kill(first.pid, signal.SIGCONT)
            async with asyncio.timeout(60.0):
                await first.ended.wait()

        yield Fault(
            row=RIVAL, name=point, work=work, first={"at": point, "with_": int(signal.SIGSTOP)}, check=_was_fenced
        )


def _was_fenced(trial: Trial) -> list[str]:
    status = trial.lives[0].status
    return [] if status == FENCED else [f"the first conductor ended with {status}, not as one that was replaced"]


def seconds() -> Iterator[Fault]:
    """The one that lives beats; the other one has to go away."""
    for name in WHEN:

        async def work(trial: Trial, name: str = name) -> None:
            await moment(trial, name)
            other = await trial.another()
            async with asyncio.timeout(60.0):
                await other.ended.wait()
            if other.status == FENCED:
                trial.struck.set()

        yield Fault(row=TWO, name=name, work=work)
