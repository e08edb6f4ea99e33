"""The pollers beside each other: what goes wrong in one is told, and neither ends it nor the others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from amplify_tui.engine.board import Board
from amplify_tui.engine.facts import look
from amplify_tui.engine.watchers import Watchers
from amplify_tui.engine.world import LiveWorld
from amplify_tui.run.plan import draft_plan
from amplify_tui.run.state import State
from amplify_tui.verdict.model import FlagReading, InstanceReading
from tests.engine.crash_world import checked, plain_playbook, plain_repo
from tests.engine.engine_helpers import soon

RAMP = {"flag": "beta", "source": "flags", "phases": [50, 100], "bake": "1m"}


class Watching:
    """The watchers of a small playbook, and what each of its pollers said last."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.posted: list[str] = []
        self.bugs = 0
        board.connect(lambda key, value: self.posted.append(key))

    def said(self, key: str) -> str:
        return str((self.board.values.get(key) or {}).get("note", ""))

    async def flags_seen(self, readings: Sequence[FlagReading]) -> None:
        self.bugs += 1
        raise RuntimeError("who compares them stumbles")

    async def goes_on(self, key: str) -> None:
        """Two more posts of *key* from here."""
        have = self.posted.count(key)
        await soon(lambda: self.posted.count(key) >= have + 2, f"{key} goes on")


@pytest.fixture
async def watching(tmp_path: Path) -> AsyncIterator[Watching]:
    more = {
        "sources": {"flags": {"flagfile": "flags.json"}, "checks": {"probes": "shop"}},
        "services": {"shop": {"instances": ["http://127.0.0.1:1"], "health": {"every": "1s"}}},
        "signals": {
            "slow": {"golden": "latency", "source": "checks", "value": "p50 of latency", "every": "1s", "window": "2s"}
        },
    }
    text = plain_playbook(plain_repo(tmp_path / "repo"), [{"id": "ramp", "rollout": RAMP}], **more)
    document = checked(text, tmp_path / "release.yaml")
    plan = draft_plan(document.name, document.structure(), document.raw, document.inputs)
    state = State(run="r1", plan=plan, inputs={"version": "3.0.0"}, starter="captain")
    facts = await look(document, state)
    board = Board()
    world = LiveWorld(facts, tmp_path, board)
    found = Watching(board)
    watchers = Watchers(facts, world, board, found.flags_seen, lambda: state)
    board.listen(found_bug := _Stumbles(found))
    watchers.start()
    yield found
    found_bug.calm = True
    await watchers.stop()


class _Stumbles:
    """A listener that has a bug at the first instance it is told of, once."""

    def __init__(self, watching: Watching) -> None:
        self.watching = watching
        self.calm = False

    def __call__(self, reading: InstanceReading) -> None:
        if not self.calm:
            self.calm = True
            raise RuntimeError("who listens stumbles")


async def test_a_bug_in_one_poller_is_told_and_ends_neither_it_nor_the_others(watching: Watching) -> None:
    await soon(lambda: "who compares them stumbles" in watching.said("poll:flags flags"), "the bug is told")
    assert watching.said("poll:flags flags").startswith("a bug: RuntimeError")
    await watching.goes_on("git")
    bugs = watching.bugs
    await soon(lambda: watching.bugs > bugs, "the poller with the bug polls again")


async def test_a_bug_while_an_instance_is_heard_does_not_end_the_watch_over_the_fleet(watching: Watching) -> None:
    await soon(lambda: "who listens stumbles" in watching.said("poll:fleet"), "the bug is told")
    await watching.goes_on("health:shop/shop-1")
