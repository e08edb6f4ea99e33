"""Making a run that takes a closed one back: who changed what since, who holds its locks, and its first event.

What is looked at here goes into one order, `Reverse`, and `decide` alone says whether the run may be.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from amplify_tui.engine.card_file import write_card
from amplify_tui.engine.create import write_first
from amplify_tui.engine.journal import JournalError
from amplify_tui.engine.locks import guard_of, list_runs, open_index, read_summary, take
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.replay import READ_BATCH, load, state_of
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.engine.takers import standing, tell, void_taker
from amplify_tui.run import commands as c
from amplify_tui.run.decide import decide
from amplify_tui.run.events import RunCreated
from amplify_tui.run.reversal import left_of
from amplify_tui.run.select.words import clock
from amplify_tui.run.shapes import WORDS_BAND, Refusal, UndoItem
from amplify_tui.run.state import EffectState, State

GUARD_WITHIN: Final = 10.0
_log = logging.getLogger(__name__)


def reverse_run(
    home: Path, closed: State, *, actor: str, reason: str, until_band: int = WORDS_BAND, engine: str = ""
) -> RunDir | Refusal:
    """A run that takes back what *closed* left, up to *until_band*, with its locks taken and its card written; it
    waits for a conductor. Or why there is none. Not for a running loop.

    Raises JournalError, PlaceError and OSError; WireError and UnreachableError where *closed* has a conductor that
    does not answer.
    """
    guard = guard_of(home)
    if not _taken(guard):
        return Refusal("nothing is taken back yet", "somebody begins a rollback of a closed run now", "try it again")
    try:
        if closed.run:  # it may be another one's since the caller looked
            closed = standing(home, state_of(RunDir(home / "runs" / closed.run)), guarded=True)
        name = secrets.token_hex(4)
        is_free = not closed.superseded_by and not closed.reversed_by
        order = c.Reverse(
            id=secrets.token_hex(8),
            actor=actor,
            via="cli",
            reason=reason,
            closed=closed,
            until_band=until_band,
            touched=touched_later(home, closed, left_of(closed)),
            problems=tuple(take_locks(home, name, closed.locks) if is_free else ()),
            advice="take that run back first, or wait until it is closed",
            engine=engine,
        )
        return _made(home, name, order)
    finally:
        guard.release()


def _taken(guard: FileLock) -> bool:
    """Whether it is ours: who makes another run has it for a moment, and whoever waits is told which run that is."""
    until = time.monotonic() + GUARD_WITHIN
    while not guard.take():
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)
    return True


class _RefusedError(Exception):
    """The closed run leaves its undo to somebody else."""

    def __init__(self, said: Refusal) -> None:
        super().__init__(said.why)
        self.said = said


def _made(home: Path, name: str, order: c.Reverse) -> RunDir | Refusal:
    decided = decide(State(), order, time.time())
    folder: RunDir | None = None
    try:
        if isinstance(decided, Refusal):
            free_locks(home, name)
            return decided
        (created,) = decided
        assert isinstance(created, RunCreated)
        folder = RunDir.create(home, name)
        write_first(folder, created, actor=order.actor, via=order.via, ready=lambda: _leave_undo(home, name, order))
    except BaseException as error:
        free_locks(home, name)
        if folder is not None:
            shutil.rmtree(folder.path, ignore_errors=True)
        if isinstance(error, _RefusedError):
            return error.said
        raise
    _told(home, folder)
    return folder


def _leave_undo(home: Path, name: str, order: c.Reverse) -> None:
    """Let the closed run name the one that reverses it: the one place where two that want to are kept apart."""
    if not order.closed.run:
        return
    closed = RunDir(home / "runs" / order.closed.run)
    instead_of = void_taker(home, state_of(closed), guarded=True)
    told = c.LeaveUndo(id=secrets.token_hex(8), actor=order.actor, via=order.via, by=name, instead_of=instead_of)
    refusal = asyncio.run(tell(closed, told, is_open=False)).refusal
    if refusal is not None:
        raise _RefusedError(Refusal(refusal.what, refusal.why, refusal.next))


def _told(home: Path, folder: RunDir) -> None:
    """Its line in the list of runs, and its card: both can be made again, so neither keeps it from beginning."""
    with contextlib.suppress(OSError, JournalError):
        index = open_index(home)
        try:
            index.put(read_summary(folder.path))
        finally:
            index.close()
    with contextlib.suppress(OSError, JournalError):
        write_card(folder, state_of(folder))


def take_locks(home: Path, run: str, names: Sequence[str]) -> list[str]:
    """Take the locks for *run*: a sentence for each that another run holds. A list that cannot be used stops nothing:
    who takes back in an emergency does not wait for it. The caller holds the guard under which reversals are made."""
    try:
        index = open_index(home)
    except (JournalError, OSError) as error:
        _log.warning("the locks cannot be taken: %s", error)
        return []
    try:
        return take(index, home, run, names, guarded=True)
    except JournalError as error:
        _log.warning("the locks cannot be taken: %s", error)
        return []
    finally:
        index.close()


def free_locks(home: Path, run: str) -> None:
    """Free what `take_locks` took, where the run could not be made after all."""
    with contextlib.suppress(JournalError, OSError):
        index = open_index(home)
        try:
            index.release(run)
        finally:
            index.close()


def touched_later(home: Path, closed: State, plan: Sequence[UndoItem]) -> dict[str, str]:
    """By item, a sentence about the newest effect of another run on the same target, made after those of the item."""
    plan = [item for item in plan if not item.only_looks]  # it follows what is decided about what it reads back
    since = {item.id: max((closed.effects[name].at for name in item.effects), default=0.0) for item in plan}
    first = min(since.values(), default=0.0)
    found: dict[str, tuple[float, str]] = {}
    for line in list_runs(home):
        if line.id == closed.run or (line.ended_at is not None and line.ended_at <= first):
            continue
        other = _known(home / "runs" / line.id, {item.target.id for item in plan})
        if other is None or not _shares_a_world(closed, other):
            continue
        for item in plan:
            effect = _last_on(other, item)
            if effect is not None and effect.at > max(since[item.id], found.get(item.id, (0.0, ""))[0]):
                found[item.id] = (effect.at, _sentence(other, effect))
    return {name: words for name, (_, words) in found.items()}


def _last_on(other: State, item: UndoItem) -> EffectState | None:
    on_it = (e for e in other.effects.values() if e.target == item.target and e.status != "absent" and e.seq > 0)
    return max(on_it, key=lambda effect: effect.at, default=None)


def _sentence(other: State, effect: EffectState) -> str:
    version = f" ({other.plan.name} {other.subject.version})" if other.subject else ""
    return (
        f"run {other.run}{version} changed it later, at {clock(effect.at, None)}: {effect.says or effect.target.id}; "
        "restore, ours, kill or waive"
    )


def _shares_a_world(closed: State, other: State) -> bool:
    """Every sandbox is a world of its own: runs of two demos share names, and nothing else."""
    if closed.sandbox != other.sandbox or other.mode == "dry":
        return False
    return not closed.sandbox or (
        closed.subject is not None and other.subject is not None and closed.subject.repo == other.subject.repo
    )


def _known(path: Path, targets: set[str]) -> State | None:
    """The state of another run; None where it has nothing to do with *targets*, which is most often and soon told, or
    where its journal cannot be read, which is no reason not to take back."""
    names = [msgspec.json.encode(target) for target in targets]
    try:
        reader = SqliteReader.open(RunDir(path).journal)
        try:
            seq = 0
            while bodies := reader.read(seq, READ_BATCH):
                if any(name in body for body in bodies for name in names):
                    return load(reader)
                seq += len(bodies)
            return None
        finally:
            reader.close()
    except (JournalError, OSError) as error:
        _log.warning("run %s cannot be read: %s", path.name, error)
        return None
