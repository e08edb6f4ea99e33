"""The panels of the live world: the right column, its two-line form, and each panel in full."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rich.cells import cell_len

from amplify_tui.run.select.flags import flags_panel
from amplify_tui.run.select.signals import signals_panel
from amplify_tui.run.select.world import (
    Panel,
    Row,
    git_panel,
    health_panel,
    people_panel,
)
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.text import DIM, PLAIN, SIGN_STYLES, STRONG, WARN, Line, fit, sign, spread, width, wrap

PANELS: Final[dict[str, Callable[[Scene], Panel]]] = {
    "flags": lambda scene: flags_panel(scene.state, scene.view.board, scene.view.at),
    "health": lambda scene: health_panel(scene.state, scene.view.board, scene.view.at),
    "git": lambda scene: git_panel(scene.state, scene.view.board, scene.view.at),
    "signals": lambda scene: signals_panel(scene.state, scene.view.board, scene.view.at),
}


LEAST_COURSE: Final = 4  # fewer bars tell nothing
NAMELESS: Final = 5  # lines of a row that is a sentence of its own


def panel_lines(panel: Panel, cells: int, most: int = 99, *, tight: bool = False) -> list[Line]:
    """The panel's head with its age and word, and its rows. An old or lost source reads so in the head.

    A row that is longer than a line goes on in the next; *tight* keeps each on one, where there is no room for that.
    """
    word = SIGN_STYLES[panel.sign]
    right: Line = [(f"age {panel.age} ", DIM), (panel.word, word)] if panel.word else []
    head = spread([(panel.title, STRONG), (f" {panel.source}" if panel.source else "", DIM)], right, cells)
    rows = panel.rows[:most]
    names = max((cell_len(row.name) for row in rows), default=0)
    lines = [head, *(line for row in rows for line in _row(row, cells, names, tight=tight))]
    if left := sum(not row.part for row in panel.rows[most:]):
        lines.append([(f"  +{left} more", DIM)])
    return lines


def _row(row: Row, cells: int, names: int, *, tight: bool) -> list[Line]:
    name = min(max(9, names), max(9, cells // 2))
    style = WARN if row.sign in ("failed", "unknown", "note") else DIM
    lead: Line = [sign(row.sign), (" ", PLAIN), (fit(row.name, name), PLAIN)]
    if not row.name:
        lead = [sign(row.sign)]
    line: Line = [*lead, (f" {row.text}", PLAIN), *([(f"  {row.extra}", style)] if row.extra else [])]
    room = cells - width(line) - 2
    if row.course and room >= LEAST_COURSE:
        line.append((f"  {row.course[-room:]}", DIM))
    below: list[Line] = [[("    ", PLAIN), (part, DIM)] for part in wrap(row.more, cells - 4, 2)]
    if tight:
        return [line]
    if width(line) <= cells:
        return [line, *below]
    if not row.name:
        words = [(part, PLAIN) for part in wrap(row.text, cells - 2, NAMELESS)]
        words += [(part, style) for part in wrap(row.extra, cells - 2, 2)]
        return [[sign(row.sign if at == 0 else "none"), (" ", PLAIN), part] for at, part in enumerate(words)]
    first: Line = [*lead, (f" {row.text}", PLAIN)]
    rest = [(row.extra, style)]
    if width(first) > cells:
        first, rest = [sign(row.sign), (f" {row.name}", PLAIN)], [(row.text, PLAIN), (row.extra, style)]
    more = [[("    ", PLAIN), (part, kind)] for words, kind in rest for part in wrap(words, cells - 4, 2)]
    return [first, *more, *below]


# How the room is shared where it is short: rows of a panel, rows of the people, and whether long rows may go on.
SHARES: Final = (
    (8, 8, False), (8, 2, False), (8, 0, False), (6, 0, False), (4, 0, False),
    (8, 0, True), (5, 0, True), (4, 0, True), (2, 0, True), (1, 0, True),
)  # fmt: skip


def side(scene: Scene) -> list[Line]:
    """All panels beneath each other; where the room is short the people give way first, and no row is cut before."""
    panels = [make(scene) for make in PANELS.values()]
    lines: list[Line] = []
    for most, people, tight in SHARES:
        lines = [line for panel in panels for line in panel_lines(panel, scene.width, most, tight=tight)]
        lines += panel_lines(people_panel(scene.state), scene.width, people, tight=tight)
        if len(lines) <= scene.height:
            break
    return lines[: scene.height]


def side_lines(scene: Scene) -> list[Line]:
    """80 columns: four panels in two lines, each with its number, its gist and its age."""
    half = scene.width // 2
    cells: list[Line] = []
    for number, (name, make) in enumerate(PANELS.items(), 1):
        panel = make(scene)
        right: Line = [(f"{panel.age} " if panel.is_good else f"{panel.word} {panel.age} ", SIGN_STYLES[panel.sign])]
        left: Line = [(f" {number} ", DIM), (f"{name} ", STRONG)]
        left.append((gist(panel, half - width(left) - width(right) - 1), PLAIN))
        cells.append(spread(left, right, half))
    return [[*cells[0], *cells[1]], [*cells[2], *cells[3]]]


def gist(panel: Panel, cells: int) -> str:
    """As many rows as fit whole into *cells*, in short where they do not fit in full; `+2` says that there are more.

    Of a row that does not fit at all it is the name that is cut.
    """
    rows = [row for row in panel.rows if not row.part]
    full = [f"{row.name} {row.text}".strip() for row in rows]
    short = [f"{row.name} {row.text.partition('  ')[0]}".strip() for row in rows]
    if not rows or cell_len("  ".join(full)) <= cells:
        return "  ".join(full) or "–"
    for shown in range(len(short), 0, -1):
        more = f" +{len(short) - shown}" if shown < len(short) else ""
        words = " ".join(short[:shown]) + more
        if cell_len(words) <= cells:
            return words
    if cell_len(short[0]) <= cells:
        return short[0]
    more = f" +{len(short) - 1}" if len(short) > 1 else ""
    known = rows[0].text.partition("  ")[0]
    name = max(1, cells - cell_len(known) - 1 - len(more))  # the name gives way, what is known of it does not
    return f"{fit(rows[0].name, name).rstrip()} {known}{more}"


def panel_in_full(name: str) -> Callable[[Scene], list[Line]]:
    """The drawing function of one panel alone, on a screen of its own."""

    def draw(scene: Scene) -> list[Line]:
        return panel_lines(PANELS[name](scene), scene.width)

    return draw
