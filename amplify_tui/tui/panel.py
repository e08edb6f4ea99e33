"""The one widget that draws: a panel that asks a drawing function for its lines, and sends only cells that changed.

State reaches it as `var` by data_bind (a `reactive` would repaint the screen), and a picture that is the same is not
sent again: over ssh, a clock that ticks must not cost more than its digits.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, cast

from textual import events
from textual.content import Content
from textual.geometry import Region
from textual.reactive import var
from textual.widget import Widget

from amplify_tui.tui.draw.scene import Draw, Scene
from amplify_tui.tui.text import changed_cells, contents
from amplify_tui.tui.view import View

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit

EMPTY = Content("")
GROWN = 10_000  # the height that a growing panel offers: all of it
UNCUT = 4_000  # its lines wrap where they are longer than it is wide


class Panel(Widget):
    """Draws *draw* in the room that the style sheet gives it. With *grows* its height follows its lines."""

    view: var[View] = var(View, init=False)
    cursor: var[str] = var("", init=False)
    extra: var[str] = var("", init=False)

    def __init__(self, draw: Draw, *, id: str, grows: bool = False) -> None:  # noqa: A002  # Textual's own name
        super().__init__(id=id)
        self._draw = draw
        self._grows = grows
        self._lines: list[Content] = []

    def render(self) -> Content:
        return Content("\n").join(self._lines)

    def watch_view(self) -> None:
        self.redraw()

    def watch_cursor(self) -> None:
        self.redraw()

    def watch_extra(self) -> None:
        self.redraw()

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    def redraw(self) -> None:
        """Draw again, and tell the screen only where the picture differs."""
        cells = self.size.width
        if not cells or not self.display:
            return
        scene = Scene(self.view, cells, GROWN if self._grows else self.size.height, self.cursor, self.extra)
        room = UNCUT if self._grows else cells
        made = contents(self._draw(scene), room, ascii_only=cast("Cockpit", self.app).ascii_only)
        pairs = enumerate(zip_longest(self._lines, made, fillvalue=EMPTY))
        spans = [(y, span) for y, (before, after) in pairs if (span := changed_cells(before, after)) is not None]
        if not spans and len(made) == len(self._lines):
            return
        self._lines = made
        if self._grows:
            self.refresh(layout=True)  # its lines wrap: any change may move what follows
        else:
            self.refresh(*(Region(start, y, end - start, 1) for y, (start, end) in spans))
