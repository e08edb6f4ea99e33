"""The targets of one run: two instances, a service that is called, a webhook, and a flag server behind a proxy.

All of them stand behind one port, and each write that reaches them is noted: as it arrives, and as it is carried out.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import httpx

When = Literal["before", "after", "late"]
Mischief = Callable[[], Awaitable[None]]
_ULID = re.compile(r"/[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|/[0-9A-HJKMNP-TV-Z]{26}")
KNOWN = 208  # "already reported"
READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Target:
    """Listens on a port of its own. `carried_out` holds the name of each write that took effect, in order.

    keys: the idempotency keys that were seen, by write. A write named in `meet` finds its mischief waiting, once, and
    gets no answer: before it is carried out, which it then is not; after it; or before it, and it is carried out late.
    """

    def __init__(self, folder: Path, flags: str, flag: str, client: httpx.AsyncClient) -> None:
        self.url = ""
        self.carried_out: list[str] = []
        self.keys: dict[str, list[str]] = {}
        self._folder = folder
        self._flags = flags
        self._flag = flag
        self._client = client
        self._server: asyncio.Server | None = None
        self._meet: tuple[str, When, Mischief] | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._under_way = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    def meet(self, write: str, when: When, mischief: Mischief) -> None:
        self._meet = (write, when, mischief)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while await self._one(reader, writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, httpx.TransportError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.split("\r\n")
        method, path, _ = line.split(" ")
        headers = {k.lower(): v for k, _, v in (field.partition(": ") for field in fields if field)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        write = "" if method in READS else self._name(method, path)
        self._under_way += bool(write)
        try:
            return await self._answered(method, path, headers, body, write, writer)
        finally:
            self._under_way -= bool(write)

    async def _answered(
        self, method: str, path: str, headers: dict[str, str], body: bytes, write: str, writer: asyncio.StreamWriter
    ) -> bool:
        """Carry out one request, and answer it; False where the connection is to be closed without an answer."""
        if await self._met(write, "before"):
            return False
        is_late = await self._met(write, "late")
        status, kind, text = await self._carry_out(method, path, headers, body)
        if write and status < 400:
            self._note(write, status, headers)
            if is_late or await self._met(write, "after"):
                return False
        answer = f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n\r\n"
        writer.write(answer.encode() + text)
        return True

    def _name(self, method: str, path: str) -> str:
        """The same for the same write of each run: without names and ids that are a run's own."""
        plain = _ULID.sub("/ID", path.partition("?")[0]).replace(self._flag, "FLAG")
        plain = plain.replace("/bulk_features/", "/features/FLAG/")  # a kill goes to all flags at once where it can
        name = f"{method} {plain}"
        times = sum(one.partition(" #")[0] == name for one in self.carried_out)
        return f"{name} #{times + 1}" if times else name

    def _note(self, write: str, status: int, headers: dict[str, str]) -> None:
        key = headers.get("idempotency-key")
        if key:
            self.keys.setdefault(write.partition(" #")[0], []).append(key)
        if status != KNOWN:
            self.carried_out.append(write)

    async def _met(self, write: str, when: When) -> bool:
        if not write or self._meet is None or self._meet[:2] != (write, when):
            return False
        mischief = self._meet[2]
        self._meet = None
        await mischief()
        return True

    async def quiet(self) -> None:
        """Wait until nothing is on its way any more that this port has taken in."""
        while self._under_way:
            await asyncio.sleep(0.05)

    async def _carry_out(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        if path.startswith("/i/"):
            try:
                version = (self._folder / f"at-{path.split('/')[2]}").read_text(encoding="utf-8").strip()
            except FileNotFoundError as gone:  # the run is over, and its place with it
                raise ConnectionError from gone
            said = {"status": "ok", "version": version, "started": 1700000000}
            return 200, "application/json", json.dumps(said).encode()
        if path.startswith("/call"):
            if headers.get("idempotency-key", "") in self.keys.get(f"{method} /call", ()):
                return KNOWN, "application/json", b"{}"  # it knows the key: it does nothing
            there = self._folder / "called"
            if method in READS:
                return (200 if there.exists() else 404), "application/json", b"{}"
            there.unlink(missing_ok=True) if method == "DELETE" else there.touch()
            return 200, "application/json", b"{}"
        if path.startswith("/hook"):
            return 200, "application/json", b"{}"
        sent = {
            k: v for k, v in headers.items() if k not in ("host", "content-length", "accept-encoding", "connection")
        }
        said = await self._client.request(method, self._flags + path, headers=sent, content=body)
        return said.status_code, said.headers.get("content-type", "text/plain"), said.content
