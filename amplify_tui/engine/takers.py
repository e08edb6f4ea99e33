"""Which run has what an earlier one left, and telling the earlier one so.

Its own journal decides, once and for good: `decide` answers the second one that comes. Nothing here begins a run.

| who takes over | comes from     | and is made                                                                  |
| -------------- | -------------- | ---------------------------------------------------------------------------- |
| a hotfix       | superseding.py | a draft before the journal names it; it starts once it is named              |
| a reversal     | reversing.py   | with its first event, once the journal names it; the guard is held meanwhile |
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from amplify_tui.engine.card_file import write_card
from amplify_tui.engine.client import RunClient, UnreachableError
from amplify_tui.engine.create import start_conductor
from amplify_tui.engine.journal import Head, JournalError, LeaseHeld, tail_problem
from amplify_tui.engine.lease import hold
from amplify_tui.engine.locks import Registrar, has_begun
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.replay import load, state_of
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.scribe import Scribe
from amplify_tui.engine.spawn import wait_ready
from amplify_tui.engine.sqlite_journal import SqliteJournal, SqliteReader
from amplify_tui.engine.wire import Answer
from amplify_tui.run import commands as c
from amplify_tui.run.events import EventData
from amplify_tui.run.state import State

ANSWER_WITHIN: Final = 30.0
READY_WITHIN: Final = 20.0
_AGAIN_S: Final = 0.05
_log = logging.getLogger(__name__)


def earlier_of(home: Path, run: str) -> State | None:
    """The state of the run to take over; None where its journal is gone or cannot be read."""
    earlier = read(home, run)
    return None if earlier is None else standing(home, earlier)


def read(home: Path, run: str) -> State | None:
    """The state of a run; None where its journal is gone or cannot be read."""
    try:
        return state_of(RunDir(home / "runs" / run))
    except (JournalError, OSError) as error:
        _log.warning("run %s cannot be read: %s", run, error)
        return None


def standing(home: Path, earlier: State, *, guarded: bool = False) -> State:
    """*earlier* as others find it: without the run that has it, where that one can never begin any more."""
    if not void_taker(home, earlier, guarded=guarded):
        return earlier
    return replace(earlier, superseded_by="", reversed_by="")


def void_taker(home: Path, earlier: State, *, guarded: bool = False) -> str:
    """The run that has *earlier* and can never begin; "" where none has it, or that one may, or nobody knows.

    guarded: the caller holds the guard under which reversals are made.
    """
    if taker := earlier.superseded_by:
        return taker if _never_starts(RunDir(home / "runs" / taker)) else ""
    taker = earlier.reversed_by
    return taker if taker and not has_begun(RunDir(home / "runs" / taker), guarded=guarded) else ""


def _never_starts(draft: RunDir) -> bool:
    """A draft that is gone, or was given up. One that cannot be read may have started."""
    if not draft.path.is_dir():
        return True
    state = read(draft.home, draft.run)
    return state is not None and state.phase == "closed" and state.started_at is None


async def tell(folder: RunDir, order: c.Supersede | c.LeaveUndo, *, is_open: bool) -> Answer:
    """Let the run of *folder* decide, through its conductor. A closed one needs none: where none answers we write.

    Raises UnreachableError, WireError, NotStartedError, JournalError and OSError: whether it was told is not known.
    """
    client = RunClient(folder.path, within=ANSWER_WITHIN)
    try:
        async with asyncio.timeout(ANSWER_WITHIN + READY_WITHIN):
            while True:
                try:
                    await client.connect()
                    return await client.do(msgspec.to_builtins(order), within=ANSWER_WITHIN)
                except UnreachableError as error:
                    if error.kind not in ("none", "dead", "closed"):
                        raise
                if is_open:
                    await wait_ready(folder.path, start_conductor(folder), within=READY_WITHIN)
                    continue
                try:
                    return await _write(folder, order)
                except LeaseHeld:  # by a conductor that just comes or goes
                    await asyncio.sleep(_AGAIN_S)
    except TimeoutError as error:
        raise UnreachableError("silent", f"run {folder.run} did not answer in time") from error
    finally:
        await client.close()


async def _write(folder: RunDir, order: c.Supersede | c.LeaveUndo) -> Answer:
    """As the conductor of a closed run would: with its lease, through its door."""
    journal = SqliteJournal.open_writer(folder.journal, folder.run, _witness(folder))
    registrar = Registrar(folder, journal)

    def told(state: State, events: tuple[EventData, ...]) -> None:
        registrar.told(state)
        with contextlib.suppress(OSError):
            write_card(folder, state)

    try:
        keeper = await hold(journal, FileLock(folder.lock))
        try:
            return Scribe(journal, keeper, load(journal), told=told).answer(order)
        finally:
            keeper.release()
    finally:
        journal.close()
        folder.head.close()


def _witness(folder: RunDir) -> Callable[[Head], None] | None:
    """Who is told the new head. Where the journal has lost its end the old one stays: it is the proof of that."""
    reader = SqliteReader.open(folder.journal)
    try:
        return folder.head.write if tail_problem(reader, folder.head.read()) is None else None
    finally:
        reader.close()
