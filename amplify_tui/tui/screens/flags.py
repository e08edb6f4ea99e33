"""The flags screen: every flag of the release in a list that can be searched; and one flag in full, with history."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from amplify_tui.run.select.flags import FlagRow, flag_rows
from amplify_tui.tui.draw import flags as draw
from amplify_tui.tui.draw import frame
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.keys import bindings
from amplify_tui.tui.panel import Panel
from amplify_tui.tui.screens.base import CockpitScreen
from amplify_tui.tui.screens.finding import FindingScreen
from amplify_tui.tui.screens.read import ReadScreen
from amplify_tui.tui.text import Line
from amplify_tui.tui.view import View


class FlagsScreen(FindingScreen):
    """`cursor` is a flag's id, `source/name`. The rows are made once for each picture, however many panels ask."""

    KEYS: ClassVar[tuple[str, ...]] = (
        "help", "back", "open", "filter", "up", "down", "page_up", "page_down", "pause", "copy", "note",
        "mitigate", "rollback", "quit",
    )  # fmt: skip
    BINDINGS = bindings(*KEYS)

    def __init__(self) -> None:
        super().__init__()
        self._made: tuple[View, tuple[FlagRow, ...]] | None = None

    def panels(self) -> ComposeResult:
        bound = CockpitScreen.view, CockpitScreen.cursor
        yield Panel(frame.identity, id="identity").data_bind(*bound)
        yield Panel(frame.next_lines, id="next").data_bind(*bound)
        yield Panel(frame.separator, id="rule1").add_class("rule")
        yield Panel(self._head, id="head").data_bind(*bound, extra=FindingScreen.filter_text)
        yield Panel(self._list, id="list").data_bind(*bound, extra=FindingScreen.filter_text)
        yield Panel(frame.separator, id="rule2").add_class("rule")
        yield Panel(self._peek, id="peek").data_bind(*bound, extra=FindingScreen.filter_text)
        yield from self.finder()

    def rows(self, view: View) -> tuple[FlagRow, ...]:
        """Every flag of the release as of *view*."""
        if self._made is None or self._made[0] is not view:
            self._made = view, flag_rows(view.state, view.board, view.at)
        return self._made[1]

    def shown(self, view: View, find: str) -> list[FlagRow]:
        """The flags that contain what is looked for."""
        return [row for row in self.rows(view) if row.contains(find)]

    def targets(self) -> list[str]:
        return [row.id for row in self.shown(self.view, self.filter_text)]

    def selected(self) -> str:
        names = self.targets()
        return self.cursor if self.cursor in names else next(iter(names), "")

    def page(self, by: int) -> None:
        """Select the flag a screenful away, less one to keep the place."""
        self.move(by * max(1, self.query_one("#list", Panel).size.height - 1))

    def to_copy(self) -> str:
        return draw.plain(draw.detail(Scene(self.view, 200, 200, extra=self.selected())))

    def _chosen(self, scene: Scene) -> FlagRow | None:
        rows = self.shown(scene.view, scene.extra)
        return next((row for row in rows if row.id == scene.cursor), rows[0] if rows else None)

    def _head(self, scene: Scene) -> list[Line]:
        rows = self.shown(scene.view, scene.extra)
        lines = [draw.counts(self.rows(scene.view), len(rows), scene.extra)]
        return [*lines, draw.head(rows, scene.width)] if rows else lines

    def _list(self, scene: Scene) -> list[Line]:
        rows, chosen = self.shown(scene.view, scene.extra), self._chosen(scene)
        if chosen is None:
            return draw.empty(scene, scene.extra)
        return draw.table(rows, chosen.id, scene.width, scene.height)

    def _peek(self, scene: Scene) -> list[Line]:
        return draw.peek(scene, self._chosen(scene))


class FlagScreen(ReadScreen, inherit_bindings=False):
    """One flag in full: its strategies, what we left where it drifted, and its history. ⏎ answers a drift."""

    KEYS: ClassVar[tuple[str, ...]] = (
        "help", "back", "open", "copy", "note", "pause", "up", "down", "page_up", "page_down",
        "mitigate", "rollback", "quit",
    )  # fmt: skip
    BINDINGS = bindings(*KEYS)

    def __init__(self, flag: str) -> None:
        super().__init__(f"Flag {flag}", draw.detail, flag)
