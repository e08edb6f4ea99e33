"""Which function each act is: by the ids of keys.py, and those that only the palette has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from amplify_tui.tui.acts import flags, go, home, phase, run, step, undo
from amplify_tui.tui.screens.flags import FlagScreen, FlagsScreen
from amplify_tui.tui.screens.gate import GateScreen
from amplify_tui.tui.screens.home import HomeScreen
from amplify_tui.tui.screens.rollback import RollbackScreen

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit

Act: TypeAlias = Callable[["Cockpit"], None]


def open_(app: Cockpit) -> None:
    """⏎ means the selected thing of whatever screen this is."""
    screen = app.screen
    if isinstance(screen, HomeScreen):
        home.open_selected(app, screen)
    elif isinstance(screen, RollbackScreen):
        undo.choose(app)
    elif isinstance(screen, GateScreen):
        go.evidence(app)
    elif isinstance(screen, FlagsScreen):
        flags.open_selected(app, screen)
    elif isinstance(screen, FlagScreen):
        flags.answer(app, screen)
    else:
        step.open_selected(app)


ACTS: Final[dict[str, Act]] = {
    "help": go.help_,
    "open": open_,
    "up": go.move(-1),
    "down": go.move(1),
    "page_up": go.page(-1),
    "page_down": go.page(1),
    "back": go.back,
    "filter": go.find,
    "pause": run.pause,
    "gate": go.gate,
    "advance": phase.advance,
    "retreat": phase.retreat,
    "override": phase.override,
    "skip": step.skip,
    "retry": step.retry,
    "settle": step.settle,
    "evidence": go.evidence,
    "copy": go.copy,
    "note": run.note,
    "waive": undo.waive,
    "card": go.door(
        "card", "Break-glass card", "it lies in the run's directory; `amplify show {run}` lists what is to take back"
    ),
    "report": go.door("report", "Report", "`amplify show {run}` tells it"),
    "new": home.new("playbook"),
    "drill": home.new("drill"),
    "check": go.door("check", "Check", "`amplify check PLAYBOOK` lists every problem"),
    "difference": go.door("difference", "Playbook difference", "`amplify do {run} migrate` shows it"),
    **go.PANEL_ACTS,
    "panel1": flags.show,
    "mitigate": run.mitigate,
    "rollback": go.rollback,
    "full": run.full,
    "quit": go.quit_,
    "swallowed": go.swallowed,
    "take_role": run.take_role,
    "abort": run.abort,
    "disarm": run.disarm,
    "arm": run.arm,
    "migrate": run.migrate,
    "inputs": run.inputs,
    "dependencies": go.dependencies,
    "commits": go.commits,
}

PALETTE_ONLY: Final[dict[str, tuple[str, str]]] = {
    "take_role": ("take a role", "Claim a role that the playbook leaves open"),
    "abort": ("abandon the run", "Stop it and leave its effects as they are"),
    "disarm": ("disarm a trigger", "For at most an hour, by two people"),
    "arm": ("arm a trigger", "One that is disarmed, or that somebody asks to disarm"),
    "migrate": ("migrate the run", "Go by the playbook's file as it is now: of a draft, or a run that is held"),
    "inputs": ("change the inputs", "Of a draft"),
    "dependencies": ("dependency tree", "Every service, its versions and what it requires"),
    "commits": ("commits", "What is released: commits, tickets, authors, notes"),
}
