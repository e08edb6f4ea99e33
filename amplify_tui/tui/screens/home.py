"""The home screen: runs that need attention, what to start, what to rehearse, what happened lately."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from amplify_tui.run.select.words import clock
from amplify_tui.tui.client import RunSummary, Startable
from amplify_tui.tui.draw import home as draw
from amplify_tui.tui.draw.frame import separator
from amplify_tui.tui.draw.scene import Scene, window
from amplify_tui.tui.keys import bindings
from amplify_tui.tui.panel import Panel
from amplify_tui.tui.screens.base import CockpitScreen
from amplify_tui.tui.text import DIM, PLAIN, STRONG, Line, spread, text


class HomeScreen(CockpitScreen):
    """`cursor` is `run:ID`, `playbook:NAME` or `drill:NAME`."""

    KEYS: ClassVar[tuple[str, ...]] = (
        "help", "open", "new", "drill", "check", "report", "up", "down", "copy", "rollback", "quit",
    )  # fmt: skip
    BINDINGS = bindings(*KEYS)
    AT_HOME = True

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[RunSummary] = []
        self.startable: list[Startable] = []

    def panels(self) -> ComposeResult:
        yield Panel(self._head, id="identity").data_bind(CockpitScreen.view)
        yield Panel(separator, id="rule1").add_class("rule")
        with Horizontal(id="columns"):
            yield Panel(self._body, id="list").data_bind(CockpitScreen.view, CockpitScreen.cursor)
            yield Panel(self._aside, id="aside").data_bind(CockpitScreen.view, CockpitScreen.cursor)

    def show_runs(self, runs: list[RunSummary], startable: list[Startable]) -> None:
        """New summaries: draw them; the selection stays on what it was."""
        self.runs, self.startable = runs, startable
        for panel in self.query(Panel):
            panel.redraw()

    def targets(self) -> list[str]:
        return draw.targets(self.runs, self.startable)

    def selected(self) -> str:
        names = self.targets()
        return self.cursor if self.cursor in names else next(iter(names), "")

    @property
    def run(self) -> RunSummary | None:
        return next((run for run in self.runs if draw.run_key(run) == self.selected()), None)

    @property
    def item(self) -> Startable | None:
        return next((item for item in self.startable if draw.start_key(item) == self.selected()), None)

    def to_copy(self) -> str:
        return self.run.run if self.run is not None else self.selected().partition(":")[2]

    def _head(self, scene: Scene) -> list[Line]:
        left: Line = [("Amplify", STRONG), text(f"  {self.cockpit.home_title}", DIM)]
        when = clock(scene.view.at, scene.view.tz) if scene.view.at else ""
        return [spread(left, [text(scene.view.actor), (f"  {when}", PLAIN)], scene.width)]

    def _body(self, scene: Scene) -> list[Line]:
        lines, at = draw.body(self.runs, self.startable, self.selected(), scene.view.at, scene.width)
        return window(lines, at, scene.height)

    def _aside(self, scene: Scene) -> list[Line]:
        return draw.aside(self.run, self.item, scene.width, scene.view.at)[: scene.height]
