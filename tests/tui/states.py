"""The states every screen is tested in: each a story folded from events, with the board beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.tui.example.script import Story


class Known(NamedTuple):
    """A story, its board's options, and words that the main screen must show in that state."""

    story: Callable[..., Story]
    board: dict[str, Any]
    words: tuple[str, ...]


STATES: dict[str, Known] = {
    "draft": Known(stories.draft, {}, ("WAITING FOR YOU", "a draft without version", "fills in the inputs")),
    "awaiting": Known(stories.awaiting, {}, ("WAITING FOR YOU", "Is support staffed", "sign-off of captain (0 of 1)")),
    "running": Known(stories.running, {}, ("GOING", "25 % bakes, 04:51 of 15:00, all pass", "50 %")),
    "held": Known(stories.held, {"slow": True}, ("HELD BECAUSE", "25 %: latency p99", "releases once")),
    "drifted": Known(
        stories.drifted,
        {},
        ("HELD BECAUSE", "outside@example.com changed checkout-v3: 25 % to 80 %", "⏎ chooses: ours, accept or kill"),
    ),
    "stuck": Known(stories.stuck, {}, ("WAITING FOR YOU", "2 of 14 tests failed", "r retries")),
    "unknown": Known(stories.unknown, {}, ("HELD BECAUSE", "nobody knows how it ended", "u settles it")),
    "blind": Known(stories.blind, {"lost": True}, ("GOING", "without evidence", "BLIND")),
    "asked": Known(stories.asked, {"slow": True}, ("WAITING FOR YOU", "trigger latency+100% fired", "⏎ answers it")),
    "behind": Known(
        stories.behind,
        {},
        ("WAITING FOR YOU", "sign-off of dba (0 of 1)", "▶ soak pass 04:51/2:00:00 ends 16:22 or later"),
    ),
    "rolling_back": Known(stories.rolling_back, {"slow": True}, ("UNDOING", "0 of 4 done", "reading back")),
    "rolled_back": Known(stories.rolled_back, {}, ("OVER", "rolled back", "release 3.0.1")),
    "done": Known(stories.done, {}, ("DONE", "completed, with exceptions")),
}


def board(known: Known, story: Story) -> dict[str, Any]:
    return board_of(story, **known.board)
