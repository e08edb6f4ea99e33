"""A proxy in front of a real flag server that does what networks and gateways do: loses, drops, delays, answers itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Literal

import httpx

Fault = Literal["lose", "drop", "late", "hold", "html", "limit", "unauthorized", "forbidden"]

ANSWERS: dict[str, tuple[int, str, str]] = {
    "html": (200, "text/html", "<html><body>Please log in</body></html>"),
    "limit": (429, "text/plain", "Too many requests, please try again later."),
    "forbidden": (403, "application/json", '{"name": "PermissionError", "message": "you lack the right"}'),
    "unauthorized": (401, "application/json", '{"name": "UnauthorizedError", "message": "wrong token"}'),
}


class Proxy:
    """Passes requests on, but for those whose `METHOD path` holds *where*: the first of these meets the fault.

    lose: carried out, and the answer is lost. drop: never carried out, and no answer. late: no answer, and carried out
    once `let_land` was called. hold: kept back until `let_land`, then carried out and answered. The others answer in the server's place, as `instead` does with a text of one's own.

    `seen` lists what was asked, `METHOD path` each, `answered` the statuses that the server gave. `skew`: seconds that the server's clock is ahead, as its answers
    tell the time. `down` refuses every connection until `up`; `freeze` takes them and answers nothing until `thaw`.
    """

    def __init__(self, upstream: str) -> None:
        self.url = ""
        self.landed = asyncio.Event()
        self.holding = asyncio.Event()
        self.seen: list[str] = []
        self.answered: list[int] = []
        self.skew = 0.0
        self._upstream = upstream
        self._fault: tuple[str, Fault] | None = None
        self._is_lasting = False
        self._instead: dict[str, tuple[int, str, str]] = {}
        self._may_land = asyncio.Event()
        self._may_pass = asyncio.Event()
        self._may_pass.set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    def fail(self, where: str, fault: Fault, *, always: bool = False) -> None:
        """always: every request that holds *where* meets the fault, until `heal`."""
        self._fault, self._is_lasting = (where, fault), always

    def heal(self) -> None:
        self._fault = None
        self._instead.clear()

    def instead(self, where: str, text: str, status: int = 200) -> None:
        """Answer *text*, as JSON, whenever a request holds *where*."""
        self._instead[where] = (status, "application/json", text)

    def freeze(self) -> None:
        self._may_pass.clear()

    def thaw(self) -> None:
        self._may_pass.set()

    async def up(self) -> None:
        """Listen, on the same port each time."""
        port = int(self.url.rpartition(":")[2] or 0)
        self._server = await asyncio.start_server(self.serve, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def down(self) -> None:
        """Nothing listens any more, and what was connected is cut."""
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def let_land(self) -> None:
        """What was held goes on to the server; returns once that has answered."""
        self._may_land.set()
        await asyncio.wait_for(self.landed.wait(), 20)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) and await self._one(head, reader, writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _one(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Handle one request; False where the connection is to be closed without an answer."""
        line, *fields = head.decode("latin-1").split("\r\n")
        method, path, _ = line.split(" ")
        headers = dict(field.split(": ", 1) for field in fields if ": " in field)
        body = await reader.readexactly(int({k.lower(): v for k, v in headers.items()}.get("content-length", "0")))
        self.seen.append(f"{method} {path}")
        await self._may_pass.wait()
        fault = self._taken(f"{method} {path}")
        mine = ANSWERS.get(fault or "") or next((a for where, a in self._instead.items() if where in path), None)
        if mine is not None:
            status, kind, text = mine
            extra = "Retry-After: 60\r\n" if status == 429 else ""
            writer.write(_answer(status, kind, text.encode(), extra))
            return True
        if fault == "drop":
            return False
        if fault in ("late", "hold"):
            self.holding.set()
            await self._may_land.wait()
        headers = {k: v for k, v in headers.items() if k.lower() not in ("host", "content-length", "accept-encoding")}
        async with httpx.AsyncClient() as upstream:
            said = await upstream.request(method, self._upstream + path, headers=headers, content=body)
        self.answered.append(said.status_code)
        if fault is not None:
            self.landed.set()
        if fault in ("lose", "late"):
            return False
        extra = f"ETag: {said.headers['etag']}\r\n" if "etag" in said.headers else ""
        if "date" in said.headers:
            date = parsedate_to_datetime(said.headers["date"]) + timedelta(seconds=self.skew)
            extra += f"Date: {format_datetime(date, usegmt=True)}\r\n"
        content = _moved(said.content, self.skew) if self.skew and "/search/events" in path else said.content
        writer.write(_answer(said.status_code, said.headers.get("content-type", ""), content, extra))
        return True

    def _taken(self, request: str) -> Fault | None:
        if self._fault is None or self._fault[0] not in request:
            return None
        fault = self._fault[1]
        if not self._is_lasting:
            self._fault = None
        return fault


def _moved(page: bytes, seconds: float) -> bytes:
    """A page of events with each of their times later by *seconds*."""
    told: Any = json.loads(page)
    for event in told.get("events", ()):
        event["createdAt"] = (datetime.fromisoformat(event["createdAt"]) + timedelta(seconds=seconds)).isoformat()
    return json.dumps(told).encode()


def _answer(status: int, kind: str, body: bytes, extra: str) -> bytes:
    head = f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + (b"" if status == 304 else body)


@asynccontextmanager
async def proxy_of(upstream: str) -> AsyncIterator[Proxy]:
    """A proxy on a free port of the loopback, for as long as the block lasts."""
    proxy = Proxy(upstream)
    await proxy.up()
    try:
        yield proxy
    finally:
        proxy.down()
