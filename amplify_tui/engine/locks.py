"""What this run tells the others: its line in the shared index, its locks. A broken index never stops the run."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from amplify_tui.engine.index import Holding, Index, RunSummary, newest_first
from amplify_tui.engine.journal import Head, Journal, JournalError, Missing
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.replay import load, state_of
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.run.state import State

REVERSES: Final = "reverses "
REVERSED_BY: Final = "reversed by "
SUPERSEDES: Final = "supersedes "
SUPERSEDED_BY: Final = "superseded by "
_log = logging.getLogger(__name__)


def summary_of(state: State, head: Head) -> RunSummary:
    """The line of `amplify runs` for a state."""
    holds = next(iter(state.holds.values()), None)
    return RunSummary(
        id=state.run,
        name=state.plan.name,
        version=state.subject.version if state.subject else str(state.inputs.get("version", "")),
        environment=state.environment,
        mode=state.mode,
        phase="held" if holds and state.phase == "forward" else state.phase,
        outcome=state.outcome,
        started_at=state.started_at or state.created_at or None,
        ended_at=state.closed_at,
        actor=state.starter,
        playbook=state.playbook,
        head_seq=head.seq,
        head_sha=head.sha,
        note=note_of(state),
        locks=state.locks if state.phase != "closed" or state.superseded_by else (),
        heir=state.superseded_by,
    )


def note_of(state: State) -> str:
    """What `amplify runs` says beside a run: which one it reverses or supersedes, or which one has taken it over."""
    if state.superseded_by:
        return f"{SUPERSEDED_BY}{state.superseded_by}"
    if state.reversed_by:
        return f"{REVERSED_BY}{state.reversed_by}"
    if state.supersedes and state.started_at is not None:
        return f"{SUPERSEDES}{state.supersedes}"
    if state.reverses:
        return f"{REVERSES}{state.reverses}"
    return "rolls back without a journal" if state.is_derived else ""


def read_summary(path: Path) -> RunSummary:
    """The line of a run from its own journal: how a lost index is made again. Raises JournalError."""
    reader = SqliteReader.open(RunDir(path).journal)
    try:
        return summary_of(load(reader), reader.head())
    finally:
        reader.close()


def open_index(home: Path) -> Index:
    """The shared index, rebuilt from the runs where it is new or broken."""
    return Index.open(home, read_summary)


def list_runs(home: Path) -> list[RunSummary]:
    """The runs, newest first; from their own files where the index cannot be opened, on a full or read-only disk."""
    try:
        index = open_index(home)
    except (JournalError, OSError) as error:
        _log.warning("the shared index cannot be used: %s", error)
        return newest_first(home, read_summary)
    try:
        return index.runs()
    finally:
        index.close()


def guard_of(home: Path) -> FileLock:
    """Held by who makes a run that reverses another one, from before that one's journal names it to its first event."""
    return FileLock(home / "reverse.lock")


def has_begun(reversal: RunDir, *, guarded: bool = False) -> bool:
    """Whether the run that reverses another one is there, or is just being made. guarded: nobody makes one now."""
    if guarded or _has_events(reversal):
        return _has_events(reversal)
    guard = guard_of(reversal.home)
    if not guard.take():
        return True
    try:
        return _has_events(reversal)
    finally:
        guard.release()


def _has_events(folder: RunDir) -> bool:
    try:
        reader = SqliteReader.open(folder.journal)
    except Missing:
        return False
    except JournalError:
        return True  # it cannot be read now, and may be anything
    try:
        return reader.head().seq > 0
    finally:
        reader.close()


def let_go(index: Index, home: Path, closed: State) -> None:
    """The locks of a closed run go to the one that supersedes it, also before that one has begun; or they are free."""
    heir = closed.superseded_by
    if heir and _phase_of(home, heir) not in ("none", "closed"):
        index.hand_over(closed.run, to=heir)
    else:
        index.release(closed.run)


def free_locks(folder: RunDir, closed: State) -> None:
    """What a closed run holds no more, where its conductor died before it said so. Where it fails it stops nothing."""
    try:
        index = open_index(folder.home)
        try:
            let_go(index, folder.home, closed)
        finally:
            index.close()
    except (JournalError, OSError) as error:
        _log.warning("the shared index could not be written: %s", error)


