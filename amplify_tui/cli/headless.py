"""Following a run without a screen: a line an event, or the event's envelope as JSON. Plays the people if asked to."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from amplify_tui.cli.common import EXIT, STRICT, WAITS
from amplify_tui.engine.client import Board, Lost, NewEvents, RunClient, UnreachableError
from amplify_tui.engine.wire import WireError
from amplify_tui.run.autopilot import Orders, waits_for_person
from amplify_tui.run.commands import Start, encode_command
from amplify_tui.run.envelope import decode
from amplify_tui.run.evolve import evolve
from amplify_tui.run.select.words import refused, safe
from amplify_tui.run.shapes import Trust
from amplify_tui.run.state import State
from amplify_tui.run.trust import trust_lines
from amplify_tui.tui import plain

People = Callable[[State, float], Orders]
LOOK_S = 0.5
PATIENCE_S = 3.0  # what moves by itself may need a moment to show that it does


def nobody(state: State, now: float) -> Orders:
    """Nobody plays the people."""
    return []


def outcome_code(state: State, *, strict: bool = False) -> int:
    """The exit status of a closed run."""
    if strict and state.outcome == "completed_with_exceptions":
        return STRICT
    return EXIT.get(state.outcome or "", 1)


class Follower:
    """Folds a run's events as they come, prints them, and gives the orders that *people* would give.

    since: what is known of the run already; only what comes after it is printed.
    """

    def __init__(
        self,
        folder: Path,
        people: People,
        *,
        as_json: bool = False,
        alive: Callable[[], bool] | None = None,
        since: State | None = None,
    ) -> None:
        self._alive = alive
        self.state = since or State()
        self._client = RunClient(folder)
        self._people = people
        self._as_json = as_json
        self._lines = plain.Follower(click.echo, ascii_only=plain.needs_ascii(sys.stdout), since=since)
        self._given: set[str] = set()
        self._waiting_since: float | None = None
        self._refused = ""
        self._bundle: dict[str, Any] | None = None

    async def until_end(self, *, wait: bool) -> str:
        """Follow until the run is closed (""), or until only a person can move it on (what they have to do)."""
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read())
                try:
                    return await self._watch(wait=wait)
                finally:
                    reading.cancel()
        finally:
            await self._client.close()

    async def _read(self) -> None:
        async with contextlib.aclosing(self._client.follow(self.state.seq)) as updates:
            async for update in updates:
                if not self._as_json:
                    self._lines.take(update, time.time())
                elif isinstance(update, Lost):
                    click.echo(f"lost: {update.reason}", err=True)
                if isinstance(update, NewEvents):
                    self._see(update.bodies)
                elif isinstance(update, Board):
                    self._bundle = update.values.get("bundle", self._bundle)

    def _see(self, bodies: list[bytes]) -> None:
        for body in bodies:
            if self._as_json:
                click.echo(body.decode())
            before, self.state = self.state, evolve(self.state, decode(body))
            if before.phase == "draft" and self.state.phase == "forward" and self.state.trust is not None:
                self._tell(self.state.trust)

    def _tell(self, trust: Trust) -> None:
        """What is new about the bundle, beside the events: nobody may be there to look, but the log keeps it."""
        for line in trust_lines(trust):
            click.echo(f"  {safe(line, 1000)}", err=True)

    async def _watch(self, *, wait: bool) -> str:
        while True:
            await asyncio.sleep(LOOK_S)
            if self.state.phase == "closed":
                return ""
            if self._alive is not None and not self._alive():
                return "the conductor ended; its log says why"
            now = time.time()
            if await self._order(now):
                continue
            reason = waits_for_person(self.state, now)
            if self.state.phase == "draft":
                reason = reason or self._refused
            if not reason or wait:
                self._waiting_since = None
                continue
            self._waiting_since = self._waiting_since or now
            if now - self._waiting_since > PATIENCE_S:
                return reason

    async def _order(self, now: float) -> bool:
        """Give what the people would order and have not yet; whether there was anything."""
        fresh = [order for order in self._people(self.state, now) if order.id not in self._given]
        for order in fresh:
            command = msgspec.json.decode(encode_command(order))
            try:
                answer = await self._client.do(command, within=30.0)
            except (UnreachableError, WireError) as error:
                click.echo(f"not sent: {error}", err=True)
                return False
            self._given.add(order.id)
            if answer.refusal is not None:
                self._refused = refused(answer.refusal.what, answer.refusal.why, answer.refusal.next)
                click.echo(f"refused: {self._refused}", err=True)
                if isinstance(order, Start) and self._bundle is not None:
                    self._tell(msgspec.convert(self._bundle, Trust))
        return bool(fresh)


def follow_headless(
    folder: Path,
    people: People = nobody,
    *,
    as_json: bool = False,
    wait: bool = False,
    strict: bool = False,
    alive: Callable[[], bool] | None = None,
) -> int:
    """Follow the run to its end, or to where it needs a person. The exit status.

    *alive* tells of a conductor that is our own child: where it ended, nobody will ever move the run on.
    """
    follower = Follower(folder, people, as_json=as_json, alive=alive)
    reason = asyncio.run(follower.until_end(wait=wait))
    if reason:
        click.echo(f"waits for a person: {reason}", err=True)
        return 5 if follower.state.phase == "rolling_back" else WAITS
    return outcome_code(follower.state, strict=strict)
