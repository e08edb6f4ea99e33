"""Small GETs over one kept HTTP/1.1 connection: h11 on asyncio streams, for polling hundreds of instances at once.

httpx serves what is few and rich (http.py); at some 300 endpoints a second one client of it no longer keeps up, this
does (measured at 1,000). No redirects are followed, no proxy is used, no compression asked for. Errors are those of
ports.py, in words that fit a column of the screen.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from time import time
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import h11
from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.jsontext import parse as parse_json
from amplify_tui.adapters.ports import AdapterError, Invalid, Unreachable

LIMIT: Final = 8 * 1024 * 1024
_CHUNK: Final = 65536


class WireAnswer(Struct, frozen=True):
    """A complete answer; `latency` in seconds from the start of the call, connecting included."""

    status: int
    body: bytes
    location: str
    at: float
    latency: float

    def json(self) -> Any:
        """The body as JSON. Raises Invalid, in the words of the screen."""
        try:
            return parse_json(self.body)
        except ValueError:
            start = self.body.lstrip()[:1]
            raise Invalid("a web page where JSON should be" if start == b"<" else "no JSON") from None


class Wire:
    """One host. Calls must not overlap; one that fails or is cancelled closes the connection, the next reopens it."""

    def __init__(self, url: str, *, limit: int = LIMIT, clock: Callable[[], float] = time) -> None:
        """url: scheme, host, port, user and password, and a prefix for all paths. Raises Invalid where it is none."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise Invalid(f"{clean(url, 80)!r} is no URL: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid(f"{clean(url, 80)!r} is no URL", fix="write it as http://host:port")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._limit = limit
        self._clock = clock
        self._headers = [("Host", parts.netloc.rpartition("@")[2]), ("User-Agent", "amplify"), ("Accept", "*/*")]
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers.append(("Authorization", f"Basic {base64.b64encode(pair).decode()}"))
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._http = h11.Connection(h11.CLIENT)

    async def get(self, path: str, within: float) -> WireAnswer:
        """The answer to one GET, whatever its status, complete within *within* seconds.

        Raises Unreachable (nothing listens, silence, broken off) and Invalid (no HTTP, too long, TLS).
        """
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(within):
                try:
                    return await self._get(path, began)
                except _StaleError:  # the host closed a kept connection between two calls; a GET may go twice
                    return await self._get(path, began)
        except TimeoutError:
            raise Unreachable(f"no answer within {within:g}s") from None
        except (OSError, h11.ProtocolError, EOFError) as error:
            raise _words(error) from error

    async def _get(self, path: str, began: float) -> WireAnswer:
        kept = self._streams is not None
        reader, writer = self._streams or await self._open()
        complete = False
        try:
            request = h11.Request(method="GET", target=self._prefix + path, headers=self._headers)
            writer.write((self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
            answer = await self._answer(reader, began, kept)
            complete = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
            return answer
        finally:
            if complete:
                self._http.start_next_cycle()
            else:
                self._drop()

    async def _answer(self, reader: asyncio.StreamReader, began: float, kept: bool) -> WireAnswer:
        status, location, parts, size, silent = 0, "", [], 0, True
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                try:
                    data = await reader.read(_CHUNK)
                except ConnectionError as error:
                    raise (_StaleError() if kept and silent else error) from error
                if not data and silent:
                    raise _StaleError if kept else EOFError
                silent = False
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                status = event.status_code
                location = next((value.decode("latin-1") for name, value in event.headers if name == b"location"), "")
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > self._limit:
                    raise Invalid(f"answered more than {self._limit} bytes")
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                latency = asyncio.get_running_loop().time() - began
                return WireAnswer(status, b"".join(parts), location, self._clock(), latency)
            elif not isinstance(event, h11.InformationalResponse):
                raise EOFError

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.create_default_context() if self._tls else None
        self._streams = await asyncio.open_connection(self._host, self._port, ssl=context)
        self._http = h11.Connection(h11.CLIENT)
        return self._streams

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def aclose(self) -> None:
        if self._streams is not None:
            writer = self._streams[1]
            self._drop()
            with suppress(OSError):
                await writer.wait_closed()


class _StaleError(Exception):
    """A kept connection turned out closed before a byte of the answer came."""


def _words(error: Exception) -> AdapterError:
    match error:
        case ConnectionRefusedError():
            return Unreachable("nothing listens there (connection refused)")
        case socket.gaierror():
            return Unreachable("its host name is not known")
        case ssl.SSLCertVerificationError():
            return Invalid(f"its certificate is not trusted: {clean(error.verify_message, 80)}")
        case ssl.SSLError():
            return Invalid("TLS failed: is it https?")
        case h11.RemoteProtocolError():
            words = str(error)
            broken = "closed" in words or "incomplete" in words
            return Unreachable("the answer broke off") if broken else Invalid(f"no HTTP: {clean(words, 80)}")
        case h11.LocalProtocolError():
            return Invalid(f"the path cannot be asked for: {clean(str(error), 80)}")
        case EOFError():
            return Unreachable("the connection closed before an answer")
        case ConnectionError():
            return Unreachable("the connection was lost")
    return Unreachable(clean(str(error), 80) or type(error).__name__)
