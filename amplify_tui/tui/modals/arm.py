"""M was pressed: what would go to 0 is shown, and Y within five seconds does it. Any other key disarms.

Two different keys, for a terminal cannot tell a held key from a second press.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from amplify_tui.run.select.words import ascii_twin, safe
from amplify_tui.tui.kitty import IGNORED

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit

ARMED_FOR: Final = 5.0


class ArmMitigate(ModalScreen[bool]):
    """Dismissed with True by Y alone, with False by any other key and after five seconds."""

    AUTO_FOCUS = ""

    def __init__(self, preview: tuple[str, ...]) -> None:
        super().__init__()
        self._preview = preview

    def compose(self) -> ComposeResult:
        ascii_only = cast("Cockpit", self.app).ascii_only
        lines = self._preview or ("nothing of this run is exposed, as far as its journal knows",)
        shown = [f"  {safe(line, 200)}" for line in lines]
        text = "\n".join(ascii_twin(line) if ascii_only else line for line in shown)
        with Vertical(id="box"):
            yield Static("MITIGATE takes exposure away, in seconds, and holds the run", id="title", markup=False)
            yield Static(Content(text), id="preview", markup=False)
            yield Static(
                "Y  do it          any other key: leave it  (disarms by itself in 5 s)", id="ask", markup=False
            )

    def on_mount(self) -> None:
        self.set_timer(ARMED_FOR, self._disarm)

    def _disarm(self) -> None:
        if self.is_current:
            self.dismiss(False)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if event.key != IGNORED:
            self.dismiss(event.key == "Y")
