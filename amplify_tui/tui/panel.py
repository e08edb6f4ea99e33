"""The one widget that draws: a fixed-size panel that asks a drawing function for its lines.

State reaches it as `var` by data_bind, and an unchanged picture is not sent again: over ssh that is the difference
between 0.15 and 7 KiB an update (a `reactive` would repaint the screen).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import events
from textual.content import Content
from textual.reactive import var
from textual.widgets import Static

from amplify_tui.tui.draw.scene import Draw, Scene
from amplify_tui.tui.text import content
from amplify_tui.tui.view import View

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit


class Panel(Static):
    """Draws *draw* in the room that the style sheet gives it. With *grows* its height follows its lines."""

    view: var[View] = var(View, init=False)
    cursor: var[str] = var("", init=False)
    extra: var[str] = var("", init=False)

    def __init__(self, draw: Draw, *, id: str, grows: bool = False) -> None:  # noqa: A002  # Textual's own name
        super().__init__("", markup=False, id=id)
        self._draw = draw
        self._grows = grows
        self._shown: Content | None = None

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
        height = 10_000 if self._grows else self.size.height
        scene = Scene(self.view, cells, height, self.cursor, self.extra)
        made = content(self._draw(scene), cells, ascii_only=cast("Cockpit", self.app).ascii_only)
        if self._shown is not None and self._shown.is_same(made):
            return
        self._shown = made
        self.update(made, layout=self._grows)
