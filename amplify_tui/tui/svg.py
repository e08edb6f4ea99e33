"""A picture of the cockpit for the README: `python -m amplify_tui.tui.svg OUT.svg [STORY]`, from the example run.

Always the same bytes for the same program: the story's clock is fixed and its zone is UTC.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path
from typing import Any

from amplify_tui.engine.client import Board, NewEvents, Update
from amplify_tui.engine.wire import Answer, Refusal
from amplify_tui.tui.app import Cockpit
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.tui.example.script import Story

STORIES = {
    "held": stories.held,
    "running": stories.running,
    "rolling_back": stories.rolling_back,
    "done": stories.done,
}


class ExampleClient:
    """Plays a story and its board once. Orders are refused: there is no run behind it."""

    def __init__(self, story: Story, board: dict[str, Any]) -> None:
        self._story, self._board = story, board

    async def follow(self, after: int = 0) -> AsyncIterator[Update]:
        yield Board(self._board, whole=True)
        yield NewEvents(self._story.bodies[after:])
        await asyncio.Event().wait()

    async def submit(self, command: dict[str, Any], *, at: float) -> Answer:
        return Answer(ok=False, refusal=Refusal("nothing is done", "this is an example", "start a run"))


async def picture(name: str, size: tuple[int, int] = (120, 40), press: tuple[str, ...] = ()) -> str:
    """The SVG of the story *name*, after the keys *press*."""
    story = STORIES[name]()
    client = ExampleClient(story, board_of(story, slow=True))
    app = Cockpit(client, actor="cap", tz=UTC, clock=lambda: story.at + 3)
    async with app.run_test(size=size) as pilot:
        while app.state.seq < story.state.seq:
            await pilot.pause(0.01)
        await pilot.press(*press)
        await pilot.pause()
        return app.export_screenshot(title="amplify")


def main() -> None:
    """Write the picture to the path of the first argument."""
    story = sys.argv[2] if len(sys.argv) > 2 else "held"
    if len(sys.argv) < 2 or story not in STORIES:
        sys.exit(f"usage: python -m amplify_tui.tui.svg OUT.svg [{' | '.join(STORIES)}]")
    press = ("R",) if story == "rolling_back" else ()
    Path(sys.argv[1]).write_text(asyncio.run(picture(story, press=press)), encoding="utf-8")


if __name__ == "__main__":
    main()
