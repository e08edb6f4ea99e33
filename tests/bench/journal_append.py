"""A durable event: the journal's append against what the same disk needs for a write and an fdatasync."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from amplify_tui.engine.journal import Build, Head
from amplify_tui.engine.lease import Keeper
from amplify_tui.engine.sqlite_journal import SqliteJournal
from amplify_tui.engine.wire import Answer, encode
from amplify_tui.run.events import NoteAdded
from amplify_tui.tui.example.script import BEGIN
from tests.bench.measure import Table, Target, last_to_first, percentile
from tests.bench.runs import builder, new_journal

ROUNDS: Final = 8
EACH: Final = 150  # appends in a row, so that caches and the disk's queue are as in a run
GROUP: Final = 20
PAGE: Final = 4096
PAGES: Final = 1000  # as many as SQLite's log has before it begins again
GROUPED: Final = "8 x as many events a second"
RATE: Final = "0.6 x its rate"
NOTE: Final = NoteAdded(text="support says that all is well " * 9)

Append = Callable[[], object]


def tables() -> list[Table]:
    """Single events, their slowest hundredth, and events that share a commit."""
    with tempfile.TemporaryDirectory(prefix="amplify-bench-") as scratch, new_journal(Path(scratch), "appends") as made:
        journal, keeper = made
        raw = os.open(Path(scratch) / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        made_before = os.open(Path(scratch) / "made-before", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(made_before, bytes(PAGES * PAGE))
        os.fsync(made_before)
        body = builder(NOTE, keeper, BEGIN)(1, "0" * 64)
        pages = itertools.cycle(range(PAGES))

        def write() -> None:
            os.write(raw, body)
            os.fdatasync(raw)

        def overwrite() -> None:
            os.pwrite(made_before, bytes(PAGE), next(pages) * PAGE)
            os.fdatasync(made_before)

        writer = Writer(journal, keeper)
        try:
            samples = _by_turns(
                {
                    "append to a file + fdatasync": write,
                    "overwrite 4 KiB of a file + fdatasync": overwrite,
                    "journal, one event": writer.one,
                    "journal, one event and its command's answer": writer.answered,
                    f"journal, {GROUP} events in one commit": writer.group,
                }
            )
        finally:
            os.close(raw)
            os.close(made_before)
    return _judged(samples, len(body))


class Writer:
    """Appends to a journal, each event built as the conductor builds it."""

    def __init__(self, journal: SqliteJournal, keeper: Keeper) -> None:
        self._journal, self._keeper = journal, keeper
        self._commands = 0

    def one(self) -> None:
        self._journal.append(self._keeper.lease, [self._event()])

    def group(self) -> None:
        self._journal.append(self._keeper.lease, [self._event() for _ in range(GROUP)])

    def answered(self) -> None:
        self._commands += 1
        self._journal.append(self._keeper.lease, [self._event()], command=f"c{self._commands}", answer=_answer)

    def _event(self) -> Build:
        return builder(NOTE, self._keeper, BEGIN)


def _answer(head: Head) -> bytes:
    return encode(Answer(ok=True, seq=head.seq))


def _by_turns(ways: dict[str, Append]) -> dict[str, tuple[float, ...]]:
    """A series of each way per round; every single append is a sample."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS + 1):
        for name, append in ways.items():
            for _ in range(EACH):
                begun = time.perf_counter()
                append()
                if turn:
                    taken[name].append(time.perf_counter() - begun)
    return {name: tuple(samples) for name, samples in taken.items()}


def _judged(samples: dict[str, tuple[float, ...]], size: int) -> list[Table]:
    raw, over, one, answered, group = samples
    slowest = {
        f"{name}, p99 of a round": tuple(percentile(taken[at : at + EACH], 0.99) for at in range(0, len(taken), EACH))
        for name, taken in ((over, samples[over]), (one, samples[one]))
    }
    shared = {
        raw: samples[raw],
        over: samples[over],
        f"journal, one of {GROUP} events that share a commit": tuple(taken / GROUP for taken in samples[group]),
    }
    single = {name: samples[name] for name in (raw, over, one, answered)}
    last = list(shared)[-1]
    note = (
        f"An event has {size} bytes. A file that grows costs the file system a commit of its own, one that is written "
        "over does not, and SQLite writes over its log: the second way is the physical limit, the first one what a "
        "plain log file would do. A virtual disk may answer from its host's cache: only the ratios count."
    )
    return [
        Table(
            "append",
            "One durable event",
            single,
            (Target(one, raw, 1 / 0.6, RATE), Target(one, over, 1 / 0.6, RATE)),
            note,
        ),
        Table("append-p99", "The slowest hundredth", slowest, (last_to_first(slowest, 2.0),)),
        Table(
            "append-group",
            "Events that share a commit",
            shared,
            (Target(last, raw, 1 / 8, GROUPED), Target(last, over, 1 / 8, GROUPED)),
        ),
    ]
