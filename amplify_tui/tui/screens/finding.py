"""A screen with a list that can be searched: the box that asks for words, and the words as they are typed."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.reactive import var
from textual.widgets import Input

from amplify_tui.tui.screens.base import CockpitScreen


class FindingScreen(CockpitScreen):
    """`filter_text` is what is looked for. `finder` yields the box; it is shown only while somebody types in it."""

    filter_text: var[str] = var("", init=False)

    def finder(self) -> ComposeResult:
        yield Input(id="filter", placeholder="show lines with …", disabled=True)

    def open_filter(self) -> None:
        """Ask for the word; the only focus that such a screen ever gives, and only to the key that asked."""
        box = self.query_one("#filter", Input)
        box.disabled = False
        box.add_class("-open")
        box.focus()

    def close_filter(self) -> bool:
        """End the filter; False where there was none."""
        box = self.query_one("#filter", Input)
        had = bool(self.filter_text) or not box.disabled
        box.value, self.filter_text, box.disabled = "", "", True
        box.remove_class("-open")
        self.set_focus(None)
        return had

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        self.filter_text = event.value.strip()

    @on(Input.Submitted, "#filter")
    def _filter_done(self, event: Input.Submitted) -> None:
        event.input.disabled = True
        event.input.remove_class("-open")
        self.set_focus(None)
