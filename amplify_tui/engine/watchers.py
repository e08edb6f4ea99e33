"""The pollers: health, signals, flags and git, each at its own pace, onto the board. They judge nothing.

A source that is gone is a reading that says so, never a silence. They run from the draft on, so that the panels live
before the start, and end with the run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from amplify_tui.adapters.flags.port import FlagWatcher
from amplify_tui.adapters.ports import AdapterError
from amplify_tui.engine.board import Board
from amplify_tui.engine.budgets import Budgets
from amplify_tui.engine.exposures import Exposures
from amplify_tui.engine.facts import Facts
from amplify_tui.engine.flag_stories import FlagStories
from amplify_tui.engine.fleet import Fleet
from amplify_tui.engine.pasts import Pasts
from amplify_tui.engine.queries import lost, queries_of
from amplify_tui.engine.tidy import untidy
from amplify_tui.engine.world import LiveWorld
from amplify_tui.playbook.model import Signal
from amplify_tui.run.state import State
from amplify_tui.verdict.model import FlagReading

FLAGS_S: Final = 1.0
GIT_S: Final = 1.0
BUDGETS_S: Final = 1.0
PASTS_S: Final = 1.0
AGAIN_S: Final = 1.0
REMOTE_S: Final = 30.0
TIDY_S: Final = 600.0  # what wants tidying up changes with releases, not within one
TAGS_SHOWN: Final = 20

FlagsSeen = Callable[[Sequence[FlagReading]], Awaitable[None]]

_log = logging.getLogger(__name__)


class Watchers:
    """All pollers of one run."""

    def __init__(
        self, facts: Facts, world: LiveWorld, board: Board, flags_seen: FlagsSeen, state: Callable[[], State]
    ) -> None:
        """flags_seen: told of each source's flags after every poll. state: the run's, of the moment it is asked."""
        self._facts = facts
        self._world = world
        self._board = board
        self._flags_seen = flags_seen
        self._state = state
        self._fleet = Fleet(facts.playbook, board)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin polling; begun already it goes on."""
        if self.is_polling:
            return
        self._begin()
        self._world.on_refresh(self._fleet.look)
        self._commits()

    def start_over(self) -> None:
        """Begin polling anew, where it has begun: what they remember is of a clock that was set back."""
        if self.is_polling:
            for task in self._tasks:
                task.cancel()
            self._tasks.clear()
            self._begin()
            self._tasks.append(asyncio.create_task(self._world.open_metrics_anew(), name="close what read before"))

    def _begin(self) -> None:
        exposures = Exposures(self._facts.playbook, self._world, self._board, self._state)
        budgets = Budgets(self._world.metrics, self._board, self._state)
        pasts = Pasts(self._world.metrics, self._board, self._state)
        playbook = self._facts.playbook
        chores: list[tuple[str, Callable[[], Awaitable[None]], float]] = []
        for name, signal in playbook.signals.items():
            chores.append((f"signal {name}", self._signal(name, signal), signal.every))
        named = _flags_of(playbook.stages)
        for source, flags in named.items():
            if source in playbook.sources:
                chores.append((f"flags {source}", self._flags(source, flags), FLAGS_S))
                chores.append((f"tidy {source}", self._tidy(source), TIDY_S))
        chores += exposures.chores(named)
        if playbook.slos:
            chores.append(("budgets", budgets.read, BUDGETS_S))
        if playbook.signals:
            chores.append(("pasts", pasts.read, PASTS_S))
        chores.append(("git", self._git(), GIT_S))
        for name, chore, every in chores:
            self._tasks.append(asyncio.create_task(self._repeat(name, chore, every), name=name))
        self._tasks.append(asyncio.create_task(self._lasting("fleet", self._fleet.run), name="fleet"))

    @property
    def is_polling(self) -> bool:
        """Whether they have begun."""
        return bool(self._tasks)

    async def stop(self) -> None:
        """End polling, and close what was opened for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._world.aclose()

    async def fleet_seen(self) -> None:
        """Wait until every instance has answered, or had its time to."""
        await self._fleet.look()

    async def _repeat(self, name: str, chore: Callable[[], Awaitable[None]], every: float) -> None:
        """A steady pace: a slow source is asked again at its next slot, never twice at once."""
        due = time.monotonic()
        while True:
            try:
                await chore()
            except AdapterError as error:
                self._board.post(f"poll:{name}", {"status": "error", "note": str(error), "at": time.time()})
            except Exception as error:  # noqa: BLE001  # a bug in one poller must not blind the run for good
                self._bug(name, error)
            due = max(due + every, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    async def _lasting(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """What paces itself: begun again where a bug ended it."""
        while True:
            try:
                await run()
            except Exception as error:  # noqa: BLE001  # as in _repeat
                self._bug(name, error)
                await asyncio.sleep(AGAIN_S)
            else:
                return

    def _bug(self, name: str, error: Exception) -> None:
        _log.error("polling %s", name, exc_info=error)
        self._board.post(f"poll:{name}", {"status": "error", "note": f"a bug: {error!r}", "at": time.time()})

    # --- signals ----------------------------------------------------------------------------------------------------

    def _signal(self, name: str, signal: Signal) -> Callable[[], Awaitable[None]]:
        queries = queries_of(name, signal)

        async def read() -> None:
            now = time.time()
            try:
                readings = await self._world.metrics(signal.source).read(queries, now)
            except AdapterError as error:
                readings = [lost(q, signal.source, str(error), now) for q in queries]
            for reading in readings:
                self._board.signal(reading)

        return read

    # --- flags ------------------------------------------------------------------------------------------------------

    def _flags(self, source: str, flags: list[str]) -> Callable[[], Awaitable[None]]:
        watch: FlagWatcher | None = None
        stories = FlagStories(
            source,
            lambda: self._world.flags(source),
            lambda story: self._board.post(f"story:{story.source}/{story.flag}", msgspec.to_builtins(story)),
            lambda: self._world.flag_kind(source).abilities.history,
        )
        kept = self._lasting(f"stories {source}", stories.run)
        self._tasks.append(asyncio.create_task(kept, name=f"stories {source}"))

        async def read() -> None:
            nonlocal watch
            watch = watch or self._world.watch_flags(source, flags)
            readings = await watch.poll(time.time())
            for reading in readings:
                self._board.flag(reading)
            stories.look(readings, watch.states)
            await self._flags_seen(readings)

        return read

    def _tidy(self, source: str) -> Callable[[], Awaitable[None]]:
        async def read() -> None:
            now = time.time()
            found = await untidy(self._facts, source, self._world.flags(source), now)
            self._board.post(f"tidy:{source}", {"status": "ok", "at": now, "flags": msgspec.to_builtins(found)})

        return read

    # --- git --------------------------------------------------------------------------------------------------------

    def _git(self) -> Callable[[], Awaitable[None]]:
        repo, subject = self._facts.repo, self._facts.subject
        remote_at = 0.0
        remote: dict[str, Any] = {"remote_tag": None, "remote_note": "not looked yet"}

        async def read() -> None:
            nonlocal remote_at, remote
            now = time.time()
            try:
                found = await repo.facts()
                tags = await repo.tags()
                distance = await repo.ahead(subject.sha, "HEAD")
                here = await repo.local_tag(subject.tag)
            except AdapterError as error:
                self._board.post("git", {"status": "error", "note": str(error), "at": now})
                return
            if found.remotes and now - remote_at >= REMOTE_S:
                remote_at, remote = now, await self._remote(found.remotes[0].name)
            pushed = remote.get("remote_tag") is not None
            state = "pushed" if pushed else "local" if here else "absent"
            self._board.post(
                "git",
                {
                    "status": "ok",
                    "at": now,
                    "branch": found.branch,
                    "sha": subject.sha,
                    "tag": subject.tag,
                    "tag_state": state,
                    "ahead": distance.ahead,
                    "behind": distance.behind,
                    "dirty": found.dirty,
                    "tags": [{"name": t.name, "sha": t.sha, "at": t.at} for t in list(tags)[:TAGS_SHOWN]],
                    "note": remote.get("remote_note", ""),
                },
            )

        return read

    async def _remote(self, name: str) -> dict[str, Any]:
        try:
            return {"remote_tag": await self._facts.repo.remote_tag(self._facts.subject.tag, name), "remote_note": ""}
        except AdapterError as error:
            return {"remote_tag": None, "remote_note": str(error)}

    # --- what does not move -----------------------------------------------------------------------------------------

    def _commits(self) -> None:
        """The commits of the release, for the panel."""
        commits = self._facts.commits
        names = self._facts.names["release"]
        self._board.post(
            "commits",
            {
                "count": len(commits),
                "notes": names["notes"],
                "authors": sorted({c.author for c in commits}),
                "tickets": sorted({t for c in commits for t in getattr(c, "tickets", ())}),
                "items": [{"sha": c.sha, "subject": c.subject, "author": c.author} for c in commits[:100]],
            },
        )


def _flags_of(stages: Any) -> dict[str, list[str]]:
    """The flags that the playbook names, by source."""
    found: dict[str, list[str]] = {}
    for stage in stages:
        for step in stage.steps:
            fields = step.fields if isinstance(step.fields, Mapping) else {}
            name = fields.get("flag") if step.verb == "rollout" else fields.get("name") if step.verb == "flag" else None
            source = fields.get("source")
            if name and source and name not in found.setdefault(source, []):
                found[source].append(name)
    return found
