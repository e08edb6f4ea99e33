"""Reading a run back: the state that its journal tells. Nothing is written or decided here, so every view may use it.

Apart from the scribe, because who only reads (a cockpit, the list of runs) must not load what decides.
"""

from __future__ import annotations

from typing import Final

from amplify_tui.engine.journal import Corrupt, ReadsJournal
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.run.envelope import UnreadableEvent, decode
from amplify_tui.run.evolve import evolve, fold
from amplify_tui.run.state import State

READ_BATCH: Final = 1000


def state_of(folder: RunDir, at: int | None = None) -> State:
    """As `load`, of a run's own file. Raises JournalError, or OSError where there is none to read."""
    reader = SqliteReader.open(folder.journal)
    try:
        return load(reader, at)
    finally:
        reader.close()


def load(journal: ReadsJournal, at: int | None = None) -> State:
    """The state that the journal tells, whole or up to event *at*.

    Raises Corrupt where an event cannot be read or does not fit what came before it, and what the store raises.
    """
    state = State()
    while (at is None or state.seq < at) and (bodies := journal.read(state.seq, READ_BATCH)):
        state = _after_all(state, bodies[: None if at is None else at - state.seq])
    return state


def _after_all(state: State, bodies: list[bytes]) -> State:
    try:
        return fold(map(decode, bodies), state)
    except (UnreadableEvent, KeyError, AttributeError, TypeError, ValueError):
        for body in bodies:  # one by one, to name the event that it is
            state = _after(state, body)
        return state


def _after(state: State, body: bytes) -> State:
    try:
        return evolve(state, decode(body))
    except UnreadableEvent as error:
        advice = "Read the run with the amplify that wrote it, or a newer one; nothing was changed"
        raise Corrupt(str(error).partition(";")[0], advice) from error
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise Corrupt(f"what follows event {state.seq} does not fit what came before it") from error
