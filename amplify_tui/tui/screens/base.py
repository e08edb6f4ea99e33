"""What all screens share: state bound from the App, a selection, the message line and the key line."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.reactive import var
from textual.screen import Screen

from amplify_tui.tui.draw import frame
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.keys import elsewhere, key_line
from amplify_tui.tui.kitty import IGNORED
from amplify_tui.tui.panel import Panel
from amplify_tui.tui.text import Line
from amplify_tui.tui.view import View

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit


MEANINGLESS = ("tab", "shift+tab")  # Textual moves a focus with them, and these screens have none


def key_words(event: events.Key) -> str:
    """How a key is called in a sentence: its character where it has one that shows, else its name."""
    shown = event.character or ""
    return shown if shown.isprintable() and not shown.isspace() and shown else event.key.replace("_", " ")


class CockpitScreen(Screen[None]):
    """A full screen of the cockpit. `KEYS` names its keys; `panels` yields what is between top and message line."""

    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (80, "-narrow"), (110, "-wide")]  # noqa: RUF012  # Textual's own type
    VERTICAL_BREAKPOINTS = [(0, "-low"), (24, "-normal"), (36, "-tall")]  # noqa: RUF012
    KEYS: ClassVar[tuple[str, ...]] = ()
    AT_HOME: ClassVar[bool] = False
    AUTO_FOCUS = ""

    view: var[View] = var(View, init=False)
    cursor: var[str] = var("", init=False)
    message: var[str] = var("", init=False)

    @property
    def cockpit(self) -> Cockpit:
        return cast("Cockpit", self.app)

    def compose(self) -> ComposeResult:
        yield from self.panels()
        yield Panel(frame.message, id="message", grows=True).data_bind(extra=CockpitScreen.message)
        yield Panel(self._keys, id="keys")

    def panels(self) -> ComposeResult:
        """The screen's own widgets, top to bottom."""
        yield from ()

    def on_mount(self) -> None:
        self.watch(self.app, "view", self._take_view)
        self.watch(self.app, "message", self._take_message)

    def _take_view(self, view: View) -> None:
        self.view = view

    def _take_message(self, message: str) -> None:
        self.message = message

    def _keys(self, scene: Scene) -> list[Line]:
        return [key_line(self.KEYS, scene.width, ascii_only=self.cockpit.ascii_only)]

    def on_key(self, event: events.Key) -> None:
        """A key that this screen has no use for says so, and where it has one."""
        silent = event.key in MEANINGLESS or event.key not in self.active_bindings
        if self.focused is None and event.key != IGNORED and silent:
            self.cockpit.say(elsewhere(event.key, key_words(event), at_home=self.AT_HOME))

    def targets(self) -> list[str]:
        """What ↑ and ↓ go through, in order; nothing by default."""
        return []

    def selected(self) -> str:
        """The selection, or what stands for it while nobody has selected anything."""
        return self.cursor

    def move(self, by: int) -> None:
        """Select the neighbour; a selection that is gone starts at its stand-in."""
        names = self.targets()
        if not names:
            return
        here = self.selected()
        at = names.index(here) + by if here in names else 0
        self.cursor = names[max(0, min(len(names) - 1, at))]

    def to_copy(self) -> str:
        """The text that `y` copies."""
        return str(frame.said(Scene(self.view)))
