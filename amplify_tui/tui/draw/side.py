"""The panels of the live world: the right column, its two-line form, and each panel in full."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from amplify_tui.run.select.world import (
    Panel,
    Row,
    flags_panel,
    git_panel,
    health_panel,
    people_panel,
    signals_panel,
)
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.text import DIM, PLAIN, SIGN_STYLES, STRONG, WARN, Line, fit, sign, spread

PANELS: Final[dict[str, Callable[[Scene], Panel]]] = {
    "flags": lambda scene: flags_panel(scene.state, scene.view.board, scene.view.at),
    "health": lambda scene: health_panel(scene.state, scene.view.board, scene.view.at),
    "git": lambda scene: git_panel(scene.state, scene.view.board, scene.view.at),
    "signals": lambda scene: signals_panel(scene.state, scene.view.board, scene.view.at),
}


def panel_lines(panel: Panel, cells: int, most: int = 99) -> list[Line]:
    """The panel's head with its age and word, and its rows. An old or lost source reads so in the head."""
    word = SIGN_STYLES[panel.sign]
    right: Line = [(f"age {panel.age} ", DIM), (panel.word, word)] if panel.word else []
    head = spread([(panel.title, STRONG), (f" {panel.source}" if panel.source else "", DIM)], right, cells)
    rows = panel.rows[:most]
    lines = [head, *(_row(row, cells) for row in rows)]
    if len(panel.rows) > most:
        lines.append([(f"  and {len(panel.rows) - most} more", DIM)])
    return lines


def _row(row: Row, cells: int) -> Line:
    name = min(max(9, len(row.name)), max(9, cells // 2 - 4))
    line: Line = [sign(row.sign), (" ", PLAIN), (fit(row.name, name), PLAIN), (f" {row.text}", PLAIN)]
    return (
        [*line, (f"  {row.extra}", WARN if row.sign in ("failed", "unknown", "note") else DIM)] if row.extra else line
    )


def side(scene: Scene) -> list[Line]:
    """All panels beneath each other; where the room is short, each gives up rows before one is dropped."""
    panels = [*(make(scene) for make in PANELS.values()), people_panel(scene.state)]
    for most in (8, 5, 4, 3, 2, 1):
        lines = [line for panel in panels for line in panel_lines(panel, scene.width, most)]
        if len(lines) <= scene.height:
            return lines
    return lines[: scene.height]


def side_lines(scene: Scene) -> list[Line]:
    """80 columns: four panels in two lines, each with its number, its gist and its age."""
    half = scene.width // 2
    cells: list[Line] = []
    for number, (name, make) in enumerate(PANELS.items(), 1):
        panel = make(scene)
        gist = "  ".join(f"{row.name} {row.text}".strip() for row in panel.rows if row.name)[: half * 2]
        left: Line = [(f" {number} ", DIM), (f"{name} ", STRONG), (gist or "–", PLAIN)]
        tail = f"{panel.age} " if panel.is_good else f"{panel.word} {panel.age} "
        cells.append(spread(left, [(tail, SIGN_STYLES[panel.sign])], half))
    return [[*cells[0], *cells[1]], [*cells[2], *cells[3]]]


def panel_in_full(name: str) -> Callable[[Scene], list[Line]]:
    """The drawing function of one panel alone, on a screen of its own."""

    def draw(scene: Scene) -> list[Line]:
        return panel_lines(PANELS[name](scene), scene.width)

    return draw
