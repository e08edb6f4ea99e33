"""Resuming a long run: the fold of its whole journal against reading the same bodies and doing nothing with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from amplify_tui.engine.replay import load
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.run.envelope import decode
from tests.bench.measure import Table, Target, by_turns, timed
from tests.bench.runs import BATCH, EFFECTS, long_story, write_run

EVENTS: Final = 100_000


def bodies_of(reader: SqliteReader) -> Iterator[bytes]:
    """Every body, in the batches that `replay.load` reads; as there, none is kept."""
    seq = 0
    while batch := reader.read(seq, BATCH):
        seq += len(batch)
        yield from batch


def read(reader: SqliteReader) -> int:
    """The bytes of all bodies."""
    return sum(len(body) for body in bodies_of(reader))


def read_and_decode(reader: SqliteReader) -> None:
    for body in bodies_of(reader):
        decode(body)


def tables() -> list[Table]:
    """Read, decode and fold the same 100,000 events."""
    with tempfile.TemporaryDirectory(prefix="amplify-bench-") as scratch:
        folder = write_run(Path(scratch), "long", long_story(EVENTS))
        reader = SqliteReader.open(folder.journal)
        try:
            size = read(reader)
            ways = {
                "read the bodies": timed(lambda: read(reader)),
                "read and decode": timed(lambda: read_and_decode(reader)),
                "read, decode and fold": timed(lambda: load(reader)),
            }
            assert load(reader).seq == EVENTS
            samples = by_turns(ways, rounds=5)
        finally:
            reader.close()
    return [
        Table(
            "fold",
            f"Resuming a run of {EVENTS:,} events",
            samples,
            (Target("read, decode and fold", "read the bodies", 4.0),),
            f"{size / EVENTS:.0f} bytes an event; the read is one SQLite scan in batches of {BATCH:,}, warm cache. "
            f"A hard case: {EFFECTS} effects on one flag, and a probe of one of them at every tenth event.",
        )
    ]
