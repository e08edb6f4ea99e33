"""What the panel says of the share that applications see: with its age, its doubt, and what is wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from amplify_tui.run.select.flags import flags_panel
from amplify_tui.run.select.seen import Seen, seen_lines
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.tui.example.script import FLAG_ID
from amplify_tui.verdict.model import Asked, ExposureReading, Finding

FLAG = "flags/checkout-v3"
NOW = 1000.0


def reading(origin: str = "usage", **changes: Any) -> ExposureReading:
    values: dict[str, Any] = {
        "source": "flags", "flag": "checkout-v3", "origin": origin, "status": "ok",
        "data_at": NOW - 2, "received_at": NOW, "asked": Asked(0.25, 0.25), "share": 0.248,
        "yes": 1292.0, "n": 5210.0, "fits": True,
    }  # fmt: skip
    return ExposureReading(**values | changes)


def board(*readings: ExposureReading) -> dict[str, Any]:
    return {f"seen:{FLAG}:{one.origin}": msgspec.to_builtins(one) for one in readings}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, Seen("done", "seen 24.8 % of 5 210, asked 25 ± 2")),
        ({"data_at": NOW - 40}, Seen("done", "seen 24.8 % of 5 210, asked 25 ± 2", "40s")),
        ({"data_at": NOW - 90}, Seen("unknown", "seen 24.8 % of 5 210, asked 25 ± 2", "old 1m30s")),
        ({"fits": False, "share": 0.0}, Seen("failed", "seen 0 % of 5 210, asked 25 ± 2")),
        (
            {"status": "nodata", "share": None, "fits": None, "note": "counting begins in 4s"},
            Seen("unknown", "share seen: counting begins in 4s"),
        ),
        (
            {"status": "error", "share": None, "fits": None, "note": "no answer", "data_at": NOW - 30},
            Seen("unknown", "share seen: cannot be read, no answer", "30s"),
        ),
    ],
)
def test_one_line_says_the_share_or_why_there_is_none(changes: dict[str, Any], line: Seen) -> None:
    assert seen_lines(board(reading(**changes)), FLAG, NOW) == [line]


def test_a_share_that_is_off_comes_before_one_that_fits() -> None:
    """A fit of one origin must not hide what the other one shows."""
    lines = seen_lines(board(reading("errors"), reading("usage", fits=False, share=0.0)), FLAG, NOW)
    assert [line.sign for line in lines] == ["failed"]


def test_the_panel_shows_what_warns_and_the_screen_shows_everything() -> None:
    hint = Finding(kind="environment", text="web asks elsewhere", warns=False)
    warning = Finding(kind="silent", text="batch told nothing\x1b[31m")
    known = board(reading("errors"), reading("usage", findings=(hint, warning)))
    assert [line.text for line in seen_lines(known, FLAG, NOW)][1:] == ["batch told nothing"]
    whole = seen_lines(known, FLAG, NOW, all_=True)
    assert [line.text for line in whole] == [
        "seen 24.8 % of 5 210, asked 25 ± 2 (errors)",
        "seen 24.8 % of 5 210, asked 25 ± 2 (usage)",
        "web asks elsewhere",
        "batch told nothing",
    ]


def test_a_flag_that_nobody_looks_at_or_whose_reading_is_of_another_shape_has_no_line() -> None:
    assert seen_lines({}, FLAG, NOW) == []
    assert seen_lines({f"seen:{FLAG}:usage": None, f"seen:{FLAG}:errors": {"n": "x"}}, FLAG, NOW) == []
    assert seen_lines(board(reading()), "flags/checkout", NOW) == []


def test_a_share_that_is_off_is_said_where_there_is_room_for_one_word_only() -> None:
    story = stories.running()
    wrong = reading(fits=False, share=0.0, source="unleash", flag=FLAG_ID.partition("/")[2], data_at=story.at)
    held = board_of(story) | {f"seen:{FLAG_ID}:usage": msgspec.to_builtins(wrong)}
    assert flags_panel(story.state, board_of(story), story.at).word == "ok"
    panel = flags_panel(story.state, held, story.at)
    assert (panel.word, panel.sign) == ("share off", "failed")