def _phase_of(home: Path, run: str) -> str:
    try:
        return state_of(RunDir(home / "runs" / run)).phase
    except Missing:
        return "none"
    except (JournalError, OSError) as error:
        _log.warning("run %s cannot be read: %s", run, error)
        return ""


def put_right(index: Index, home: Path, draft: State) -> None:
    """The locks of a draft that nobody is starting: those of the run that has ended for it, else none."""
    if draft.supersedes:
        earlier = state_of(RunDir(home / "runs" / draft.supersedes))
        if earlier.superseded_by == draft.run:
            index.hand_over(earlier.run, to=draft.run)
            return
    index.release(draft.run)


def free_stale(index: Index, home: Path, held: Iterable[Holding], *, guarded: bool = False) -> None:
    """Put right what a crash left: locks of a run that is closed, was never made, or died as it was about to start."""
    for run in sorted({lock.run for lock in held if lock.host in ("", socket.gethostname())}):
        folder = RunDir(home / "runs" / run)
        try:
            if not has_begun(folder, guarded=guarded):
                index.release(run)
                continue
            state = state_of(folder)
            if state.phase == "closed":
                let_go(index, home, state)
            elif state.phase == "draft":
                _free_dead_draft(index, folder)
        except (JournalError, OSError) as error:
            _log.warning("what run %s holds stays with it: %s", run, error)


def _free_dead_draft(index: Index, folder: RunDir) -> None:
    conducting = FileLock(folder.lock)
    if not conducting.take():
        return
    try:  # nobody can start it meanwhile
        state = state_of(folder)
        if state.phase == "draft":
            put_right(index, folder.home, state)
    finally:
        conducting.release()


class Registrar:
    """Keeps this run's line and locks. Failures are logged: the index can be rebuilt, the run goes on."""

    def __init__(self, folder: RunDir, journal: Journal) -> None:
        self._home = folder.home
        self._journal = journal
        self._told: tuple[object, ...] = ()

    def told(self, state: State) -> None:
        """Write the line when something in it changed; free the locks of a closed run."""
        taken = state.superseded_by or state.reversed_by
        shown = (state.phase, state.outcome, bool(state.holds), state.subject, state.bundle_sha, taken)
        if shown == self._told or not state.run:
            return
        self._told = shown

        def write(index: Index) -> None:
            index.put(summary_of(state, self._journal.head()))
            if state.phase == "closed":
                let_go(index, self._home, state)

        self._write(write)

    def put_right(self, state: State) -> None:
        """What a start that came to nothing, or a conductor that died in the middle of one or of an end, has left."""
        if state.phase == "draft":
            self._write(lambda index: put_right(index, self._home, state))
        if state.phase == "closed":
            self.told(state)

    def take(self, run: str, names: Sequence[str], *, beside: str | None = None) -> list[str]:
        """Take the locks of the run: a sentence for each one that another run holds. What *beside* holds stays its."""
        try:
            index = open_index(self._home)
            try:
                return take(index, self._home, run, names, beside=beside)
            finally:
                index.close()
        except JournalError as error:
            return [f"the locks cannot be taken: {error}"]

    def inherit(self, run: str, earlier: str) -> None:
        """What the earlier run still holds, which has ended for this one, is this one's."""
        self._write(lambda index: index.hand_over(earlier, to=run))

    def _write(self, work: Callable[[Index], None]) -> None:
        """Where it fails it stops nothing."""
        try:
            index = open_index(self._home)
            try:
                work(index)
            finally:
                index.close()
        except (JournalError, OSError):
            _log.warning("the shared index could not be written", exc_info=True)


def take(
    index: Index, home: Path, run: str, names: Sequence[str], *, beside: str | None = None, guarded: bool = False
) -> list[str]:
    """Take all locks for *run* or none: a sentence for each that another run holds. What a crash left blocks nothing.

    guarded: the caller holds the guard under which reversals are made. Raises JournalError.
    """

    def tried() -> list[Holding]:
        here, now = socket.gethostname(), time.time()
        return index.take(names, run=run, host=here, pid=os.getpid(), now=now, beside=beside)

    if taken := tried():
        free_stale(index, home, taken, guarded=guarded)
        taken = tried()
    return [f"{lock.name} is locked by run {lock.run} on {lock.host}" for lock in taken]
