"""What the cockpit needs of the outside: a client of one run, and a home that lists runs and makes clients.

Protocols and values only. `engine.client.RunClient` fills `Client` as it is; the command line fills `Home` and `Doors`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, Protocol

from msgspec import Struct

from amplify_tui.engine.client import Queued, Update
from amplify_tui.engine.wire import Answer


class Client(Protocol):
    """One run: what happens in it, and the way to order something."""

    def follow(self, after: int = 0) -> AsyncIterator[Update]:
        """What happens after event *after*, for ever; ends only after a Lost that `went_back`."""
        ...

    async def submit(self, command: dict[str, Any], *, at: float) -> Answer | Queued:
        """Carry out a command, or leave it for the next conductor. Safe to repeat with the same id."""
        ...


class RunSummary(Struct, frozen=True, kw_only=True):
    """One run in the list of the home screen."""

    run: str
    playbook: str
    version: str = ""
    previous: str = ""
    environment: str = ""
    mode: str = "live"
    phase: str = ""
    word: str = ""
    attention: bool = False
    driver: str = ""
    conductor: bool = True
    exposure: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    detail: tuple[str, ...] = ()


class Startable(Struct, frozen=True, kw_only=True):
    """A playbook that can be started or a drill that can be rehearsed."""

    name: str
    kind: Literal["playbook", "drill"]
    title: str = ""
    note: str = ""


class Home(Protocol):
    """The runs of this journal and what can be started."""

    async def runs(self) -> list[RunSummary]: ...

    async def startable(self) -> list[Startable]: ...

    async def attach(self, run: str) -> Client:
        """A client of that run; gives it a new conductor where it has none."""
        ...

    async def start(self, name: str) -> Client:
        """A draft run of that playbook or drill, with its conductor, and a client of it."""
        ...


class HomeError(Exception):
    """What the home was asked for could not be done; the text says why and what to do."""


Door = Callable[[str], Awaitable[str]]


class Offer(Struct, frozen=True, kw_only=True):
    """What migrating a run to its playbook's file would change, a line each; refusal: why it may not, as things stand.

    sha256: of the file, which the order names; "" where there is nothing to migrate to.
    """

    sha256: str
    lines: tuple[str, ...]
    refusal: str = ""


class Doors(Struct, frozen=True, kw_only=True):
    """What lies outside the run's own commands: each takes a run's id and answers with text. None: not here."""

    report: Door | None = None
    card: Door | None = None
    check: Door | None = None
    difference: Door | None = None
    evidence: Door | None = None
    migration: Callable[[str], Awaitable[Offer]] | None = None
