"""Making a run that takes a closed one back: who changed what since, who holds its locks, and its first event.

What is looked at here goes into one order, `Reverse`, and `decide` alone says whether the run may be.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from amplify_tui.engine.card_file import write_card
from amplify_tui.engine.create import write_first
from amplify_tui.engine.journal import JournalError
from amplify_tui.engine.locks import REVERSES, list_runs, open_index, read_summary
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.replay import READ_BATCH, load, state_of
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.engine.superseding import superseded_by
from amplify_tui.run import commands as c
from amplify_tui.run.decide import decide
from amplify_tui.run.events import RunCreated
from amplify_tui.run.reversal import left_of
from amplify_tui.run.select.words import clock
from amplify_tui.run.shapes import WORDS_BAND, Refusal, UndoItem
from amplify_tui.run.state import EffectState, State

_log = logging.getLogger(__name__)


def reverse_run(
    home: Path, closed: State, *, actor: str, reason: str, until_band: int = WORDS_BAND, engine: str = ""
) -> RunDir | Refusal:
    """A run that takes back what *closed* left, up to *until_band*, with its locks taken and its card written; it
    waits for a conductor. Or why there is none. Raises JournalError, PlaceError and OSError."""
    guard = FileLock(home / "reverse.lock")
    if not guard.take():
        return Refusal("nothing is taken back yet", "somebody begins a rollback of a closed run now", "try it again")
    try:
        name = secrets.token_hex(4)
        by, taken_over = reversed_by(home, closed.run), superseded_by(home, closed)
        problems = [] if by or taken_over else take_locks(home, name, closed.locks)
        order = c.Reverse(
            id=secrets.token_hex(8),
            actor=actor,
            via="cli",
            reason=reason,
            closed=closed,
            until_band=until_band,
            touched=touched_later(home, closed, left_of(closed)),
            reversed_by=by,
            superseded_by=taken_over,
            problems=tuple(problems),
            advice="take that run back first, or wait until it is closed",
            engine=engine,
        )
        return _made(home, name, order)
    finally:
        guard.release()


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
        write_first(folder, created, actor=order.actor, via=order.via)
    except BaseException:
        free_locks(home, name)
        if folder is not None:
            shutil.rmtree(folder.path, ignore_errors=True)
        raise
    _told(home, folder)
    return folder


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


def reversed_by(home: Path, run: str) -> str:
    """The newest run that reverses *run*; "" where none does."""
    return next((line.id for line in list_runs(home) if run and line.note == f"{REVERSES}{run}"), "")


def take_locks(home: Path, run: str, names: Sequence[str]) -> list[str]:
    """Take the locks for *run*: a sentence for each that another run holds. A list that cannot be used stops nothing:
    who takes back in an emergency does not wait for it. What was locked by a run that is not there is free."""
    try:
        index = open_index(home)
    except (JournalError, OSError) as error:
        _log.warning("the locks cannot be taken: %s", error)
        return []
    try:
        for held in index.holders(names):
            if not (home / "runs" / held.run).is_dir():
                index.release(held.run)
        taken = index.take(names, run=run, host=socket.gethostname(), pid=os.getpid(), now=time.time())
        return [f"{lock.name} is locked by run {lock.run} on {lock.host}" for lock in taken]
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
