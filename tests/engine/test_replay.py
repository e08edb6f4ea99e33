"""The state that a journal tells: whole, up to an event, and where an event cannot be read, which one it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from amplify_tui.engine.journal import Corrupt
from amplify_tui.engine.replay import READ_BATCH, load
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.run import events as ev
from amplify_tui.run.envelope import decode
from amplify_tui.run.evolve import evolve
from amplify_tui.run.state import State
from tests.bench.runs import closed_story, open_story, write_run


def reader_of(home: Path, told: Iterable[ev.EventData]) -> SqliteReader:
    return SqliteReader.open(write_run(home, "run", told).journal)


def one_by_one(reader: SqliteReader, at: int) -> State:
    state = State()
    for body in reader.read(0, at):
        state = evolve(state, decode(body))
    return state


@pytest.mark.parametrize("at", [0, 1, 7, None])
def test_the_state_is_that_of_every_event_in_turn(tmp_path: Path, at: int | None) -> None:
    reader = reader_of(tmp_path, closed_story())
    assert load(reader, at) == one_by_one(reader, reader.head().seq if at is None else at)
    reader.close()


def test_a_journal_longer_than_one_read_is_told_whole_and_up_to_any_event(tmp_path: Path) -> None:
    notes = [ev.NoteAdded(text=f"look number {number}") for number in range(READ_BATCH + 5)]
    reader = reader_of(tmp_path, [*open_story(), *notes])
    assert load(reader).seq == reader.head().seq
    for at in (READ_BATCH - 1, READ_BATCH, READ_BATCH + 1):
        assert load(reader, at).seq == at
    reader.close()


def test_an_event_that_does_not_fit_is_named_by_what_it_follows(tmp_path: Path) -> None:
    story = open_story()
    stray = ev.EffectDone(effect="nobody-began-it", observed=None)
    reader = reader_of(tmp_path, [*story, stray, ev.NoteAdded(text="later")])
    with pytest.raises(Corrupt, match=f"what follows event {len(story)} does not fit"):
        load(reader)
    assert load(reader, len(story)).seq == len(story)
    reader.close()
