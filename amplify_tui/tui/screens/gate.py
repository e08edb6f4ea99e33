"""The gate screen: the conditions of one watched step, and the evidence of the chosen one."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.reactive import var

from amplify_tui.run.select.gate import condition_rows, observed
from amplify_tui.tui.draw import evidence, frame
from amplify_tui.tui.draw import gate as draw
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.keys import bindings
from amplify_tui.tui.panel import Panel
from amplify_tui.tui.screens.base import CockpitScreen


class GateScreen(CockpitScreen):
    """`cursor` is a condition's id; `ref` is the step whose gate this is."""

    KEYS: ClassVar[tuple[str, ...]] = (
        "help", "back", "open", "override", "retreat", "advance", "evidence", "copy", "note", "pause", "up", "down",
        "mitigate", "rollback", "quit",
    )  # fmt: skip
    BINDINGS = bindings(*KEYS)

    ref: var[str] = var("", init=False)

    def __init__(self, ref: str) -> None:
        super().__init__()
        self.set_reactive(GateScreen.ref, ref)

    def panels(self) -> ComposeResult:
        bound = CockpitScreen.view, CockpitScreen.cursor
        yield Panel(frame.identity, id="identity").data_bind(*bound)
        yield Panel(draw.head, id="head").data_bind(*bound, extra=GateScreen.ref)
        yield Panel(frame.separator, id="rule1").add_class("rule")
        with Horizontal(id="columns"):
            yield Panel(draw.conditions, id="conditions").data_bind(*bound, extra=GateScreen.ref)
            yield Panel(evidence.evidence, id="evidence").data_bind(*bound, extra=GateScreen.ref)
        yield Panel(frame.separator, id="rule2").add_class("rule")
        yield Panel(draw.history, id="history").data_bind(*bound, extra=GateScreen.ref)

    def targets(self) -> list[str]:
        step = observed(self.view.state, self.ref)
        return [row.id for row in condition_rows(step)] if step is not None else []

    def selected(self) -> str:
        row = draw.chosen_row(Scene(self.view, cursor=self.cursor, extra=self.ref))
        return row.id if row is not None else ""

    def to_copy(self) -> str:
        scene = Scene(self.view, 100, 40, self.cursor, self.ref)
        return "\n".join("".join(part for part, _ in line) for line in evidence.evidence(scene))
