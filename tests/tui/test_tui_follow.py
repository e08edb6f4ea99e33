"""Following a run: what a client sends becomes the view; nothing that a client sends ends the cockpit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any

from amplify_tui.engine.client import Board, Lost, NewEvents, UnreachableError, Update
from amplify_tui.engine.wire import Answer
from amplify_tui.tui.client import Client, HomeError, RunSummary, Startable
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.tui.kitty import plain_sequence
from amplify_tui.tui.panel import Panel
from amplify_tui.tui.screens.home import HomeScreen
from amplify_tui.tui.screens.main import MainScreen
from amplify_tui.tui.screens.rollback import RollbackScreen
from amplify_tui.tui.svg import picture
from amplify_tui.tui.view import Feed
from tests.tui.cockpit_world import MemoryClient, cockpit


async def test_a_flood_of_updates_is_coalesced_to_a_few_pictures() -> None:
    story = stories.running()
    board = board_of(story)
    async with cockpit(story, board) as world:
        pictures: list[object] = []

        def drawn(view: object) -> None:
            pictures.append(view)

        world.app.watch(world.app, "view", drawn, init=False)
        for i in range(500):
            board["git"]["ahead"] = i
            await world.client.more.put(Board({"git": dict(board["git"])}))
        await world.until(lambda: "499 ahead" in world.text)
        assert len(pictures) <= 10


async def test_an_unchanged_picture_is_not_drawn_again() -> None:
    story = stories.running()
    async with cockpit(story, board_of(story)) as world:
        panel = world.app.screen.query_one("#centre")
        assert isinstance(panel, Panel)
        shown = panel._lines
        await world.client.more.put(Board({"nobody:shows": 1}))
        before = world.app.view
        await world.until(lambda: world.app.view is not before)
        assert panel._lines is shown


async def test_a_journal_that_went_back_is_read_again_and_said() -> None:
    class BackClient(MemoryClient):
        async def follow(self, after: int = 0) -> AsyncIterator[Update]:
            self.follows += 1
            yield NewEvents(self.story.bodies[after:])
            if self.follows == 1:
                await self.more.get()
                yield Lost("the journal went back to event 3", went_back=True)
                return
            yield await self.more.get()

    story = stories.held()
    async with cockpit(story, {}) as world:
        client = BackClient(story, {})
        world.app.attach(client)
        await world.until(lambda: world.app.state.seq == story.state.seq and client.follows == 1)
        await client.more.put(Board({}))
        await world.until(lambda: client.follows == 2 and world.app.state.seq == story.state.seq)
        await world.until(lambda: "the journal lost its end" in world.text)


async def test_a_run_of_a_newer_program_is_said_to_be_unreadable_and_ends_nothing() -> None:
    story = stories.held()
    async with cockpit(story, {}) as world:
        await world.client.more.put(NewEvents([b'{"seq": 99, "nonsense": true}']))
        await world.until(lambda: "cannot read the run" in world.text)
        assert world.app.return_code is None


async def test_an_order_to_a_conductor_that_is_gone_says_so() -> None:
    class DeadClient(MemoryClient):
        async def submit(self, command: dict[str, Any], *, at: float) -> Answer:
            raise UnreachableError("dead", "the conductor of run 7f3a is dead")

    story = stories.held()
    async with cockpit(story, {}) as world:
        world.app._client = DeadClient(story, {})
        await world.press("p")
        await world.until(lambda: "order failed: the conductor of run 7f3a is dead" in world.text)


class ListHome:
    """Two runs and two things to start; attaches to the example."""

    def __init__(self) -> None:
        self.started: list[str] = []

    async def runs(self) -> list[RunSummary]:
        return [
            RunSummary(
                run="7f3a", playbook="checkout-v3", version="v3.0.0", word="held 25 %", attention=True, phase="forward"
            ),
            RunSummary(run="6b10", playbook="ledger", conductor=False, attention=True, phase="forward"),
            RunSummary(run="5c01", playbook="pricing", phase="closed", word="completed"),
        ]

    async def startable(self) -> list[Startable]:
        return [
            Startable(name="checkout-v3", kind="playbook", title="Checkout 3"),
            Startable(name="knight-capital", kind="drill", note="72 → 88"),
        ]

    async def attach(self, run: str) -> Client:
        if run == "6b10":
            raise HomeError("run 6b10 is on another host: ssh there")
        story = stories.held()
        return MemoryClient(story, board_of(story))

    async def start(self, name: str) -> Client:
        self.started.append(name)
        return MemoryClient(stories.draft(), {})


async def test_home_opens_a_run_and_esc_comes_back() -> None:
    async with cockpit(stories.held(), {}, home=ListHome()) as world:
        await world.until(lambda: "6b10" in world.text)
        assert "NO CONDUCTOR" in world.lines[3]  # the worst first
        await world.press("enter")
        await world.until(lambda: "another host" in world.text)
        await world.press("down", "enter")
        await world.until(lambda: world.app.state.seq > 0)
        assert isinstance(world.app.screen, MainScreen)
        await world.press("escape")
        assert isinstance(world.app.screen, HomeScreen)
        await world.press("f10")
        assert not isinstance(world.app.screen, RollbackScreen)


async def test_home_starts_a_playbook_and_a_drill_by_their_own_keys() -> None:
    home = ListHome()
    async with cockpit(stories.held(), {}, (80, 24), home=home) as world:
        await world.until(lambda: "knight-capital" in world.text)
        await world.press("d")
        assert "no drill is selected" in world.text
        await world.press("down", "down", "plus")
        await world.until(lambda: isinstance(world.app.screen, MainScreen))
        assert home.started == ["checkout-v3"]


async def test_the_picture_of_a_story_is_the_same_each_time() -> None:
    first = await picture("held")
    assert first == await picture("held")
    assert "HELD" in first


def test_kitty_event_types_are_taken_off_before_they_are_parsed() -> None:
    assert plain_sequence("\x1b[109;2:2;77u") == ("\x1b[109;2;77u", False)
    assert plain_sequence("\x1b[20;1:3~") == ("\x1b[20;1~", True)
    assert plain_sequence("\x1b[109:77;2u") == ("\x1b[109;2u", False)
    assert plain_sequence("\x1b[20;5~") == ("\x1b[20;5~", False)


def test_a_reading_that_only_grew_older_is_no_new_picture_and_any_other_is() -> None:
    feed = Feed("sre", UTC)
    reading = {"status": "ok", "percent": 25.0, "data_at": 1.0, "received_at": 1.0}
    feed.take(Board({"flag:flags/new": reading}, whole=True), 1.0)
    feed.view(1.0)
    feed.take(Board({"flag:flags/new": {**reading, "data_at": 2.0, "received_at": 2.0}}), 2.0)
    assert not feed.dirty
    assert feed.view(2.0).board["flag:flags/new"]["data_at"] == 2.0
    for news in ({**reading, "percent": 50.0}, {**reading, "percent": 50.0, "status": "stale"}, None):
        feed.take(Board({"flag:flags/new": news}), 3.0)
        assert feed.dirty
        feed.view(3.0)
    feed.take(Lost("gone"), 4.0)
    feed.view(4.0)
    feed.take(Board({"flag:flags/new": None}), 5.0)
    assert feed.dirty  # it speaks again
