"""A door before a real server: it lets everything through, until it is told to do harm instead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.adapters.raw_server import reply

SILENT = b""
HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"
WEB_PAGE = reply("<!doctype html><title>Log in</title>\n")
BROKEN = reply('{"status":"error","error":"on fire"}', "500 Internal Server Error")
TOO_MANY = reply("slow down", "429 Too Many Requests")


@dataclass
class Front:
    """harm: what every call gets: bytes, after which the connection closes; SILENT: nothing at all; None: the truth."""

    upstream: str
    harm: bytes | None = None
    url: str = ""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.ensure_future(self.serve(reader, writer)))

    def does(self, harm: bytes | None) -> None:
        """From the next call on; kept connections are closed."""
        self.harm = harm
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if self.harm is None:
                await self._through(reader, writer)
            else:
                await reader.readuntil(b"\r\n\r\n")
                if self.harm == SILENT:
                    await reader.read()
                writer.write(self.harm)
                await writer.drain()
        writer.close()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(self.upstream)
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        self._writers.add(back)
        ways = [asyncio.ensure_future(_pump(reader, back)), asyncio.ensure_future(_pump(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            back.close()
            await asyncio.gather(*ways, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


@asynccontextmanager
async def front(upstream: str) -> AsyncIterator[Front]:
    door = Front(upstream)
    server = await asyncio.start_server(door.called, "127.0.0.1", 0)
    door.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield door
    finally:
        server.close()
        door.does(None)
        for task in door.tasks:
            task.cancel()
        await asyncio.gather(*door.tasks, return_exceptions=True)
