"""The main screen: three columns and the log at 120 columns, one column at 80, the small form below that."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from amplify_tui.run.select.stages import current
from amplify_tui.tui.draw import frame, main, side
from amplify_tui.tui.keys import bindings
from amplify_tui.tui.panel import Panel
from amplify_tui.tui.screens.base import CockpitScreen
from amplify_tui.tui.screens.finding import FindingScreen


class MainScreen(FindingScreen):
    """The run: where it is, what happens next, what the world says. `cursor` is a step's ref."""

    KEYS: ClassVar[tuple[str, ...]] = (
        "help", "open", "pause", "gate", "advance", "retreat", "override", "skip", "retry", "settle", "note",
        "mitigate", "rollback", "quit", "filter", "evidence", "copy", "card", "report", "difference", "back",
        "up", "down", "panel1", "panel2", "panel3", "panel4",
    )  # fmt: skip
    BINDINGS = bindings(*KEYS)

    def panels(self) -> ComposeResult:
        bound = CockpitScreen.view, CockpitScreen.cursor
        yield Panel(frame.identity, id="identity").data_bind(*bound)
        yield Panel(frame.next_lines, id="next").data_bind(*bound)
        yield Panel(frame.small, id="small").data_bind(*bound)
        yield Panel(frame.separator, id="rule1").add_class("rule")
        yield Panel(main.stages_line, id="stages_line").data_bind(*bound)
        with Horizontal(id="columns"):
            yield Panel(main.stages, id="stages").data_bind(*bound)
            yield Panel(main.centre, id="centre").data_bind(*bound)
            yield Panel(side.side, id="side").data_bind(*bound)
        yield Panel(side.side_lines, id="side_lines").data_bind(*bound)
        yield Panel(frame.separator, id="rule2").add_class("rule")
        yield Panel(main.log, id="log").data_bind(*bound, extra=MainScreen.filter_text)
        yield from self.finder()

    def targets(self) -> list[str]:
        plan = self.view.state.plan
        order = [name for stage in plan.stages for name in stage.steps]
        return [step.ref for name in order for step in self.view.state.steps_of(name)]

    def selected(self) -> str:
        if self.cursor in self.view.state.steps:
            return self.cursor
        step = current(self.view.state)
        return step.ref if step is not None else ""
