"""HTTP/1.1 over raw asyncio streams: the few lines that eight instances and two hundred requests a second need.

Keep-alive and Content-Length, no chunks, no TLS, loopback only. It is the wire of the sandbox's own services and of its
traffic; nothing that meets a real system uses it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

HOST = "127.0.0.1"
MAX_BODY = 1 << 20
BROKEN = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON; raises msgspec.DecodeError, which the server answers with 400."""
        return msgspec.json.decode(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Reply:
        return cls(msgspec.json.encode(value), status)


Handler = Callable[[Request], Awaitable[Reply]]


def listening(port: int = 0) -> socket.socket:
    """A listening loopback socket; port 0 takes a free one. The port is answered for from here on."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


class Listener:
    """One port that can go away in the middle of things and come back, as an instance does."""

    def __init__(self, handler: Handler, sock: socket.socket) -> None:
        self.port: int = sock.getsockname()[1]
        self._handler = handler
        self._sock: socket.socket | None = sock
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def is_up(self) -> bool:
        return self._server is not None

    async def start(self) -> None:
        """Serve; takes the port again where it was given up, waiting up to 5 s for a stranger on it."""
        if self._server is None:
            sock = self._sock or await self._again()
            self._sock = None
            self._server = await asyncio.start_server(self._serve, sock=sock)

    def stop(self) -> None:
        """Refuse new connections and reset the open ones, as the death of a process does."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _again(self) -> socket.socket:
        async with asyncio.timeout(5):
            while True:
                try:
                    return listening(self.port)
                except OSError:
                    await asyncio.sleep(0.02)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                request = await read_request(reader)
                try:
                    reply = await self._handler(request)
                except (msgspec.DecodeError, msgspec.ValidationError) as problem:
                    reply = Reply.json({"error": str(problem)}, 400)
                writer.write(head(reply) + reply.body)
                await writer.drain()
                if request.headers.get("connection", "").lower() == "close":
                    return
        except BROKEN:
            return  # the other side left, or the instance was taken down
        finally:
            self._open.discard(writer)
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> Request:
    """The next request of a connection; raises one of BROKEN when there is none or it is nonsense."""
    first, _, rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").partition("\r\n")
    method, target, _version = first.split(" ")
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in rest.split("\r\n")) if k}
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= MAX_BODY:
        raise ValueError("body too long")
    url = urlsplit(target)
    body = await reader.readexactly(length) if length else b""
    return Request(method, url.path, dict(parse_qsl(url.query)), headers, body)


def head(reply: Reply) -> bytes:
    return (
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
        f"content-type: {reply.content_type}\r\ncontent-length: {len(reply.body)}\r\n\r\n"
    ).encode("latin-1")


class Connection:
    """One kept-alive client connection. `get` answers the status, or None where the instance cannot be reached."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, target: str, *, within: float = 5.0) -> int | None:
        try:
            async with asyncio.timeout(within):
                return await self._get(target)
        except BROKEN:  # TimeoutError is an OSError
            self.close()
            return None

    async def _get(self, target: str) -> int:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(HOST, self.port)
        self._writer.write(f"GET {target} HTTP/1.1\r\nhost: {HOST}:{self.port}\r\n\r\n".encode("latin-1"))
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)
        return int(answer[9:12])

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None
