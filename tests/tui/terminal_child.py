"""A cockpit on the example run in this terminal, for the pseudo-terminal tests: `terminal_child.py LOG [crash]`."""

from __future__ import annotations

import sys
from datetime import UTC
from pathlib import Path

from amplify_tui.tui.app import Cockpit
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.tui.launch import run_cockpit
from amplify_tui.tui.svg import ExampleClient


class Crashing(Cockpit):
    """Has a bug on the key n."""

    def action_act(self, name: str) -> None:
        if name == "note":
            raise RuntimeError("a bug of ours")
        super().action_act(name)


story = stories.held()
kind = Crashing if "crash" in sys.argv else Cockpit
app = kind(ExampleClient(story, board_of(story)), actor="cap", tz=UTC, clock=lambda: story.at + 3)
sys.exit(run_cockpit(app, log=Path(sys.argv[1])))
