"""A tap on the wire between applications and a flag server: what was asked, and what was answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

_OWN = frozenset({"host", "content-length", "accept-encoding", "connection"})


@dataclass(frozen=True)
class Seen:
    """One exchange; names of headers are in lower case."""

    method: str
    path: str
    sent: dict[str, str]
    body: bytes
    status: int
    headers: dict[str, str]
    answer: bytes

    def flags(self) -> list[dict[str, Any]]:
        """The flags of an answer that has them."""
        found: list[dict[str, Any]] = json.loads(self.answer)["features"]
        return found


class Tap:
    """Passes everything on, without the headers it was told to *drop*, and keeps it in `seen`."""

    def __init__(self, upstream: str, drop: Sequence[str]) -> None:
        self.url = ""
        self.seen: list[Seen] = []
        self._upstream = upstream
        self._drop = {*drop, *_OWN}
        self._more = asyncio.Condition()

    def polls(self) -> list[Seen]:
        """The exchanges in which flags were fetched, in their order."""
        return [one for one in self.seen if one.path.startswith("/api/client/features")]

    async def until(self, met: Callable[[], Any], within: float) -> None:
        """Wait for what is seen to satisfy *met*. Raises TimeoutError."""
        async with asyncio.timeout(within), self._more:
            await self._more.wait_for(met)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with httpx.AsyncClient(trust_env=False) as upstream:
                while True:
                    await self._one(reader, writer, upstream)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the application left
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, http: httpx.AsyncClient) -> None:
        first, *fields = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
        method, path, _ = first.split(" ")
        sent = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        body = await reader.readexactly(int(sent.get("content-length", "0")))
        kept = {name: value for name, value in sent.items() if name not in self._drop}
        said = await http.request(method, self._upstream + path, headers=kept, content=body)
        lines = [f"HTTP/1.1 {said.status_code} -", f"Content-Length: {len(said.content)}"]
        lines += [f"{name}: {said.headers[name]}" for name in ("content-type", "etag") if name in said.headers]
        writer.write("\r\n".join([*lines, "\r\n"]).encode() + said.content)
        await writer.drain()
        async with self._more:
            self.seen.append(Seen(method, path, sent, body, said.status_code, dict(said.headers), said.content))
            self._more.notify_all()


@asynccontextmanager
async def tap(upstream: str, *, drop: Sequence[str] = ()) -> AsyncIterator[Tap]:
    """A tap on a free port of the loopback, for as long as the block lasts."""
    found = Tap(upstream, drop)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
