"""The light client of a conductor: follow a run, send it commands. asyncio and msgspec only; SQLite where it must.

The cockpit imports this and nothing else of the engine, so nothing heavy may be imported here.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import DecodeError, Struct

from amplify_tui.engine import wire
from amplify_tui.engine.journal import link_of
from amplify_tui.engine.rundir import PlaceError, RunDir
from amplify_tui.engine.wire import Answer, Do, Events, Follow, Message, Ping, WireError

FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 5.0
QUIET_SECONDS: Final = 5.0  # half of a lease: a stopped conductor is seen before it can be taken over

Gone = Literal["none", "dead", "silent", "closed", "refused"]


class UnreachableError(Exception):
    """No conductor answers. `kind`: none (no socket), dead (nobody behind it), silent (it does not answer in time),
    closed (it went away), refused (the socket may not be used). A command may have been carried out unless it is
    none, dead or refused; sending it again with the same id is safe.
    """

    def __init__(self, kind: Gone, what: str) -> None:
        self.kind = kind
        super().__init__(what)


class NewEvents(Struct, frozen=True):
    """Events that follow the last ones, as the journal has them."""

    bodies: list[bytes]


class Board(Struct, frozen=True):
    """Latest value per key; `whole` for the first one of each connection, which replaces all that was known."""

    values: dict[str, Any]
    whole: bool = False


class Lost(Struct, frozen=True):
    """The conductor does not answer; it is tried again. With `went_back` the following ends: see `follow`."""

    reason: str
    went_back: bool = False


class Queued(Struct, frozen=True):
    """The command waits in the inbox, durably, for there was no conductor to answer; `reason` says so in words."""

    id: str
    reason: str


Update = NewEvents | Board | Lost


class RunClient:
    """Talks to the conductor of one run. Not connected until it is used; finds a new conductor's socket by itself."""

    def __init__(self, run_dir: Path, *, within: float = QUIET_SECONDS) -> None:
        self._run_dir = RunDir(run_dir)
        self._within = within
        self._turn = asyncio.Lock()
        self._link: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def connect(self) -> int:
        """Connect and ask; the answer is the journal's last seq. Raises UnreachableError."""
        return (await self._ask(Ping(id="ping"))).seq or 0

    async def do(self, command: dict[str, Any], *, within: float | None = None) -> Answer:
        """Send a command (it has an `id`) and wait for its answer. Raises UnreachableError and WireError.

        A connection that breaks is made again once, and the command sent again: its id makes that safe.
        """
        request = Do(command=command)
        try:
            message = await self._ask(request, within)
        except UnreachableError as error:
            if error.kind != "closed":
                raise
            message = await self._ask(request, within)
        return Answer(ok=bool(message.ok), seq=message.seq or 0, refusal=message.refusal)

    async def events(self, after: int, limit: int = wire.MAX_EVENTS) -> list[bytes]:
        """Bodies with seq > `after`; fewer than `limit` when they are long, empty at the end. Raises as `do`."""
        message = await self._ask(Events(after=after, limit=limit, id="events"))
        return [bytes(body) for body in message.events or ()]

    async def submit(self, command: dict[str, Any], *, at: float) -> Answer | Queued:
        """Send a command; where no conductor answers, leave it in the inbox and say so. `at`: Unix seconds.

        Raises JournalError when the inbox cannot be written either.
        """
        try:
            return await self.do(command)
        except UnreachableError as error:
            await asyncio.to_thread(_leave, self._run_dir, command, at)
            return Queued(id=str(command["id"]), reason=f"{error}; the command waits for the next conductor")

    async def follow(self, after: int = 0) -> AsyncGenerator[Update, None]:
        """Yield what happens after event `after`, for ever; use it under `contextlib.aclosing`.

        Each connection begins with a whole Board. When the conductor is gone or silent there is one Lost per reason,
        and it is tried again after 0.1, 0.2 … 5 s. A Lost with `went_back` ends the iteration: events that were seen
        are no longer in the journal, so what was computed from them is void; start again from 0 and say so.
        """
        tail = _Tail(after)
        delays = _delays()
        told = ""
        while True:
            try:
                async with contextlib.aclosing(self._updates(tail)) as updates:
                    async for update in updates:
                        delays, told = _delays(), ""
                        yield update
            except _WentBackError as error:
                yield Lost(str(error), went_back=True)
                return
            except (UnreachableError, WireError) as error:
                if str(error) != told:
                    told = str(error)
                    yield Lost(told)
            await asyncio.sleep(next(delays))

    async def close(self) -> None:
        """Close the connection for commands. The client can be used again."""
        self._drop()

    async def _updates(self, tail: _Tail) -> AsyncGenerator[Update, None]:
        """What one connection brings. Ends only by an error."""
        reader, writer = await self._open(self._within)
        try:
            writer.write(wire.line(Follow(since=tail.seq)))
            head, asking, whole = -1, False, True
            while True:
                message = await self._next(reader, writer)
                if message.wake is not None:
                    if head < 0:  # only a new connection can lead to a journal that lost its end
                        tail.check_head(message.wake)
                    head = message.wake
                if message.events is not None:
                    asking = False
                    bodies = [bytes(body) for body in message.events]
                    tail.check_and_move(bodies)
                    if bodies:
                        yield NewEvents(bodies)
                    else:
                        head = tail.seq  # it promised more than it has: wait for its next wake
                if message.board is not None:
                    yield Board(message.board, whole=whole)
                    whole = False
                if message.error is not None:
                    raise WireError(message.error)
                if tail.seq < head and not asking:
                    asking = True
                    writer.write(wire.line(Events(after=tail.seq, id="follow")))
        finally:
            writer.close()

    async def _next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Message:
        """The next message; a conductor that says nothing is asked once, for a stopped one keeps its socket open."""
        try:
            return await _read(reader, self._within)
        except TimeoutError:
            writer.write(wire.line(Ping(id="quiet")))
        try:
            return await _read(reader, self._within)
        except TimeoutError as error:
            raise UnreachableError("silent", f"the conductor has been silent for {2 * self._within:g} s") from error

    async def _ask(self, request: wire.Request, within: float | None = None) -> Message:
        """One request and its answer, one at a time."""
        seconds = within or self._within
        async with self._turn:
            try:
                reader, writer = self._link = self._link or await self._open(seconds)
                writer.write(wire.line(request))
                message = await _read(reader, seconds)
            except TimeoutError as error:
                self._drop()
                raise UnreachableError("silent", f"the conductor did not answer within {seconds:g} s") from error
            except BaseException:
                self._drop()  # an answer that comes after all must not be taken for the next one's
                raise
            if message.re != wire.request_id(request):
                self._drop()  # nothing on this connection can be trusted to be the answer
                if message.error is None:
                    raise WireError(f"an answer to {message.re!r} came, to {wire.request_id(request)!r} was wanted")
        if message.error is not None:
            raise WireError(message.error)
        return message

    async def _open(self, seconds: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            first, *others = self._run_dir.sockets()
            async with asyncio.timeout(seconds):
                for path in others:
                    with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                        return await asyncio.open_unix_connection(path, limit=wire.MAX_ANSWER)
                return await asyncio.open_unix_connection(first, limit=wire.MAX_ANSWER)
        except FileNotFoundError as error:
            raise UnreachableError("none", f"no conductor listens for run {self._run_dir.run}") from error
        except ConnectionRefusedError as error:
            raise UnreachableError("dead", f"the conductor of run {self._run_dir.run} is dead") from error
        except (PermissionError, PlaceError) as error:
            raise UnreachableError("refused", f"the conductor's socket may not be used: {error}") from error
        except (TimeoutError, BlockingIOError) as error:
            raise UnreachableError("silent", f"the conductor did not accept within {seconds:g} s") from error

    def _drop(self) -> None:
        if self._link is not None:
            link, self._link = self._link, None
            link[1].close()


class _WentBackError(Exception):
    """The journal no longer holds what was seen."""


class _Tail:
    """The last event that was seen, to notice a journal that lost or changed its end."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self._sha: str | None = None

    def check_head(self, head: int) -> None:
        if head < self.seq:
            raise _WentBackError(f"the journal went back to event {head}; event {self.seq} had been seen")

    def check_and_move(self, bodies: list[bytes]) -> None:
        for body in bodies:
            try:
                link = link_of(body)
            except DecodeError as error:
                raise WireError(f"what follows event {self.seq} is no event: {error}") from error
            if link.seq != self.seq + 1 or self._sha not in {None, link.prev}:
                raise _WentBackError(f"event {link.seq} does not follow event {self.seq} that had been seen")
            self.seq, self._sha = link.seq, hashlib.sha256(body).hexdigest()


def _delays() -> Iterator[float]:
    delay = FIRST_DELAY
    while True:
        yield delay
        delay = min(delay * 2, LONGEST_DELAY)


async def _read(reader: asyncio.StreamReader, seconds: float) -> Message:
    """One message within so many seconds. A read that times out takes nothing from the stream."""
    try:
        async with asyncio.timeout(seconds):
            return wire.decode_message(await reader.readuntil(b"\n"))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise UnreachableError("closed", "the conductor closed the connection") from error
    except asyncio.LimitOverrunError as error:
        raise WireError(f"an answer is longer than {wire.MAX_ANSWER} bytes") from error


def _leave(run_dir: RunDir, command: dict[str, Any], at: float) -> None:
    from amplify_tui.engine.inbox import Inbox

    inbox = Inbox.open(run_dir.inbox)
    try:
        inbox.submit(str(command["id"]), wire.encode(command), at)
    finally:
        inbox.close()
