"""The flags screen in its states: what it says, that it stays whole, and that each of its keys answers."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from amplify_tui.adapters.ports import NoSecret
from amplify_tui.run.select.flags import UNTOLD, flag_rows, flags_panel
from amplify_tui.run.select.world import Panel
from amplify_tui.tui.draw import flags as draw
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.draw.side import gist, panel_lines
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.tui.example.script import FLAG_ID, Story
from amplify_tui.tui.keys import KEYS
from amplify_tui.tui.modals.form import FormDialog
from amplify_tui.tui.screens.flags import FlagScreen, FlagsScreen
from amplify_tui.tui.screens.main import MainScreen
from amplify_tui.tui.text import Line
from amplify_tui.tui.view import View
from tests.tui.cockpit_world import World, cockpit
from tests.tui.conftest import Compare
from tests.tui.test_tui_hostile import CORPUS, assert_harmless
from tests.tui.test_tui_snapshots import SIZES, whole

KEY, STORY = f"flag:{FLAG_ID}", f"story:{FLAG_ID}"


def flat(world: World) -> str:
    return " ".join(world.text.split())


def joined(lines: list[Line]) -> str:
    return "\n".join("".join(part for part, _ in line) for line in lines)


def many(board: dict[str, Any], count: int) -> dict[str, Any]:
    """*board* with *count* more flags, every third of them off, one of them lost."""
    for i in range(count):
        name = f"shop.basket.{i:04}-shows-the-total-with-every-discount"
        board[f"flag:unleash/{name}"] = {
            **board[KEY], "flag": name, "percent": float(i % 101), "enabled": i % 3 > 0, "fingerprint": str(i),
            "says": f"{i % 101} % of users in {'CH' if i % 7 else 'DE'} where plan is pro",
        }  # fmt: skip
    lost = board["flag:unleash/shop.basket.0007-shows-the-total-with-every-discount"]
    lost |= {"status": "error", "enabled": None, "percent": None, "note": "no answer in 3 s"}
    return board


def quiet(board: dict[str, Any]) -> dict[str, Any]:
    """*board* without anything about flags."""
    return {key: value for key, value in board.items() if not key.startswith(("flag:", "story:"))}


def empty_world() -> tuple[Story, dict[str, Any]]:
    story = stories.draft()
    return story, quiet(board_of(story))


def no_source() -> tuple[Story, dict[str, Any]]:
    story, board = empty_world()
    note = str(NoSecret("UNLEASH_TOKEN", "7f3a"))
    board["poll:flags unleash"] = {"status": "error", "note": note, "at": story.at}
    return story, board


def lost() -> tuple[Story, dict[str, Any]]:
    story = stories.running()
    board = board_of(story)
    gone = {"status": "error", "enabled": None, "percent": None, "data_at": story.at - 42, "note": "no answer in 8s"}
    board[KEY] |= gone
    board[STORY] |= {"note": "no answer in 8s"}
    return story, board


def crowd() -> tuple[Story, dict[str, Any]]:
    story = stories.drifted()
    return story, many(board_of(story), 500)


def drifted() -> tuple[Story, dict[str, Any]]:
    story = stories.drifted()
    return story, board_of(story)


WORLDS = {
    "empty": (empty_world, (), ("no flag has been read yet", "FLAGS none")),
    "no-source": (no_source, (), ("the flags cannot be read", "source unleash: $UNLEASH_TOKEN is not set")),
    "lost": (lost, (), ("1 not readable", "lost", "no answer in 8s", "45s")),
    "drifted": (
        drifted,
        (),
        ("1 drifted", "80 % of users, plus 2 internal", "25 % → 80 %", "outside@example.com", "ours, accept or kill"),
    ),
    "many": (crowd, (), ("501 flags, 1 drifted, 1 not readable", "›◆ drifted checkout-v3", "…")),
    "found": (
        crowd,
        ("slash", *"0003 off", "enter"),
        ("1 of 501 flags find: 0003 off, esc ends it", "›· off", "3 % of users in CH"),
    ),
    "found-nothing": (crowd, ("slash", *"xyzzy", "enter"), ("nothing contains xyzzy: esc ends the find",)),
    "detail": (
        drifted,
        ("enter",),
        (
            "before 5 % of users, plus 2 internal",
            "ours 25 % of users, plus 2 internal",
            "now 80 % of users, plus 2 internal (outside@example.com, 14:22)",
            "⏎ answers it: ours, accept or kill",
        ),
    ),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", WORLDS)
async def test_the_flags_screen_says_how_every_flag_stands(name: str, size: str, snapshot: Compare) -> None:
    make, keys, said = WORLDS[name]
    async with cockpit(*make(), SIZES[size]) as world:
        await world.press("1", *keys)
        whole(world, SIZES[size])
        for words in said:
            assert words in flat(world), world.text
        assert "M Y" in world.lines[-1]
        snapshot(f"flags-{name}-{size}", world.text)


@pytest.mark.parametrize("keys", [(), ("enter",)])
async def test_the_ascii_twin_of_the_flags_is_ascii_alone(keys: tuple[str, ...]) -> None:
    async with cockpit(*crowd(), ascii_only=True) as world:
        await world.press("1", *keys)
        assert world.text.isascii(), {c for c in world.text if not c.isascii()}
        assert "drifted" in world.text


@pytest.mark.parametrize("size", [(60, 15), (40, 10), (20, 6), (1, 1)])
async def test_the_flags_stay_whole_on_a_tiny_terminal(size: tuple[int, int]) -> None:
    async with cockpit(*crowd(), size) as world:
        await world.press("1")
        assert len(world.lines) == size[1]


async def test_every_key_of_the_flags_screen_answers_and_orders_nothing() -> None:
    for name in FlagsScreen.KEYS:
        async with cockpit(*drifted()) as world:
            await world.press("1")
            await world.press(KEYS[name].key)
            screen = world.app.screen
            moved = name in ("up", "down", "page_up", "page_down")  # one flag: the selection stays on it
            answered = not isinstance(screen, FlagsScreen) or world.app.message or world.app.focused is not None
            assert answered or moved or world.app.return_code == 0, name
            if name != "pause":  # it asks the conductor
                assert world.ordered == []


@pytest.mark.parametrize(
    ("key", "said"), [("a", "a (advance) works on the main screen"), ("j", "j means nothing here")]
)
async def test_a_key_that_the_flags_screen_lacks_says_where_it_works(key: str, said: str) -> None:
    async with cockpit(*drifted()) as world:
        await world.press("1", key)
        assert said in world.text


async def test_the_selection_goes_by_line_and_by_page_and_stays_on_its_flag_when_the_order_changes() -> None:
    async with cockpit(*crowd(), (80, 24)) as world:
        await world.press("1", "down", "down")
        screen = world.app.screen
        assert isinstance(screen, FlagsScreen)
        here = screen.selected()
        rows = flag_rows(world.app.state, world.app.view.board, world.app.view.at)
        assert here == rows[2].id
        await world.press("pagedown")
        assert screen.selected() == rows[2 + screen.query_one("#list").size.height - 1].id
        await world.press("pageup")
        assert screen.selected() == here
        assert f"›✓ on      {rows[2].name[:8]}" in world.text


async def test_enter_opens_the_selected_flag_and_enter_there_asks_whose_it_is_to_be() -> None:
    async with cockpit(*drifted()) as world:
        await world.press("1", "enter")
        assert isinstance(world.app.screen, FlagScreen)
        await world.press("enter")
        assert isinstance(world.app.screen, FormDialog)
        assert "Whose flag is it to be?" in world.text
        assert world.ordered == []
        await world.press("escape", "escape")
        assert isinstance(world.app.screen, FlagsScreen)
        await world.press("escape")
        assert isinstance(world.app.screen, MainScreen)


async def test_enter_on_a_flag_that_nobody_else_changed_says_that_nothing_is_asked() -> None:
    story = stories.running()
    async with cockpit(story, board_of(story)) as world:
        await world.press("1", "enter", "enter")
        assert "nothing is asked about this flag: nobody else has changed it" in flat(world)


async def test_escape_ends_the_find_before_it_leaves_and_the_box_has_the_focus_only_while_asked() -> None:
    async with cockpit(*crowd()) as world:
        await world.press("1", "slash", *"0012")
        assert world.app.focused is not None
        await world.press("enter")
        assert world.app.focused is None
        assert "1 of 501 flags" in world.text
        await world.press("escape")
        assert isinstance(world.app.screen, FlagsScreen)
        assert "find:" not in world.text
        await world.press("escape")
        assert isinstance(world.app.screen, MainScreen)


async def test_enter_where_nothing_is_found_says_why_nothing_opens() -> None:
    async with cockpit(*crowd()) as world:
        await world.press("1", "slash", *"xyzzy", "enter", "enter")
        assert "✗ no flag is opened: none contains what is looked for; esc ends the find" in flat(world)


async def test_the_palette_opens_the_flags() -> None:
    async with cockpit(*drifted()) as world:
        await world.press("ctrl+p", *"flag of the release")
        await world.until(lambda: "who changed it, its history" in flat(world))
        await world.press("enter")
        await world.until(lambda: isinstance(world.app.screen, FlagsScreen))


def test_the_list_draws_the_rows_in_sight_and_no_other() -> None:
    story, board = crowd()
    rows = flag_rows(story.state, board, story.at)
    drawn = draw.table(rows, rows[250].id, 80, 20)
    assert len(drawn) == 20
    assert sum("›" in part for line in drawn for part, _ in line) == 1


def test_the_panel_begins_with_what_is_urgent_and_counts_the_flags_it_has_no_room_for() -> None:
    story, board = crowd()
    panel = flags_panel(story.state, board, story.at)
    lines = joined(panel_lines(panel, 36, 4, tight=True)).splitlines()
    assert "checkout-v3" in lines[1]
    assert "drift" in lines[2]
    assert "shop.basket.0007" in lines[3]
    assert lines[-1].strip() == "+498 more"
    assert gist(replace(panel, rows=panel.rows[2:]), 20).endswith("… – +499")
    assert gist(replace(panel, rows=panel.rows[:2]), 16) == "checkou… on 80 %"


@pytest.mark.parametrize(
    ("change", "word", "share", "says"),
    [
        ({"enabled": False, "percent": 0.0}, "off", "0 %", UNTOLD),
        ({"status": "error", "note": "no answer"}, "lost", "–", "no answer"),
        ({"status": "stale", "note": "asked too often"}, "old", "–", "asked too often"),
        ({"status": "nodata", "enabled": None, "note": "there is no such flag"}, "missing", "–", "there is no such flag"),
        ({"data_at": 1.0}, "old", "25 %", UNTOLD),
    ],
)  # fmt: skip
def test_a_flag_that_cannot_be_read_or_is_off_never_looks_on(
    change: dict[str, Any], word: str, share: str, says: str
) -> None:
    story = stories.running()
    board = board_of(story)
    board[KEY] |= {"says": "", "fingerprint": "of another state", **change}
    (row,) = flag_rows(story.state, board, story.at)
    assert (row.word, row.share, row.says) == (word, share, says)
    assert word == "off" or row.drift == "–"  # what cannot be read may have drifted


def test_a_flag_that_the_run_touched_and_nobody_reads_is_listed_without_a_value() -> None:
    story = stories.running()
    (row,) = flag_rows(story.state, quiet(board_of(story)), story.at)
    assert (row.id, row.word, row.share) == (FLAG_ID, "no data", "–")


def test_a_source_that_keeps_no_history_says_so_in_the_row_beneath_and_in_the_detail() -> None:
    story = stories.running()
    board = board_of(story)
    board[STORY] |= {"events": [], "last": None, "note": "a file keeps no history"}
    view = View(state=story.state, board=board, at=story.at)
    for lines in (
        draw.peek(Scene(view, 80, 6), flag_rows(story.state, board, story.at)[0]),
        draw.detail(Scene(view, 80, 60, extra=FLAG_ID)),
    ):
        assert "who changed it cannot be told: a file keeps no history" in joined(lines)


def hostile_flags(text: str) -> tuple[Story, dict[str, Any]]:
    """Every word of a flag that a stranger writes is *text*."""
    story = stories.drifted()
    board = board_of(story)
    (hold,) = story.state.holds.values()
    assert hold.drift is not None
    rule = {
        "name": text, "title": text, "percent": 25.0, "segments": [text], "stickiness": text, "group": text,
        "clauses": [{"field": text, "test": "in", "values": [text, text], "count": 5}], "variants": [[text, 50.0]],
    }  # fmt: skip
    event = {"at": story.at, "by": text, "what": text, "kind": text}
    board[KEY] |= {"says": text, "note": text}
    board[STORY] |= {
        "says": text, "kind": text, "description": text, "note": text, "rules": [rule], "events": [event], "last": event,
    }  # fmt: skip
    board[f"flag:unleash/{text[:300]}"] = {**board[KEY], "flag": text}
    board[f"story:unleash/{text}"] = {**board[STORY], "flag": text}
    board["poll:flags x"] = {"note": text}
    return story, board


@pytest.mark.parametrize("name", CORPUS)
async def test_hostile_names_titles_and_summaries_of_flags_break_no_column_and_act_on_nothing(name: str) -> None:
    text = CORPUS[name].encode("utf-8", "replace").decode()
    size = (80, 24)
    async with cockpit(*hostile_flags(text), size) as world:
        await world.press("1")
        for keys in ((), ("down",), ("enter",)):
            await world.press(*keys)
            assert_harmless(world)
            assert len(world.lines) == size[1]
        assert world.app.return_code is None
        assert world.ordered == []


@pytest.mark.parametrize("nonsense", [7, "x", [], {"last": 7}, {"last": {"at": "never"}}, {"rules": "none"}])
def test_a_story_of_another_shape_is_as_good_as_none(nonsense: Any) -> None:
    story = stories.running()
    board = {**board_of(story), STORY: nonsense}
    (row,) = flag_rows(story.state, board, story.at)
    assert row.by == ""
    lines = draw.detail(Scene(View(state=story.state, board=board, at=story.at), 80, 60, extra=FLAG_ID))
    assert "not asked for yet" in joined(lines)
    assert isinstance(flags_panel(story.state, board, story.at), Panel)
