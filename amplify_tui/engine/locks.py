"""What this run tells the others: its line in the shared index, its locks. A broken index never stops the run."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from amplify_tui.engine.index import Index, RunSummary, newest_first
from amplify_tui.engine.journal import Head, Journal, JournalError
from amplify_tui.engine.replay import load
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.run.state import State

REVERSES: Final = "reverses "
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
        locks=() if state.phase == "closed" else state.locks,
    )


def note_of(state: State) -> str:
    """What `amplify runs` says beside a run: which one it reverses or supersedes, and which one supersedes it."""
    if state.superseded_by:
        return f"{SUPERSEDED_BY}{state.superseded_by}"
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


def let_go(index: Index, closed: State) -> None:
    """Free the locks of a closed run; of one that never started, what it took from a run that is open goes back."""
    gave_up = closed.supersedes and closed.started_at is None
    earlier = index.get(closed.supersedes) if gave_up else None
    if earlier is None or earlier.phase == "closed":
        index.release(closed.run)
        return
    names = [held.name for held in index.holders() if held.run == closed.run]
    index.hand_back(closed.run, to=earlier.id, names=names)


class Registrar:
    """Keeps this run's line and locks. Failures are logged: the index can be rebuilt, the run goes on."""

    def __init__(self, folder: RunDir, journal: Journal) -> None:
        self._home = folder.home
        self._journal = journal
        self._told: tuple[object, ...] = ()

    def told(self, state: State) -> None:
        """Write the line when something in it changed; free the locks of a closed run."""
        shown = (state.phase, state.outcome, bool(state.holds), state.subject, state.bundle_sha, state.superseded_by)
        if shown == self._told or not state.run:
            return
        self._told = shown
        try:
            index = open_index(self._home)
            try:
                index.put(summary_of(state, self._journal.head()))
                if state.phase == "closed":
                    let_go(index, state)
            finally:
                index.close()
        except JournalError:
            _log.warning("the shared index could not be written", exc_info=True)

    def take(self, run: str, names: Sequence[str], *, instead_of: str | None = None) -> list[str]:
        """Take the locks of the run: a sentence for each one that another run holds, which is not *instead_of*."""
        try:
            index = open_index(self._home)
            try:
                taken = index.take(
                    names, run=run, host=socket.gethostname(), pid=os.getpid(), now=time.time(), instead_of=instead_of
                )
            finally:
                index.close()
        except JournalError as error:
            return [f"the locks cannot be taken: {error}"]
        return [f"{lock.name} is locked by run {lock.run} on {lock.host}" for lock in taken]
