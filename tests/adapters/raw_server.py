"""A server on a real socket that answers exactly the bytes a test wants, and goes on misbehaving as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Raw:
    """What came in, and where. `answer(path)` gives the bytes of an answer; None keeps silent."""

    answer: Callable[[str], bytes | None]
    close_after: bool = False
    url: str = ""
    paths: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                self.paths.append(head.split(b" ", 2)[1].decode())
                length = next((int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
                await reader.readexactly(length)
                if (data := self.answer(self.paths[-1])) is not None:
                    writer.write(data)
                    await writer.drain()
                    if self.close_after:
                        break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def hang_up(self) -> None:
        """Close every connection from this side, as a server does that restarts."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()


@asynccontextmanager
async def raw_server(
    answer: bytes | Callable[[str], bytes | None] | None, *, close_after: bool = False
) -> AsyncIterator[Raw]:
    raw = Raw(answer if callable(answer) else lambda path: answer, close_after)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        server.close()
        raw.hang_up()


def reply(body: str | bytes, status: str = "200 OK", *headers: str) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(data)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + data
