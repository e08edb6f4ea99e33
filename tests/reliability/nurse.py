"""The harness's end of the nursery: starts conductors, and hears of their end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from typing import Self

import msgspec

from tests.engine.engine_helpers import ROOT
from tests.reliability.nursery import Order


class Life:
    """One conductor's process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None
        self.ended = asyncio.Event()


class Nurse:
    """A nursery under way."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._born: dict[int, asyncio.Future[Life]] = {}
        self._alive: dict[int, Life] = {}

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.reliability.nursery",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert (await self._process.stdout.readline()).strip() == b"ready"
        self._reading = asyncio.create_task(self._read(), name="the nursery's words")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reading is not None
        self._process.stdin.close()
        await self._process.wait()
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading

    async def start(self, order: Order) -> Life:
        """A conductor of that order; it lives, and may not listen yet."""
        assert self._process is not None
        assert self._process.stdin is not None
        number = next(self._numbers)
        born: asyncio.Future[Life] = asyncio.get_running_loop().create_future()
        self._born[number] = born
        line = msgspec.json.encode(msgspec.structs.replace(order, number=number))
        self._process.stdin.write(line + b"\n")
        await self._process.stdin.drain()
        return await born

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            what, first, second = line.decode().split()
            if what == "started":
                life = self._alive[int(second)] = Life(int(second))
                self._born.pop(int(first)).set_result(life)
            else:
                life = self._alive.pop(int(first))
                life.status = int(second)
                life.ended.set()
