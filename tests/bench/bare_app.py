"""The smallest Textual app that is an app: what a cockpit cannot be quicker than. It counts the spaces pressed."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Header, Static


class Bare(App[None]):
    """Header, one line of text, footer."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "count", "Count")]
    pressed = 0

    def compose(self) -> ComposeResult:
        yield Header()
        yield Static("bare, pressed 0")
        yield Footer()

    def action_count(self) -> None:
        self.pressed += 1
        self.query_one(Static).update(f"bare, pressed {self.pressed}")


if __name__ == "__main__":
    Bare().run(mouse=False)
