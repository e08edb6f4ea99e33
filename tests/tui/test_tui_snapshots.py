"""Every screen in every state, as text: words asserted, the whole picture kept in snapshots/."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual.widgets import Button

from amplify_tui.tui.draw.gate import conditions
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from tests.tui.cockpit_world import World, cockpit
from tests.tui.conftest import Compare
from tests.tui.states import STATES, board
from tests.tui.test_tui_follow import ListHome

SIZES = {"120x40": (120, 40), "80x24": (80, 24)}
SCREENS = {
    "main": ((), ("MITIGATE", "?help")),
    "gate": (("g",), ("GATE ramp", "You can:")),
    "rollback": (("R",), ("ROLLBACK:", "F full")),
    "help": (("question_mark",), ("KEYS", "Skip the selected step")),
}


def whole(world: World, size: tuple[int, int]) -> None:
    """The picture has exactly the terminal's size, and its key line is not cut."""
    assert len(world.lines) == size[1]
    assert {cell_len(line) for line in world.lines} == {size[0]}
    assert "…" not in world.lines[-1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", STATES)
async def test_the_main_screen_says_what_happens_next_in_every_state(state: str, size: str, snapshot: Compare) -> None:
    known = STATES[state]
    story = known.story()
    async with cockpit(story, board(known, story), SIZES[size]) as world:
        whole(world, SIZES[size])
        flat = " ".join(world.text.split())
        for words in known.words:
            assert words in flat, world.text
        assert "M Y" in world.lines[-1]
        assert "R rollb" in world.lines[-1]
        snapshot(f"main-{state}-{size}", world.text)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("screen", ["gate", "rollback", "help"])
@pytest.mark.parametrize("state", ["running", "held", "unknown", "blind", "rolling_back", "rolled_back", "draft"])
async def test_each_screen_is_whole_in_each_state(screen: str, state: str, size: str, snapshot: Compare) -> None:
    known = STATES[state]
    story = known.story()
    keys, expected = SCREENS[screen]
    async with cockpit(story, board(known, story), SIZES[size]) as world:
        await world.press(*keys)
        whole(world, SIZES[size])
        if (screen, state) == ("gate", "draft"):
            assert "there is no gate" in world.text
            return
        if (screen, size) != ("help", "80x24"):
            for words in expected:
                assert words in world.text, world.text
        if screen != "help" or state == "held":
            snapshot(f"{screen}-{state}-{size}", world.text)


@pytest.mark.parametrize("size", SIZES)
async def test_the_evidence_of_a_condition_is_its_readings_poll_by_poll(size: str, snapshot: Compare) -> None:
    known = STATES["held"]
    story = known.story()
    async with cockpit(story, board(known, story), SIZES[size]) as world:
        await world.press("g", "e")
        whole(world, SIZES[size])
        for words in ("412 ms", "of 02:00", "treatment", "checkout-4 690 ms"):
            assert words in world.text, world.text
        snapshot(f"evidence-held-{size}", world.text)
        await world.press(*(["pagedown"] if size == "80x24" else []))
        assert "14:22:11  412 ms    315 ms" in world.text, world.text


async def test_the_evidence_of_a_built_in_is_what_it_looks_at() -> None:
    known = STATES["held"]
    story = known.story()
    async with cockpit(story, board(known, story)) as world:
        await world.press("g", "down", "down", "e")
        assert "checkout-1  3.0.0" in world.text, world.text


async def test_what_can_be_done_at_a_gate_is_never_out_of_sight() -> None:
    known = STATES["held"]
    story = known.story()
    async with cockpit(story, board(known, story)) as world:
        for height in range(2, 20):
            scene = Scene(world.app.view, 80, height, "errors", "ramp")
            lines = ["".join(part for part, _ in line) for line in conditions(scene)]
            assert len(lines) <= height
            assert any("You can:" in line for line in lines), lines


async def test_no_color_leaves_every_word_and_sign(monkeypatch: pytest.MonkeyPatch, snapshot: Compare) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    known = STATES["held"]
    story = known.story()
    async with cockpit(story, board(known, story)) as world:
        snapshot("main-held-120x40", world.text)  # the same picture, letter by letter
        for strip in world.app.screen._compositor.render_strips():
            for segment in strip:
                colour = segment.style.color.triplet if segment.style and segment.style.color else None
                assert colour is None or colour.red == colour.green == colour.blue


@pytest.mark.parametrize(
    ("screen", "keys"),
    [
        ("main", ()),
        ("gate", ("g",)),
        ("rollback", ("R",)),
        ("help", ("question_mark",)),
        ("arm", ("M",)),
        ("form", ("o",)),
    ],
)
async def test_the_ascii_twin_of_each_screen_is_ascii_alone(
    screen: str, keys: tuple[str, ...], snapshot: Compare
) -> None:
    known = STATES["held"]
    story = known.story()
    async with cockpit(story, board(known, story), ascii_only=True) as world:
        await world.press(*keys)
        drawn = world.text
        if screen == "main":
            snapshot("main-held-ascii", drawn)
        assert drawn.isascii(), {c for c in drawn if not c.isascii()}


@pytest.mark.parametrize("size", [(60, 15), (40, 10), (20, 6), (79, 23), (1, 1)])
async def test_a_tiny_terminal_keeps_line_two_exposure_and_the_undo_keys(size: tuple[int, int]) -> None:
    known = STATES["held"]
    story = known.story()
    async with cockpit(story, board(known, story), size) as world:
        assert len(world.lines) == size[1]
        if size[0] >= 40:
            assert "HELD BECAUSE" in world.text
            assert "exposure 25 %" in world.text
            assert "M Y" in world.text


async def test_the_home_screen_shows_attention_first(snapshot: Compare) -> None:
    for name, size in SIZES.items():
        async with cockpit(STATES["held"].story(), {}, size, home=ListHome()) as world:
            await world.until(lambda world=world: "RECENT" in world.text)
            whole(world, size)
            assert "ATTENTION" in world.text
            snapshot(f"home-{name}", world.text)


@pytest.mark.parametrize(
    ("name", "state", "keys"),
    [
        ("confirm", "awaiting", ("enter",)),
        ("sign-off", "signing", ("enter",)),
        ("inputs", "draft", ("enter",)),
        ("settle", "unknown", ("u",)),
        ("override", "held", ("o",)),
        ("retreat", "held", ("b",)),
        ("trigger", "asked", ("enter",)),
        ("full-rollback", "held", ("R", "F")),
        ("mitigate", "held", ("M",)),
        ("undo-item", "rolling_back", ("R", "enter")),
        ("tests-and-output", "stuck", ("enter",)),
        ("git", "held", ("3",)),
    ],
)
async def test_each_dialog_fits_into_80x24(name: str, state: str, keys: tuple[str, ...], snapshot: Compare) -> None:
    story = (stories.signing if state == "signing" else STATES[state].story)()
    async with cockpit(story, board_of(story), (80, 24)) as world:
        await world.press(*keys)
        whole(world, (80, 24))
        armed = getattr(world.app.screen, "arm", None)
        if armed is not None:
            armed()  # its timer may or may not have run: the picture is of the armed dialog
            await world.pilot.pause()
            assert "Cancel" in world.text
            box = world.app.screen.query_one("#box").region
            assert all(box.contains_region(button.region) for button in world.app.screen.query(Button)), world.text
        snapshot(f"dialog-{name}-80x24", world.text)


async def test_a_lost_conductor_says_so_in_line_one_and_two(snapshot: Compare) -> None:
    from amplify_tui.engine.client import Lost

    known = STATES["running"]
    story = known.story()
    async with cockpit(story, board(known, story)) as world:
        await world.client.more.put(Lost("the conductor of run 7f3a is dead"))
        await world.until(lambda: world.app.view.lost)
        world.clock.at += 12
        await world.until(lambda: "NO CONDUCTOR 12s" in world.text)
        assert "nobody watches at 25 %" in world.text
        assert "amplify resume 7f3a" in world.text
        snapshot("main-lost-120x40", world.text)
