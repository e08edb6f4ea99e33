"""A proxy in front of a real flag server that does what networks and gateways do: loses, drops, delays, answers itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import httpx

Fault = Literal["lose", "drop", "late", "html", "limit", "unauthorized"]

ANSWERS: dict[str, tuple[int, str, str]] = {
    "html": (200, "text/html", "<html><body>Please log in</body></html>"),
    "limit": (429, "text/plain", "Too many requests, please try again later."),
    "unauthorized": (401, "application/json", '{"name": "UnauthorizedError", "message": "wrong token"}'),
}


class Proxy:
    """Passes requests on, but for those whose `METHOD path` holds *where*: the first of these meets the fault.

    lose: carried out, and the answer is lost. drop: never carried out, and no answer. late: no answer, and carried out
    once `let_land` was called. The others answer in the server's place.
    """

    def __init__(self, upstream: str) -> None:
        self.url = ""
        self.landed = asyncio.Event()
        self._upstream = upstream
        self._fault: tuple[str, Fault] | None = None
        self._may_land = asyncio.Event()

    def fail(self, where: str, fault: Fault) -> None:
        self._fault = (where, fault)

    async def let_land(self) -> None:
        """What was held goes on to the server; returns once that has answered."""
        self._may_land.set()
        await asyncio.wait_for(self.landed.wait(), 20)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) and await self._one(head, reader, writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Handle one request; False where the connection is to be closed without an answer."""
        line, *fields = head.decode("latin-1").split("\r\n")
        method, path, _ = line.split(" ")
        headers = dict(field.split(": ", 1) for field in fields if ": " in field)
        body = await reader.readexactly(int({k.lower(): v for k, v in headers.items()}.get("content-length", "0")))
        fault = self._taken(f"{method} {path}")
        if fault in ANSWERS:
            status, kind, text = ANSWERS[fault]
            extra = "Retry-After: 60\r\n" if status == 429 else ""
            writer.write(_answer(status, kind, text.encode(), extra))
            return True
        if fault == "drop":
            return False
        if fault == "late":
            await self._may_land.wait()
        headers = {k: v for k, v in headers.items() if k.lower() not in ("host", "content-length", "accept-encoding")}
        async with httpx.AsyncClient() as upstream:
            said = await upstream.request(method, self._upstream + path, headers=headers, content=body)
        if fault is not None:
            self.landed.set()
            return False
        etag = f"ETag: {said.headers['etag']}\r\n" if "etag" in said.headers else ""
        writer.write(_answer(said.status_code, said.headers.get("content-type", ""), said.content, etag))
        return True

    def _taken(self, request: str) -> Fault | None:
        if self._fault is None or self._fault[0] not in request:
            return None
        fault = self._fault[1]
        self._fault = None
        return fault


def _answer(status: int, kind: str, body: bytes, extra: str) -> bytes:
    head = f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + (b"" if status == 304 else body)


@asynccontextmanager
async def proxy_of(upstream: str) -> AsyncIterator[Proxy]:
    """A proxy on a free port of the loopback, for as long as the block lasts."""
    proxy = Proxy(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
