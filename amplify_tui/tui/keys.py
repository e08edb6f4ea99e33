"""Every key of the cockpit, once: its id, label, what it means. The bindings, the key line, the help and the palette
are all made from this table. A key has one meaning everywhere; a screen may lack one, never reuse it.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from textual.binding import Binding, BindingType

from amplify_tui.run.select.words import ascii_twin
from amplify_tui.tui.text import DIM, PLAIN, STRONG, WARN, Line, width

KEY_NAMES: Final = {
    "question_mark": "?",
    "enter": "⏎",
    "escape": "esc",
    "slash": "/",
    "plus": "+",
    "up": "↑",
    "down": "↓",
    "pageup": "PgUp",
    "pagedown": "PgDn",
}


class Key(Struct, frozen=True):
    """One key: *id* for remapping, *label* and *short* for the key line, *tip* for the help and the palette."""

    id: str
    key: str
    label: str
    short: str
    tip: str
    kind: str = "see"

    @property
    def name(self) -> str:
        return KEY_NAMES.get(self.key, self.key)

    @property
    def binding(self) -> Binding:
        return Binding(self.key, f"app.act('{self.id}')", self.label, id=self.id, tooltip=self.tip, show=True)


_TABLE: Final = (
    Key("help", "question_mark", "help", "help", "All keys of this screen, and what they do"),
    Key("open", "enter", "open", "open", "Open, answer or choose what is selected; on a draft: start"),
    Key("up", "up", "", "", "Select the one above"),
    Key("down", "down", "", "", "Select the one below"),
    Key("page_up", "pageup", "", "", "A page up"),
    Key("page_down", "pagedown", "", "", "A page down"),
    Key("back", "escape", "back", "back", "Back to the screen before; ends a find"),
    Key("filter", "slash", "find", "find", "Show only the lines that contain a word"),
    Key("pause", "p", "pause", "pause", "Hold the run, or go on: forward work stops, watching and undo do not", "act"),
    Key("gate", "g", "gate", "gate", "The gate of the selected step: every condition and its evidence"),
    Key(
        "advance",
        "a",
        "advance",
        "adv",
        "Go to the next phase before its bake is over; every condition must pass",
        "act",
    ),
    Key("retreat", "b", "back phase", "back", "Go back to a lower phase, at once and without a gate", "act"),
    Key(
        "override",
        "o",
        "override",
        "overr",
        "Pass a failing condition, with a role, a reason and the percentage",
        "act",
    ),
    Key("skip", "s", "skip", "skip", "Skip the selected step, with a reason, where the playbook allows it", "act"),
    Key("retry", "r", "retry", "retry", "Try the selected step or undo item again", "act"),
    Key("settle", "u", "settle", "settle", "Say how an effect ended whose outcome nobody knows", "act"),
    Key("evidence", "e", "evidence", "evid", "What the judgement was made from"),
    Key("copy", "y", "copy", "copy", "Copy what is selected to the clipboard, over ssh too"),
    Key("note", "n", "note", "note", "Write a note into the journal", "act"),
    Key("waive", "w", "waive", "waive", "Leave an undo item undone, with a reason", "act"),
    Key("card", "k", "card", "card", "The break-glass card: how to undo all of it by hand"),
    Key("report", "v", "report", "report", "The after-action report of the run"),
    Key("new", "plus", "new run", "new", "Start a run of the selected playbook"),
    Key("drill", "d", "drill", "drill", "Rehearse the selected drill"),
    Key("check", "c", "check", "check", "Every problem of the playbook"),
    Key("difference", "D", "difference", "diff", "How the playbook on disk differs from the pinned one"),
    Key("panel1", "1", "flags", "flags", "Every flag of the release: who gets it, drift, who changed it, its history"),
    Key("panel2", "2", "health", "health", "Panel: every service and instance"),
    Key("panel3", "3", "git", "git", "Panel: the repository, its commits and tags"),
    Key("panel4", "4", "signals", "signals", "Panel: the golden signals"),
    Key("mitigate", "M", "MITIGATE (f9)", "MITIGATE", "Arm: then Y within 5 s takes all exposure away", "undo"),
    Key("rollback", "R", "rollback (f10)", "rollb", "The rollback: its plan, its progress, and F to begin it", "undo"),
    Key("full", "F", "full rollback", "full", "Undo everything, in bands; asks to type the environment", "undo"),
    Key("quit", "q", "detach", "quit", "Leave the cockpit; the run goes on without it"),
)
KEYS: Final[dict[str, Key]] = {key.id: key for key in _TABLE}

F9: Final = Binding("f9", "act('mitigate')", "MITIGATE", id="mitigate_f9", priority=True, show=False)
F10: Final = Binding("f10", "act('rollback')", "rollback", id="rollback_f10", priority=True, show=False)

# The terminal's own habits must not end or suspend the cockpit by accident (ctrl+q, ctrl+z); both answer with a line.
SWALLOWED: Final[list[BindingType]] = [
    Binding("ctrl+q", "act('swallowed')", "", id="no_ctrl_q", priority=True, show=False),
    Binding("ctrl+s", "act('swallowed')", "", id="no_ctrl_s", priority=True, show=False),
    Binding("ctrl+z", "act('swallowed')", "", id="no_ctrl_z", priority=True, show=False),
]


def bindings(*ids: str) -> list[BindingType]:
    """The bindings of a screen, by their ids in the table."""
    return [KEYS[name].binding for name in ids]


_LAST_TO_GO: Final = ("help", "mitigate", "rollback", "full", "quit")


_PLACES: Final = {
    "full": "on the rollback screen: R first",
    "waive": "on the rollback screen: R first",
    "new": "on the home screen, with a playbook selected",
    "drill": "on the home screen, with a drill selected",
    "check": "on the home screen",
    "filter": "on the main screen, and among the flags: esc first",
    "page_up": "among the flags, and on a screen to read: a step, a panel, the help",
    "page_down": "among the flags, and on a screen to read: a step, a panel, the help",
    "back": "on a screen that was opened from another",
}
_IN_A_RUN: Final = "in a run: ⏎ opens one"


def elsewhere(key: str, shown: str, *, at_home: bool) -> str:
    """What a key says that this screen lacks: where it works; of one that no screen has, where the keys are listed."""
    known = next((entry for entry in KEYS.values() if entry.key == key), None)
    if known is None:
        return f"! {shown} means nothing here: ? lists the keys"
    place = _PLACES.get(known.id, "on the main screen: esc first")
    if at_home and not place.startswith("on the home"):
        place = _IN_A_RUN
    return f"! {known.name} ({known.label.partition(' (')[0] or known.id}) works {place}"


def key_line(ids: tuple[str, ...], cells: int, *, ascii_only: bool = False) -> Line:
    """The keys in one line that always fits: long labels, then short ones, then fewer of them.

    In ASCII a key may be a word (`Enter`), which stands apart from its label.
    """
    shown = [KEYS[name] for name in ids if KEYS[name].label and not name.startswith("panel")]
    panels = any(name.startswith("panel") for name in ids)
    kept = list(shown)
    for short in (False, True):
        line = _line(kept, panels, short=short, ascii_only=ascii_only)
        if width(line) <= cells:
            return line
    panels = False
    line = _line(kept, panels, short=True, ascii_only=ascii_only)
    while width(line) > cells and len(kept) > 1:
        weak = [key for key in kept if key.id not in _LAST_TO_GO] or kept[1:]
        kept.remove(weak[-1])
        line = _line(kept, panels, short=True, ascii_only=ascii_only)
    return line


def _line(keys: list[Key], panels: bool, *, short: bool, ascii_only: bool) -> Line:
    line: Line = []
    undo: Line = []
    for key in keys:
        label = key.short if short else key.label
        style = WARN if key.kind == "undo" else STRONG
        name = "M Y" if key.id == "mitigate" else ascii_twin(key.name) if ascii_only else key.name
        space = "" if len(name) == 1 and not name.isalnum() else " "
        (undo if key.kind == "undo" else line).extend([(f" {name}{space}", style), (label, PLAIN)])
    if panels:
        line += [(" 1-4 ", STRONG), ("panels", PLAIN)]
    return [*line, (" ", DIM), *undo]
