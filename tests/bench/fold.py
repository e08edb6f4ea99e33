"""Resuming a long run: the fold of its whole journal against reading the same bodies and doing nothing with them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from amplify_tui.engine.scribe import load
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.run.events import decode
from tests.bench.measure import Table, Target, by_turns, timed
from tests.bench.runs import BATCH, long_story, write_run

EVENTS: Final = 100_000


def bodies_of(reader: SqliteReader) -> list[bytes]:
    """Every body, in the batches that `scribe.load` reads."""
    found: list[bytes] = []
    while batch := reader.read(len(found), BATCH):
        found += batch
    return found


def tables() -> list[Table]:
    """Read, decode and fold the same 100,000 events."""
    with tempfile.TemporaryDirectory(prefix="amplify-bench-") as scratch:
        folder = write_run(Path(scratch), "long", long_story(EVENTS))
        reader = SqliteReader.open(folder.journal)
        try:
            bodies = bodies_of(reader)
            ways = {
                "read the bodies": timed(lambda: bodies_of(reader)),
                "read and decode": timed(lambda: [decode(body) for body in bodies_of(reader)]),
                "read, decode and fold": timed(lambda: load(reader)),  # type: ignore[arg-type]  # it only reads
            }
            samples = by_turns(ways, rounds=5)
        finally:
            reader.close()
    mean = sum(map(len, bodies)) / len(bodies)
    return [
        Table(
            "fold",
            f"Resuming a run of {len(bodies):,} events",
            samples,
            (Target("read, decode and fold", "read the bodies", 4.0),),
            f"{mean:.0f} bytes an event; the read is one SQLite scan in batches of {BATCH:,}, warm cache.",
        )
    ]
