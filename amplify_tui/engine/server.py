"""The conductor's socket: answers requests, wakes followers, sends boards. No decision and no journal of its own.

The rule of this room: nothing that the conductor calls (`wake`, `post`) ever waits for a client. A follower that does
not read is skipped and gets the newest wake and the latest board when it reads again. Only a connection's own task
waits for its own client.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from msgspec import Raw

from amplify_tui.engine import wire
from amplify_tui.engine.journal import JournalError
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.wire import Answer, Do, Events, Follow, Message, Ping, WireError

BATCH_SECONDS: Final = 0.1
FOLLOWER_BUFFER: Final = 64 * 1024
MAX_CLIENTS: Final = 200

_log = logging.getLogger(__name__)


class Handler(Protocol):
    """What a conductor offers to its clients."""

    async def do(self, command: dict[str, Any]) -> Answer:
        """Carry out a command, or refuse it. A repeated id gets its first answer."""

    def events(self, after: int, limit: int) -> list[bytes]:
        """Bodies with seq > `after`, oldest first. May raise JournalError."""

    def board(self) -> dict[str, Any]:
        """The latest value per key, whole. Values are what msgspec can encode."""


class SocketTakenError(Exception):
    """Another process listens on this run's socket: it conducts the run."""


class _Peer:
    """One connected client."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.wake_due = False
        self.stale: set[str] = set()

    def is_behind(self) -> bool:
        return self.writer.transport.get_write_buffer_size() > FOLLOWER_BUFFER

    def send(self, message: Message) -> None:
        if not self.writer.is_closing():
            self.writer.write(wire.line(message))


class Server:
    """Serves one run on one socket: `async with Server(path, handler, seq=head) as server`.

    Entering takes the lock beside the socket first and only then binds, for binding alone would silently take the path
    of a living server. Raises SocketTakenError. `skipped` counts the wakes that a follower missed for not reading.
    """

    def __init__(self, path: Path, handler: Handler, *, seq: int = 0) -> None:
        self.path = path
        self.skipped = 0
        self._handler = handler
        self._seq = seq
        self._lock = FileLock(path.with_suffix(".lock"))
        self._values: dict[str, Any] = {}
        self._followers: set[_Peer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._listener: asyncio.Server | None = None
        self._inode = 0

    async def __aenter__(self) -> Self:
        if not self._lock.take():
            holder = self._lock.holder()
            raise SocketTakenError(f"{self.path} is served by process {holder.pid if holder else 'unknown'}")
        try:
            await self._listen()
        except BaseException:
            self._lock.release()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None:
            self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._is_ours():
            self.path.unlink(missing_ok=True)
        self._lock.release()

    async def ensure_reachable(self) -> bool:
        """Listen again if something (a cleaner of /tmp) removed the socket's file; True when that was needed.

        Clients that are connected stay connected. Raises OSError when it cannot be made again.
        """
        if self._is_ours():
            return False
        old = self._listener
        await self._listen()
        if old is not None:
            old.close()
        return True

    def is_followed(self) -> bool:
        """Whether any client follows the run at this moment."""
        return bool(self._followers)

    def wake(self, seq: int) -> None:
        """Tell every follower that the journal now ends at `seq`. Never waits."""
        self._seq = seq
        for peer in self._followers:
            if peer.is_behind():
                peer.wake_due = True
                self.skipped += 1
                self._schedule()
            else:
                peer.send(Message(wake=seq))

    def post(self, key: str, value: object) -> None:
        """Send the latest value of a board's key to every follower with the next batch. Never waits."""
        self._values[key] = value
        for peer in self._followers:
            peer.stale.add(key)
        if self._followers:
            self._schedule()

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_SECONDS, self._flush)

    def _flush(self) -> None:
        """Send each follower what is due, except to those who do not read; these stay due."""
        self._timer = None
        encoded: dict[str, Raw] = {}
        for peer in self._followers:
            if not peer.is_behind():
                if peer.wake_due:
                    peer.send(Message(wake=self._seq))
                    peer.wake_due = False
                if peer.stale:
                    for key in peer.stale - encoded.keys():
                        encoded[key] = Raw(wire.encode(self._values[key]))
                    peer.send(Message(board={key: encoded[key] for key in sorted(peer.stale)}))
                    peer.stale.clear()
            if peer.wake_due or peer.stale:
                self._schedule()

    async def _listen(self) -> None:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            self.path.unlink(missing_ok=True)  # stale for sure: we hold the lock
            listening.bind(str(self.path))
            self.path.chmod(0o600)
            self._inode = self.path.stat().st_ino
            self._listener = await asyncio.start_unix_server(self._connected, sock=listening, limit=wire.MAX_REQUEST)
        except BaseException:
            listening.close()
            raise

    def _is_ours(self) -> bool:
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _Peer(writer)
        if len(self._tasks) >= MAX_CLIENTS:
            peer.send(Message(re="", error=f"{MAX_CLIENTS} clients are connected already; close some"))
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(peer, reader), name=f"client of {self.path.name}")
        self._tasks.add(task)
        task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A bug met by one client is that client's end, never the conductor's: the run must go on.
            _log.error("a client's request failed", exc_info=error)

    async def _serve(self, peer: _Peer, reader: asyncio.StreamReader) -> None:
        """One client, one request at a time, until it goes."""
        try:
            while True:
                await self._answer(peer, await reader.readuntil(b"\n"))
                await peer.writer.drain()
        except asyncio.LimitOverrunError:
            peer.send(Message(re="", error=f"a request may be {wire.MAX_REQUEST} bytes long; this one is longer"))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone, as clients may
        except asyncio.CancelledError:
            peer.writer.transport.abort()  # closing would wait for a client that may never read
            raise
        finally:
            self._followers.discard(peer)
            peer.writer.close()

    async def _answer(self, peer: _Peer, text: bytes) -> None:
        try:
            request = wire.decode_request(text)
        except WireError as error:
            peer.send(Message(re=error.re, error=str(error)))
            return
        re = wire.request_id(request)
        try:
            await self._carry_out(peer, re, request)
        except JournalError as error:
            peer.send(Message(re=re, error=str(error)))

    async def _carry_out(self, peer: _Peer, re: str, request: wire.Request) -> None:
        match request:
            case Do():
                peer.send(wire.answer_message(re, await self._handler.do(request.command)))
            case Events():
                bodies = self._handler.events(request.after, max(1, min(request.limit, wire.MAX_EVENTS)))
                peer.send(wire.events_message(re, bodies))
            case Follow():
                peer.send(Message(wake=self._seq))
                peer.send(Message(board=self._handler.board()))
                self._followers.add(peer)
            case Ping():
                peer.send(Message(re=re, ok=True, seq=self._seq))
