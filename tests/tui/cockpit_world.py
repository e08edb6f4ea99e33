"""A cockpit on an in-memory client: the outermost seam, so that everything of ours runs as in production."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any

from textual.pilot import Pilot

from amplify_tui.engine.client import Board, NewEvents, Queued, Update
from amplify_tui.engine.wire import Answer
from amplify_tui.tui.app import Cockpit
from amplify_tui.tui.client import Home
from amplify_tui.tui.example.script import Story

DEADLINE = 10.0


class MemoryClient:
    """Plays a story and its board; keeps what was ordered; answers as it was told to."""

    def __init__(self, story: Story, board: dict[str, Any]) -> None:
        self.story, self.board = story, board
        self.more: asyncio.Queue[Update] = asyncio.Queue()
        self.ordered: list[dict[str, Any]] = []
        self.answer: Answer | Queued = Answer(ok=True, seq=99)
        self.follows = 0

    async def follow(self, after: int = 0) -> AsyncIterator[Update]:
        self.follows += 1
        yield Board(self.board, whole=True)
        yield NewEvents(self.story.bodies[after:])
        while True:
            yield await self.more.get()

    async def submit(self, command: dict[str, Any], *, at: float) -> Answer | Queued:
        self.ordered.append(command)
        return self.answer


class Clock:
    """Monotonic time that moves only when a test says so."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class World:
    """The app under test with its pilot, client and clocks."""

    def __init__(self, app: Cockpit, pilot: Pilot[None], client: MemoryClient, clock: Clock, monotonic: Clock) -> None:
        self.app, self.pilot, self.client, self.clock, self.monotonic = app, pilot, client, clock, monotonic

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until *holds*, or fail at the deadline with what the screen shows."""
        loop = asyncio.get_running_loop()
        end = loop.time() + DEADLINE
        while not holds():
            assert loop.time() < end, "never happened; the screen:\n" + self.text
            await self.pilot.pause(0.01)

    async def press(self, *keys: str) -> None:
        """Press keys, each as a press of its own (long after the one before), and let them be handled."""
        for key in keys:
            self.monotonic.at += 5.0
            await self.pilot.press(key)
        await self.pilot.pause()

    async def tell(self, bodies: list[bytes]) -> None:
        """More events arrive, and are drawn."""
        await self.client.more.put(NewEvents(bodies))
        wanted = self.client.story.state.seq
        await self.until(lambda: self.app.state.seq >= wanted)

    @property
    def lines(self) -> list[str]:
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)

    @property
    def ordered(self) -> list[tuple[str, dict[str, Any]]]:
        """Kind and fields of each order, without id, actor and via."""
        plain = ("id", "actor", "via", "command")
        return [(c["command"], {k: v for k, v in c.items() if k not in plain}) for c in self.client.ordered]


@asynccontextmanager
async def cockpit(
    story: Story, board: dict[str, Any], size: tuple[int, int] = (120, 40), *, home: Home | None = None, **options: Any
) -> AsyncIterator[World]:
    """A cockpit on *story*, drawn up to its last event."""
    clock, monotonic = Clock(story.at + 3), Clock(100.0)
    client = MemoryClient(story, board)
    first = None if home is not None else client
    app = Cockpit(first, actor="cap", home=home, tz=UTC, clock=clock, monotonic=monotonic, **options)
    async with app.run_test(size=size) as pilot:
        world = World(app, pilot, client, clock, monotonic)
        if first is not None:
            await world.until(lambda: app.state.seq == story.state.seq)
        await pilot.pause()
        yield world
