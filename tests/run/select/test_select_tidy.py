"""What wants tidying up reaches the panel and the screen: of the release's flags, and of those of its code alone."""

from __future__ import annotations

from typing import Any

import pytest

from amplify_tui.run.select.flags import flags_panel
from amplify_tui.run.select.tidy import Tidy, tidy_flags, tidy_lines
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.tui.example.script import FLAG, FLAG_ID
from tests.tui.cockpit_world import cockpit

STALE = {"flag": FLAG, "kind": "stale", "what": f"the flag server marks {FLAG} as stale", "fix": "archive it"}
CODE = {"flag": "left-over", "kind": "missing", "what": "the code asks for left-over", "fix": "create it"}


def board(*found: dict[str, Any]) -> dict[str, Any]:
    return board_of(stories.running()) | {"tidy:unleash": {"status": "ok", "at": 0.0, "flags": list(found)}}


def test_the_panel_names_what_wants_tidying_up_of_the_release_and_of_its_code() -> None:
    story = stories.running()
    panel = flags_panel(story.state, board(STALE, CODE), story.at)
    said = [(row.sign, row.name, row.text) for row in panel.rows]
    assert ("note", "", STALE["what"]) in said
    assert ("note", "left-over", CODE["what"]) in said


@pytest.mark.parametrize("held", [None, "x", {"flags": None}, {"flags": ["x"]}, {"flags": [{"flag": FLAG}]}])
def test_what_has_another_shape_is_left_out_and_breaks_nothing(held: Any) -> None:
    odd = {"tidy:unleash": held}
    assert all(isinstance(one, Tidy) for one in tidy_lines(odd, FLAG_ID))
    assert isinstance(tidy_flags(odd), set)


async def test_the_flag_in_full_says_what_to_do_about_it() -> None:
    story = stories.running()
    async with cockpit(story, board(STALE)) as world:
        await world.press("1", "enter")
        assert "TIDY UP" in world.text
        assert f"{STALE['what']}: {STALE['fix']}" in " ".join(world.text.split())
