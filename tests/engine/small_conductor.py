"""A small conductor, and a cockpit that follows it, over a real socket: enough to test the wire from both ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from amplify_tui.engine import wire
from amplify_tui.engine.client import Board, Lost, NewEvents, RunClient, Update
from amplify_tui.engine.journal import JournalError
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.server import Server
from amplify_tui.engine.sqlite_journal import SqliteJournal
from amplify_tui.engine.wire import Answer, Refusal
from tests.engine.engine_helpers import event
from tests.engine.journal_contract import lease_of


class SmallConductor:
    """Enough of a conductor to answer: a journal, a board, and a command that appends one event."""

    def __init__(self, run: RunDir) -> None:
        self.journal = SqliteJournal.create(run.journal, run.run)
        self.lease = lease_of(self.journal)
        self.values: dict[str, Any] = {}
        self.server = Server(run.sockets()[-1], self)
        self.gate = asyncio.Event()
        self.gate.set()

    async def do(self, command: dict[str, Any]) -> Answer:
        await self.gate.wait()
        if command["type"] == "Bug":
            raise RuntimeError("a bug in a command")
        if command["type"] != "Note":
            return Answer(ok=False, refusal=Refusal("Cannot do that", f"{command['type']} is unknown", "Try Note"))
        made = self.journal.append(
            self.lease,
            [event(self.lease, pad=command.get("pad", 0))],
            command=command["id"],
            answer=lambda head: wire.encode(Answer(ok=True, seq=head.seq)),
        )
        self.server.wake(made.head.seq)
        assert made.answer is not None
        return wire.decode_answer(made.answer)

    def events(self, after: int, limit: int) -> list[bytes]:
        if after < 0:
            raise JournalError("no event before the first")
        return self.journal.read(after, limit)

    def board(self) -> dict[str, Any]:
        return dict(self.values)

    def post(self, key: str, value: object) -> None:
        self.values[key] = value
        self.server.post(key, value)


class Following:
    """One cockpit: follows in a task, keeps what it heard."""

    def __init__(self, run: RunDir, *, within: float = 5.0) -> None:
        self.bodies: list[bytes] = []
        self.board: dict[str, Any] = {}
        self.boards = 0
        self.lost: list[Lost] = []
        self._client = RunClient(run.path, within=within)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Following]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self._follow())
            try:
                yield self
            finally:
                task.cancel()

    async def _follow(self) -> None:
        async with aclosing(self._client.follow()) as updates:
            async for update in updates:
                self._take(update)

    def _take(self, update: Update) -> None:
        match update:
            case NewEvents(bodies):
                self.bodies += bodies
            case Board(values, whole):
                self.board = values if whole else {**self.board, **values}
                self.boards += 1
            case Lost():
                self.lost.append(update)


def note(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"c-{number}", "type": "Note", **fields}


async def raw(run: RunDir, *lines: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_unix_connection(run.own_socket(), limit=wire.MAX_ANSWER)
    writer.writelines(lines)
    return reader, writer
