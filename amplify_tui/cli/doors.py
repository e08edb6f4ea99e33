"""What the cockpit shows beside the run itself: its report, the card for doing it by hand, the playbook's file."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from amplify_tui.cli.common import find_run, load_playbook, replay
from amplify_tui.cli.errors import Failure
from amplify_tui.cli.migration import offer, told
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.report.card import card_text
from amplify_tui.report.show import run_json, run_text
from amplify_tui.run.envelope import decode
from amplify_tui.run.evolve import evolve
from amplify_tui.run.select.log_lines import log_line
from amplify_tui.run.select.words import clock
from amplify_tui.run.state import State
from amplify_tui.tui.client import Doors, HomeError, Offer

T = TypeVar("T")


async def report(run: str) -> str:
    """The state of the run and everything that happened, a line each."""
    folder = find_run(run)
    reader = SqliteReader.open(folder.journal)
    state, lines = State(), []
    try:
        head = reader.head().sha
        while bodies := reader.read(state.seq):
            for body in bodies:
                envelope = decode(body)
                line = log_line(state, envelope)
                lines.append(f"{clock(line.at, None)} {line.text}")
                state = evolve(state, envelope)
    finally:
        reader.close()
    return "\n".join([run_text(run_json(state, {"state": "-"}, head)), "", *lines])


async def card(run: str) -> str:
    """How to take the release back by hand."""
    return card_text(replay(find_run(run)))


async def check(run: str) -> str:
    """The problems of the playbook's file as it is now."""
    loaded = load_playbook(replay(find_run(run)).playbook)
    return loaded.render() if loaded.problems else "no problems"


async def difference(run: str) -> str:
    """What the file says now, against what the run pinned. The run goes by what it pinned until it is migrated."""
    state = replay(find_run(run))
    return "\n".join([*await _migrating(state), *_difference(state)]) or "the file is as it was pinned"


async def _migrating(state: State) -> list[str]:
    """What a migration would change, and whether it may; nothing where the run cannot be migrated any more."""
    if state.phase not in ("draft", "forward"):
        return []
    try:
        found = await offer(state)
    except Failure as failure:
        return [str(failure.why), ""]
    return [told(state, found), ""] if found.sha256 else []


def _difference(state: State) -> list[str]:
    try:
        now = Path(state.playbook).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return [f"{state.playbook} cannot be read: {error}; the run goes on by what it pinned"]
    before, after = state.bundle_text.splitlines(), now.splitlines()
    return list(difflib.unified_diff(before, after, f"pinned {state.bundle_sha[:4]}", "file", lineterm=""))


async def migration(run: str) -> Offer:
    """What migrating the run would change, and why it may not."""
    return await offer(replay(find_run(run)))


def _told(door: Callable[[str], Awaitable[T]]) -> Callable[[str], Awaitable[T]]:
    """The same door, whose failures are a line of the cockpit: what it shows may be gone, and that ends nothing."""

    async def ask(run: str) -> T:
        try:
            return await door(run)
        except Failure as failure:
            raise HomeError(": ".join(part for part in (failure.message, failure.why) if part)) from failure

    return ask


def doors() -> Doors:
    """All of them."""
    return Doors(
        report=_told(report),
        card=_told(card),
        check=_told(check),
        difference=_told(difference),
        migration=_told(migration),
    )
