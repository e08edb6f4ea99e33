"""A screen to read and scroll: a step in full, the tree, a panel alone, a report. It changes with the view."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.reactive import var

from amplify_tui.run.select.words import safe
from amplify_tui.tui.draw import frame
from amplify_tui.tui.draw.scene import Draw, Scene
from amplify_tui.tui.keys import bindings
from amplify_tui.tui.panel import Panel
from amplify_tui.tui.screens.base import CockpitScreen
from amplify_tui.tui.text import DIM, PLAIN, STRONG, Line


class ReadScreen(CockpitScreen):
    """Shows what *draw* says of *subject* under *title*; ↑ ↓ scroll, esc goes back."""

    KEYS: ClassVar[tuple[str, ...]] = (
        "help", "back", "retry", "skip", "settle", "copy", "note", "up", "down", "page_up", "page_down",
        "mitigate", "rollback", "quit",
    )  # fmt: skip
    BINDINGS = bindings(*KEYS)

    subject: var[str] = var("", init=False)

    def __init__(self, title: str, draw: Draw, subject: str = "", cursor: str = "") -> None:
        super().__init__()
        self._heading = title
        self._draw = draw
        self.set_reactive(ReadScreen.subject, subject)
        self.set_reactive(CockpitScreen.cursor, cursor)

    def panels(self) -> ComposeResult:
        yield Panel(frame.identity, id="identity").data_bind(CockpitScreen.view)
        yield Panel(frame.next_lines, id="next").data_bind(CockpitScreen.view)
        yield Panel(self._title, id="heading")
        with VerticalScroll(id="body", can_focus=False):
            panel = Panel(self._draw, id="text", grows=True)
            yield panel.data_bind(CockpitScreen.view, CockpitScreen.cursor, extra=ReadScreen.subject)

    def _title(self, scene: Scene) -> list[Line]:
        room = "─" * max(0, scene.width - len(self._heading) - 4)
        return [[("── ", DIM), (safe(self._heading, 60), STRONG), (f" {room}", DIM), ("", PLAIN)]]

    def move(self, by: int) -> None:
        self.query_one("#body", VerticalScroll).scroll_relative(y=by, animate=False)

    def page(self, by: int) -> None:
        """Scroll by what is in sight, less a line to keep the place."""
        body = self.query_one("#body", VerticalScroll)
        body.scroll_relative(y=by * max(1, body.size.height - 1), animate=False)

    def to_copy(self) -> str:
        scene = Scene(self.view, 200, 10_000, self.cursor, self.subject)
        return "\n".join("".join(part for part, _ in line) for line in self._draw(scene))


def fixed(words: str) -> Draw:
    """A drawing function of text that does not change: a report, a card."""

    def draw(scene: Scene) -> list[Line]:
        return [[(safe(line, 2000), PLAIN)] for line in words.splitlines()[:5000]]

    return draw
