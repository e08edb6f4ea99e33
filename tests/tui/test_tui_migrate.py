"""A file that differs from the pinned text: what the screens say of it, and the migration from the palette."""

from __future__ import annotations

from typing import Any

from textual.widgets import Input

from amplify_tui.tui.client import Doors, Offer
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.tui.example.script import Story
from amplify_tui.tui.modals.form import FormDialog
from amplify_tui.tui.screens.main import MainScreen
from tests.tui.cockpit_world import World, cockpit

FILE = "91bc" + "0" * 60


def flat(world: World) -> str:
    return " ".join(world.text.split())


def differs(story: Story, sha: str = FILE) -> dict[str, Any]:
    return board_of(story) | {"file": {"sha": sha, "at": story.at}}


async def test_a_playbook_whose_file_is_another_than_the_pinned_one_is_named_with_the_key_that_shows_how() -> None:
    async def difference(run: str) -> str:
        return f"pinned and file of {run[:4]} differ here"

    story = stories.held()
    async with cockpit(story, differs(story), doors=Doors(difference=difference)) as world:
        pinned = story.state.bundle_sha[:4]
        assert f"pinned {pinned}, file is 91bc, D shows the difference" in flat(world)
        await world.press("D")
        await world.until(lambda: "pinned and file of 7f3a differ here" in world.text)
    async with cockpit(story, differs(story, ""), doors=Doors()) as world:
        assert f"pinned {pinned}, its file cannot be read: the run does not need it" in flat(world)
    same = differs(story, story.state.bundle_sha)
    async with cockpit(story, same, doors=Doors()) as world:
        assert "pinned" not in world.text


async def test_a_migration_shows_what_changes_and_orders_the_hash_that_was_shown() -> None:
    async def migration(run: str) -> Offer:
        return Offer(sha256=FILE, lines=tuple(f"step s{i}: command.argv" for i in range(10)))

    story = stories.held()
    async with cockpit(story, differs(story), doors=Doors(migration=migration)) as world:
        world.app.action_act("migrate")
        await world.until(lambda: "Go by the file as it is now (91bc)?" in world.text)
        assert "step s7: command.argv" in world.text
        assert "and 2 more: D shows all" in world.text
        assert world.ordered == []
        dialog = world.app.screen
        assert isinstance(dialog, FormDialog)
        await world.until(lambda: dialog._armed)
        dialog.query_one("#field-reason", Input).value = "the argv was wrong"
        await world.pilot.pause()
        await world.pilot.click("#do-ok")
        await world.until(lambda: world.ordered)
        (kind, fields), *_ = world.ordered
        assert (kind, fields["sha256"], fields["reason"]) == ("Migrate", FILE, "the argv was wrong")


async def test_a_migration_that_would_be_refused_says_why_and_opens_no_dialog() -> None:
    async def refused(run: str) -> Offer:
        return Offer(sha256=FILE, lines=("step ramp: rollout.gate (it has begun)",), refusal="ramp has begun")

    story = stories.held()
    async with cockpit(story, differs(story), doors=Doors(migration=refused)) as world:
        world.app.action_act("migrate")
        await world.until(lambda: "✗ ramp has begun" in world.text)
        assert isinstance(world.app.screen, MainScreen)
    async with cockpit(story, differs(story), doors=Doors()) as world:
        world.app.action_act("migrate")
        await world.until(lambda: "there is nothing to migrate here: this cockpit was opened without it" in flat(world))
