"""What the screens say where room is short, where a key cannot act, and while an undo waits for an answer."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from textual.widgets import Button

from amplify_tui.run import events as ev
from amplify_tui.run.shapes import Await, Bundle
from amplify_tui.run.undo import exposure_plan
from amplify_tui.tui.client import Doors, HomeError
from amplify_tui.tui.draw import frame, rollback
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.draw.side import PANELS, gist, panel_lines, side
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.tui.example.script import Story, plan
from amplify_tui.tui.keys import KEYS, elsewhere, key_line
from amplify_tui.tui.modals.form import FormDialog
from amplify_tui.tui.screens.flags import FlagsScreen
from amplify_tui.tui.screens.gate import GateScreen
from amplify_tui.tui.screens.home import HomeScreen
from amplify_tui.tui.screens.main import MainScreen
from amplify_tui.tui.screens.read import ReadScreen
from amplify_tui.tui.screens.rollback import RollbackScreen
from amplify_tui.tui.text import Line, width
from amplify_tui.tui.view import View
from tests.run.test_run_data import released
from tests.tui.cockpit_world import World, cockpit
from tests.tui.test_tui_follow import ListHome

WHO = ("SANDBOX", "major-release", "d0ec9a75", "3.0.0", "PRODUCTION")


def words(line: Line) -> str:
    return "".join(part for part, _ in line)


def flat(world: World) -> str:
    return " ".join(world.text.split())


def scene(cells: int, **more: Any) -> Scene:
    """The demo's run, whose names are as long as a real one's."""
    story = stories.held(sandbox=True)
    state = replace(story.state, plan=replace(story.state.plan, name="major-release"), run="d0ec9a75")
    return Scene(View(state=state, board=board_of(story), at=story.at + 3, **more), cells)


@pytest.mark.parametrize("cells", [62, 80, 100, 110, 120, 200])
@pytest.mark.parametrize("lost", ["", "the conductor is dead"])
def test_identity_is_never_cut(cells: int, lost: str) -> None:
    line = frame.identity(scene(cells, lost=lost, lost_at=1.0))[0]
    assert width(line) <= cells
    assert all(part in words(line) for part in WHO), words(line)


def test_what_is_beside_the_identity_goes_in_order_of_what_is_missed_least() -> None:
    seen = [words(frame.identity(scene(cells))[0]) for cells in range(160, 61, -1)]
    beside = ("elapsed", " UTC", "driver", "1c9e0ab", "conductor", ":")
    gone = [next(i for i, line in enumerate(seen) if part not in line or i == len(seen) - 1) for part in beside[:5]]
    assert gone == sorted(gone), gone


def test_only_a_name_that_leaves_no_room_at_all_is_shortened_and_never_the_environment() -> None:
    here = scene(50)
    line = words(frame.identity(here)[0])
    assert "PRODUCTION" in line
    assert "d0ec9a75" in line
    assert "major" in line


@pytest.mark.parametrize("cells", [80, 120])
async def test_the_rollback_screen_keeps_the_identity_too(cells: int) -> None:
    story = stories.rolling_back(sandbox=True)
    async with cockpit(story, board_of(story), (cells, 24)) as world:
        await world.press("R")
        for part in ("SANDBOX", "checkout-v3", "7f3a", "3.0.0", "PRODUCTION", "ROLLBACK: ROLLING BACK"):
            assert part in world.lines[0]


async def test_mitigating_with_a_silent_flag_server_says_so_on_both_screens_and_counts() -> None:
    story = stories.running()
    story.tell(ev.MitigationStarted(plan=exposure_plan(story.state), reason="double charges"), via="key")
    async with cockpit(story, board_of(story), (80, 24)) as world:  # three seconds after the key
        assert "checkout-v3: no answer 3s, read before the write, try 1" in flat(world)
        await world.press("R")
        assert "no answer 3s, read before the write, try 1" in world.text
        world.clock.at += 2
        await world.until(lambda: "no answer 5s" in world.text)


async def test_a_confirmation_asks_in_the_playbooks_own_words() -> None:
    story = stories.started()
    asked = Await(kind="confirm", detail="Is support staffed?", accept="Ship it", decline="Not today")
    story.tell(ev.StepAwaiting(step="go", what=(asked,), preview="", preview_sha="ab" * 32))
    async with cockpit(story, board_of(story), (80, 24)) as world:
        await world.press("enter")
        assert isinstance(world.app.screen, FormDialog)
        assert [str(b.label) for b in world.app.screen.query(Button)] == ["Cancel", "Ship it", "Not today"]


@pytest.mark.parametrize("state", ["draft", "rolled_back", "done"])
@pytest.mark.parametrize("name", ["advance", "override", "retreat", "skip", "retry", "settle", "mitigate", "pause"])
async def test_a_key_that_cannot_act_says_why_at_once_and_opens_nothing(state: str, name: str) -> None:
    story = getattr(stories, state)()
    async with cockpit(story, board_of(story), (80, 24)) as world:
        await world.press(KEYS[name].key)
        assert isinstance(world.app.screen, MainScreen)
        if name != "pause":  # it asks the conductor, which refuses
            assert world.ordered == []
            await world.until(lambda: world.app.message.startswith("✗ "))


async def test_a_key_on_a_closed_run_says_it_in_the_words_of_the_refusal() -> None:
    story = stories.rolled_back()
    async with cockpit(story, board_of(story), (80, 24)) as world:
        await world.press("a")
        assert "✗ advance is refused: the run is closed; it is heard while the run is under way" in flat(world)
        await world.press("R", "F")
        assert isinstance(world.app.screen, RollbackScreen)
        assert "✗ rollback is refused: the run is closed" in flat(world)
        await world.press("w")
        assert "✗ decide undo is refused: the run is closed; it is heard while the run is rolling back" in flat(world)


async def test_enter_on_an_item_that_nobody_decides_about_shows_it_in_full_with_its_way_by_hand() -> None:
    story = stories.held()
    async with cockpit(story, board_of(story), (80, 24)) as world:
        await world.press("R", "enter")
        assert isinstance(world.app.screen, ReadScreen)
        assert "by hand" in world.text
        assert "curl -X POST" in world.text
        assert "it is heard while the run is rolling back" in flat(world)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("F", "F (full rollback) works on the rollback screen: R first"),
        ("w", "w (waive) works on the rollback screen: R first"),
        ("d", "d (drill) works on the home screen"),
        ("plus", "+ (new run) works on the home screen, with a playbook selected"),
        ("ctrl+z", "ctrl+q, ctrl+s and ctrl+z do nothing here"),
        ("j", "j means nothing here: ? lists the keys"),
        ("tab", "tab means nothing here"),
        ("f5", "f5 means nothing here"),
        ("ctrl+r", "ctrl+r means nothing here"),
    ],
)
async def test_every_key_of_the_main_screen_answers(key: str, words: str) -> None:
    story = stories.held()
    async with cockpit(story, board_of(story)) as world:
        await world.press(key)
        assert words in world.text
        assert world.ordered == []
        assert isinstance(world.app.screen, MainScreen)


@pytest.mark.parametrize("screen", [MainScreen, GateScreen, RollbackScreen, HomeScreen, ReadScreen, FlagsScreen])
def test_each_key_that_a_screen_lacks_names_the_place_where_it_works(screen: Any) -> None:
    for key in KEYS.values():
        if key.id not in screen.KEYS:
            said = elsewhere(key.key, key.key, at_home=screen.AT_HOME)
            assert f"{key.name} (" in said
            assert " works " in said


async def test_a_key_of_a_run_pressed_at_home_says_that_a_run_has_to_be_open() -> None:
    story = stories.held()
    async with cockpit(story, {}, (80, 24), home=ListHome()) as world:
        await world.until(lambda: "RECENT" in world.text)
        await world.press("p")
        assert "p (pause) works in a run: ⏎ opens one" in world.text
        await world.press("f9")
        assert "nothing is taken away: no run is open; ⏎ opens the selected run, then M Y" in flat(world)


async def test_what_a_door_cannot_show_becomes_a_line_and_ends_nothing() -> None:
    async def gone(run: str) -> str:
        raise HomeError(f"the playbook of {run} cannot be read: no such file")

    story = stories.held()
    async with cockpit(story, board_of(story), doors=Doors(card=gone)) as world:
        await world.press("k")
        await world.until(lambda: "✗ Break-glass card failed: the playbook of 7f3a cannot be read" in world.text)
        assert world.app.return_code is None


async def test_an_item_that_nobody_takes_back_yet_is_not_retried_as_if_it_were_a_step() -> None:
    story = stories.held()
    async with cockpit(story, board_of(story)) as world:
        await world.press("R", "r")
        assert "✗ nothing is retried: nothing is being taken back; it can be once M Y or F has begun" in world.text
        assert world.ordered == []


async def test_with_nothing_to_copy_nothing_is_said_to_be_copied() -> None:
    story = stories.draft()
    async with cockpit(story, board_of(story)) as world:
        await world.press("R", "y")
        assert "✗ nothing is copied: nothing is selected" in world.text


def test_in_ascii_a_key_that_is_a_word_stands_apart_from_its_label() -> None:
    for screen in (MainScreen, GateScreen, RollbackScreen, HomeScreen, ReadScreen):
        line = words(key_line(screen.KEYS, 120, ascii_only=True))
        assert "Enteropen" not in line
        assert not [key for key in ("⏎", "↑", "↓") if key in line]
    assert "Enter open" in words(key_line(MainScreen.KEYS, 80, ascii_only=True))
    assert width(key_line(MainScreen.KEYS, 80, ascii_only=True)) <= 80


def test_rows_of_the_panels_at_120_columns_go_on_in_the_next_line_and_are_not_cut() -> None:
    story = stories.held()
    board = board_of(story)
    board["health:checkout/checkout-4"] |= {"ok": False, "note": "disk full on the volume of the ledger"}
    here = Scene(View(state=story.state, board=board, at=story.at), 36, 40)
    for name in ("flags", "health", "signals"):
        lines = panel_lines(PANELS[name](here), here.width)
        assert [words(line) for line in lines if width(line) > here.width] == []
    health = " ".join(words(line).strip() for line in panel_lines(PANELS["health"](here), here.width))
    assert "checkout-4 not ok disk full on the volume of the ledger" in health


def test_the_people_give_way_before_a_row_of_the_world_is_cut() -> None:
    story = stories.running()
    board = board_of(story)
    here = Scene(View(state=story.state, board=board, at=story.at + 15), 36, 23)
    drawn = [words(line).rstrip() for line in side(here)]
    assert [line for line in drawn if len(line) > 36 or line.endswith("…")] == []
    assert any("all old 17s" in line for line in drawn)
    assert len(drawn) <= 23


def test_at_80_columns_a_row_that_does_not_fit_is_counted_and_not_cut() -> None:
    story = stories.held()
    panel = PANELS["health"](Scene(View(state=story.state, board=board_of(story), at=story.at), 80, 24))
    assert gist(panel, 26) == "ledger 2/2 pricing 2/2 +1"
    assert gist(panel, 80) == "ledger 2/2  2.3.4  pricing 2/2  5.1.0  checkout 4/4  3.0.0"


@pytest.mark.parametrize("state", ["draft", "held"])
def test_signals_have_their_unit_before_any_gate_tells_it_and_no_data_is_two_words(state: str) -> None:
    story = getattr(stories, state)()
    board = board_of(story)
    board["signal:errors:control"]["status"] = "nodata"
    panel = PANELS["signals"](Scene(View(state=story.state, board=board, at=story.at), 80, 24))
    assert [row.text for row in panel.rows] == ["–", "0.11 %", "315 ms", "322 ms"]
    assert panel.rows[0].extra.startswith("no data")
    assert "nodata" not in panel.word


async def test_the_log_and_the_keys_call_finding_by_one_word() -> None:
    story = stories.held()
    async with cockpit(story, board_of(story)) as world:
        assert "/ find, newest first" in world.text
        assert "/find" in world.lines[-1]
        await world.press("slash", "b", "a", "k", "e", "d", "enter")
        assert "find: baked, esc ends it" in world.text
        assert "filter" not in world.text


async def test_a_screen_to_read_is_paged() -> None:
    story = stories.held()
    async with cockpit(story, board_of(story), (80, 24)) as world:
        await world.press("question_mark")
        first = world.lines[5]
        await world.press("pagedown")
        await world.until(lambda: world.lines[5] != first)
        await world.press("pageup")
        await world.until(lambda: world.lines[5] == first)


@pytest.mark.parametrize("cells", [52, 80, 120])
def test_past_the_point_of_no_return_the_rollback_screen_shows_the_whole_way_forward(cells: int) -> None:
    state = replace(released(contract=True).state, run="d0ec9a75")
    lines = rollback.plan(Scene(View(state=state, at=state.last_at), cells))[-3:]
    assert all(width(line) <= cells for line in lines)
    assert "`amplify run HOTFIX.yaml --supersedes d0ec9a75`" in " ".join(" ".join(map(words, lines)).split())


async def test_a_draft_that_is_to_supersede_a_run_says_so_and_is_not_started_by_two_enters() -> None:
    bundle = Bundle(sha256="3f2a" + "0" * 60, files=())
    made = ev.RunCreated(mode="live", plan=plan(), bundle=bundle, engine="0", playbook="a.yaml", supersedes="0a1b2c3d")
    story = Story().tell(made, 0.0, via="cli").tell(ev.ConductorAttached(host="bastion", pid=4711, lease=1))
    story.tell(ev.InputGiven(step="", values={"version": "3.0.1"}), 5, via="key")
    async with cockpit(story, board_of(story)) as world:
        await world.until(lambda: "a draft that is to supersede run 0a1b2c3d" in flat(world))
        await world.press("enter")
        await world.until(lambda: "Run 0a1b2c3d ends with that" in flat(world))
        dialog = world.app.screen
        assert isinstance(dialog, FormDialog)
        await world.until(lambda: dialog._armed)
        await world.press("enter")
        assert not world.ordered
