"""Runs that were never conducted: journals written from the example's events, in a home of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from amplify_tui.engine.journal import Build
from amplify_tui.engine.lease import Keeper, acquire
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteJournal
from amplify_tui.run import events as ev
from amplify_tui.run.envelope import decode, enclose, encode
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.script import BEGIN, FLAG, PASS

BATCH: Final = 1000
EFFECTS: Final = 200


def builder(data: ev.EventData, keeper: Keeper, at: float) -> Build:
    """The body of one event, as the conductor writes it."""

    def body(seq: int, prev: str) -> bytes:
        lease = keeper.lease
        return encode(
            enclose(data, seq=seq, run=lease.run, epoch=lease.epoch, at=at, actor="conductor", via="engine", prev=prev)
        )

    return body


@contextmanager
def new_journal(home: Path, run: str) -> Iterator[tuple[SqliteJournal, Keeper]]:
    """An empty journal in a new run's directory, with its lease held."""
    folder = RunDir.create(home, run)
    journal = SqliteJournal.create(folder.journal, run, folder.head.write)
    try:
        keeper = acquire(journal, FileLock(folder.lock))
        yield journal, keeper
        keeper.release()
    finally:
        journal.close()
        folder.head.close()


def write_run(home: Path, run: str, told: Iterable[ev.EventData]) -> RunDir:
    """A run whose journal holds these events, a second apart."""
    with new_journal(home, run) as (journal, keeper):
        waiting: list[Build] = []
        for number, data in enumerate(told):
            waiting.append(builder(data, keeper, BEGIN + number))
            if len(waiting) == BATCH:
                journal.append(keeper.lease, waiting)
                waiting = []
        if waiting:
            journal.append(keeper.lease, waiting)
    return RunDir.find(home, run)


def closed_story() -> list[ev.EventData]:
    """The example release from draft to close."""
    return [decode(body).data for body in stories.done().bodies]


def open_story() -> list[ev.EventData]:
    """The example release in the middle of its ramp."""
    return [decode(body).data for body in stories.running().bodies]


def long_story(events: int) -> Iterator[ev.EventData]:
    """A release that bakes for days: mostly accruals and judgements, some effects that are probed again and again."""
    begun = open_story()
    yield from begun
    effects = [data for data in begun if isinstance(data, ev.EffectIntended)]
    phase = next(data for data in reversed(begun) if isinstance(data, ev.PhaseEntered))
    every = (events - len(begun)) // EFFECTS
    for number in range(events - len(begun)):
        if number % every == 0:
            pattern = effects[-1]
            fields = {name: getattr(pattern, name) for name in pattern.__struct_fields__}
            name = f"x{number // every}"
            yield ev.EffectIntended(**fields | {"effect": name, "idem": name})
        elif number % every == 1:
            yield ev.EffectDone(effect=f"x{number // every}", observed="25 %, on", receipt={"flag": FLAG})
        elif number % 10 == 2:
            yield ev.GateJudged(step=phase.step, i=phase.i, verdict=PASS)
        elif number % 10 == 7:
            yield ev.NoteAdded(text=f"support says all is well, look number {number}")
        elif number % 10 == 9:
            yield ev.EffectProbed(effect=f"x{number // every}", result="done", observed="25 %, on")
        else:
            yield ev.BakeAccrued(step=phase.step, i=phase.i, accrued=float(number))
