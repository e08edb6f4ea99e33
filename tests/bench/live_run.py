"""A run's socket without a conductor behind it: the real server, a journal, and a board that changes on demand.

A process of its own, so that what it costs is not paid by the one that measures: `python -m tests.bench.live_run DIR`.
A number on its standard input is how many board values a second shall change; it ends when that input does.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.server import Server
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.engine.wire import Answer, Refusal
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of

STEP: Final = 0.02  # seconds between two lots of changes
INSTANCES: Final = 200


class Load:
    """Socket handler of the run: its journal, and a board of 200 instances beside what the story shows."""

    def __init__(self, reader: SqliteReader) -> None:
        self._reader = reader
        self.rate = 0
        self.values: dict[str, Any] = board_of(stories.running()) | {
            f"health:checkout/load-{number}": {
                "service": "checkout", "instance": f"load-{number}", "url": f"http://10.1.0.{number}", "status": "ok",
                "ok": True, "data_at": time.time(), "received_at": time.time(), "version": "3.0.0",
            }
            for number in range(INSTANCES)
        }  # fmt: skip

    async def do(self, command: dict[str, Any]) -> Answer:
        return Answer(ok=False, refusal=Refusal("nothing was done", "this run is only looked at", "attach elsewhere"))

    def events(self, after: int, limit: int) -> list[bytes]:
        return self._reader.read(after, limit)

    def board(self) -> dict[str, Any]:
        return self.values

    async def change(self, server: Server) -> None:
        """Post `rate` values a second, in turn: each is a reading that says how old it is and what it found."""
        keys = [key for key in self.values if key.startswith(("health:", "signal:"))]
        loop, turn, owed = asyncio.get_running_loop(), 0, 0.0
        before = loop.time()
        while True:
            await asyncio.sleep(STEP)
            now = loop.time()
            owed = owed + (now - before) * self.rate if self.rate else 0.0
            before = now
            for _ in range(int(owed)):
                key = keys[turn % len(keys)]
                fresh = {"data_at": time.time(), "received_at": time.time()}
                if key.startswith("signal:"):
                    fresh["value"] = 0.001 + turn % 7 * 0.001
                self.values[key] = self.values[key] | fresh
                server.post(key, self.values[key])
                turn += 1
            owed -= int(owed)


async def serve(folder: RunDir) -> None:
    """Serve until the standard input ends."""
    reader = SqliteReader.open(folder.journal)
    load = Load(reader)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    try:
        async with Server(folder.own_socket(), load, seq=reader.head().seq) as server:
            changing = asyncio.create_task(load.change(server))
            print("ready", flush=True)
            while line := await lines.readline():
                load.rate = int(line)
            changing.cancel()
    finally:
        reader.close()


class Served:
    """The process that serves a run."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def change(self, rate: int) -> None:
        """From now on so many values a second change."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{rate}\n")
        self._process.stdin.flush()


@contextmanager
def serving(folder: RunDir) -> Iterator[Served]:
    """The run's socket, in a process that ends with this block."""
    argv = [sys.executable, "-m", "tests.bench.live_run", str(folder.path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the run's server did not start; what it said stands above")
        yield Served(process)
        process.stdin.close()
        process.wait(10)


if __name__ == "__main__":
    asyncio.run(serve(RunDir(Path(sys.argv[1]))))
