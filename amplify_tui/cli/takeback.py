"""Watching a mitigation or a rollback from the command line, to its end or to where it needs a person."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import click

from amplify_tui.cli.common import EXIT
from amplify_tui.cli.handover import with_secrets
from amplify_tui.cli.headless import Follower, nobody
from amplify_tui.engine.rundir import RunDir
from amplify_tui.run.lacking import waiting_for_secrets
from amplify_tui.run.select.left import has_failed, what_is_left
from amplify_tui.run.state import State
from amplify_tui.run.undo import SETTLED_ITEM, mitigation_items, rollback_items, undrained
from amplify_tui.verdict.drained import UNSEEN_S

INCOMPLETE = 5
PATIENCE_S = 60.0
REST_S = 2.0  # without a move, until what waits for a person is all that is left
AGAIN_S = 2.0  # between two looks whether this shell has what the conductor lacks


def watch_until(
    folder: RunDir, done: Callable[[State], bool], code: int | None = None, since: State | None = None
) -> int:
    """Print what happens until *done*, the run closes, or nothing moves without a person. The exit status.

    since: what is known already, and is not printed again.
    """
    return asyncio.run(_watch(folder, done, code, since))


async def _watch(folder: RunDir, done: Callable[[State], bool], code: int | None, since: State | None) -> int:
    follower = _Until(folder, done, since)
    reason = await follower.until_end(wait=False)
    state = follower.state
    if state.phase == "closed":
        return EXIT.get(state.outcome or "", 1)
    if done(state):
        return code or 0
    click.echo(f"not complete: {reason or 'a target does not answer; it is tried again until it does'}", err=True)
    for line in what_is_left(state, _items(state)):
        click.echo(f"  {line}", err=True)
    return INCOMPLETE


class _Until(Follower):
    """Follows a run until a condition holds; a target that is down for a minute ends the watching, not the undo."""

    def __init__(self, folder: RunDir, done: Callable[[State], bool], since: State | None) -> None:
        super().__init__(folder.path, nobody, since=since)
        self._done = done
        self._run_dir = folder
        self._moved = (0, time.monotonic())
        self._asked_at = 0.0
        self._told = ""

    async def _watch(self, *, wait: bool) -> str:
        while True:
            await asyncio.sleep(0.2)
            if self.state.phase == "closed" or self._done(self.state):
                return ""
            lacking = waiting_for_secrets(self.state)
            if lacking and time.monotonic() - self._asked_at > AGAIN_S:
                await self._take_over()
            settled = sum(entry.status in SETTLED_ITEM for entry in _items(self.state))
            if settled != self._moved[0]:
                self._moved = (settled, time.monotonic())
            elif time.monotonic() - self._moved[1] > PATIENCE_S + _drains(self.state):
                failed = (e for e in _items(self.state) if e.status == "waiting" and has_failed(e))
                late = (*lacking, *undrained(_items(self.state)), *failed)
                return next((f"{e.item.target.id}: {e.detail}" for e in late), "")
            blocked = [entry for entry in _items(self.state) if entry.status == "blocked"]
            is_at_it = any(entry.status == "running" for entry in _items(self.state))
            if blocked and not is_at_it and time.monotonic() - self._moved[1] > REST_S:
                return f"{blocked[0].item.target.id}: {blocked[0].detail}"

    async def _take_over(self) -> None:
        """Put a conductor with what this shell has in the place of one that lacks it; else say why not, once."""
        words = await with_secrets(self._run_dir)
        self._asked_at = time.monotonic()
        if words and words != self._told:
            click.echo(words, err=True)
            self._told = words


def _drains(state: State) -> float:
    """Seconds that it takes at most until the metrics can say that nobody gets a flag any more."""
    specs = [entry.item.spec["traffic"] for entry in undrained(_items(state))]
    return max((spec["poll"] + 2 * spec["window"] + UNSEEN_S for spec in specs), default=0.0)


def _items(state: State) -> list:  # type: ignore[type-arg]  # ItemState of either kind
    return rollback_items(state) if state.phase == "rolling_back" else mitigation_items(state)
