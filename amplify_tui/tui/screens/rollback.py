"""The rollback screen: the plan by bands, what happens to each item, and the way by hand."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from amplify_tui.run.select.undo_lines import undo_rows
from amplify_tui.tui.draw import frame
from amplify_tui.tui.draw import rollback as draw
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.keys import bindings
from amplify_tui.tui.panel import Panel
from amplify_tui.tui.screens.base import CockpitScreen


class RollbackScreen(CockpitScreen):
    """`cursor` is an undo item's id."""

    KEYS: ClassVar[tuple[str, ...]] = (
        "help", "back", "open", "retry", "waive", "card", "settle", "copy", "note", "up", "down",
        "mitigate", "full", "quit",
    )  # fmt: skip
    BINDINGS = bindings(*KEYS)

    def panels(self) -> ComposeResult:
        bound = CockpitScreen.view, CockpitScreen.cursor
        yield Panel(draw.head, id="head").data_bind(*bound)
        yield Panel(frame.separator, id="rule1").add_class("rule")
        with Horizontal(id="columns"):
            yield Panel(draw.plan, id="plan").data_bind(*bound)
            yield Panel(draw.item, id="item").data_bind(*bound)
        yield Panel(frame.separator, id="rule2").add_class("rule")
        yield Panel(draw.log, id="log").data_bind(*bound)

    def targets(self) -> list[str]:
        return [row.id for row in undo_rows(self.view.state, self.view.at)]

    def selected(self) -> str:
        row = draw.chosen(Scene(self.view, cursor=self.cursor))
        return row.id if row is not None else ""

    def to_copy(self) -> str:
        row = draw.chosen(Scene(self.view, cursor=self.cursor))
        return (row.by_hand or f"{row.target}: {row.change}") if row is not None else ""
