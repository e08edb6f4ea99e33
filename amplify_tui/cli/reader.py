"""A client of a run that needs no conductor: a closed run is read from its journal, an open one over its socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from amplify_tui.cli.common import read_state
from amplify_tui.engine.client import Board, Lost, NewEvents, Queued, RunClient, Update
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.wire import Answer, Refusal


class Archive:
    """A closed run: everything it was, and nothing to order."""

    def __init__(self, folder: RunDir) -> None:
        self._folder = folder

    async def follow(self, after: int = 0) -> AsyncGenerator[Update, None]:
        """All events at once, then silence."""
        from amplify_tui.engine.sqlite_journal import SqliteReader

        reader = SqliteReader.open(self._folder.journal)
        try:
            while bodies := reader.read(after):
                after += len(bodies)
                yield NewEvents(bodies)
        finally:
            reader.close()
        yield Board({}, whole=True)
        yield Lost("the run is closed; nothing is watched any more")
        await asyncio.Event().wait()

    async def submit(self, command: dict[str, Any], *, at: float) -> Answer | Queued:
        """A closed run takes no command."""
        return Answer(
            ok=False,
            seq=0,
            refusal=Refusal(
                "nothing was done", "the run is closed", f"`amplify rollback {self._folder.run}` takes it back"
            ),
        )


def client_of(folder: RunDir) -> RunClient | Archive:
    """The client that fits the run's state."""
    return Archive(folder) if read_state(folder).phase == "closed" else RunClient(folder.path)
