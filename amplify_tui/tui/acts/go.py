"""Acts that only look: screens, panels, filter, copy, reports; and leaving."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from amplify_tui.run.select.gate import observed
from amplify_tui.tui.client import Door
from amplify_tui.tui.draw import detail
from amplify_tui.tui.draw.evidence import evidence as evidence_of
from amplify_tui.tui.draw.scene import Draw, Scene
from amplify_tui.tui.draw.side import PANELS, panel_in_full
from amplify_tui.tui.modals.form import Choice, Filled, Form
from amplify_tui.tui.orders import no
from amplify_tui.tui.screens.base import CockpitScreen
from amplify_tui.tui.screens.finding import FindingScreen
from amplify_tui.tui.screens.flags import FlagsScreen
from amplify_tui.tui.screens.gate import GateScreen
from amplify_tui.tui.screens.help import help_draw
from amplify_tui.tui.screens.home import HomeScreen
from amplify_tui.tui.screens.read import ReadScreen, fixed
from amplify_tui.tui.screens.rollback import RollbackScreen
from amplify_tui.tui.text import Line

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit


def read(app: Cockpit, title: str, draw: Draw, subject: str = "", cursor: str = "") -> None:
    """A screen to read, with esc to come back."""
    app.push_screen(ReadScreen(title, draw, subject, cursor))


def help_(app: Cockpit) -> None:
    read(app, "Help", help_draw(app.screen.active_bindings.values()))


def move(by: int) -> Callable[[Cockpit], None]:
    def act(app: Cockpit) -> None:
        if isinstance(app.screen, CockpitScreen):
            app.screen.move(by)

    return act


def page(by: int) -> Callable[[Cockpit], None]:
    def act(app: Cockpit) -> None:
        if isinstance(app.screen, ReadScreen | FlagsScreen):
            app.screen.page(by)

    return act


def back(app: Cockpit) -> None:
    """End the filter, else leave the screen; the first screen is not left by esc."""
    screen = app.screen
    if isinstance(screen, FindingScreen) and screen.close_filter():
        return
    if len(app.screen_stack) > 1:
        app.pop_screen()
        if isinstance(app.screen, HomeScreen):
            app.detach()
        return
    app.say("! this is the first screen: q leaves the cockpit, and the run goes on without it")


def find(app: Cockpit) -> None:
    if isinstance(app.screen, FindingScreen):
        app.screen.open_filter()


def gate(app: Cockpit) -> None:
    step = app.step()
    if step is None or step.watch is None:
        step = observed(app.state)
    if step is None:
        why = "no step of this run is watched yet"
        app.say(no("there is no gate", why, "a rollout, a monitor or a verify step has one"))
        return
    app.push_screen(GateScreen(step.ref))


def show_step(app: Cockpit, ref: str) -> None:
    read(app, ref, detail.step, ref)


def evidence(app: Cockpit) -> None:
    """The evidence of the chosen condition; of a step that is not watched, everything that is known of it."""
    screen = app.screen
    if isinstance(screen, GateScreen):
        read(app, f"Evidence {screen.selected()}", evidence_of, screen.ref, screen.selected())
        return
    step = app.step()
    if step is None:
        app.say(no("there is no evidence", "no step is selected"))
    elif step.watch is not None:
        read(app, f"Evidence {step.ref}", evidence_of, step.ref)
    else:
        show_step(app, step.ref)


def panel(name: str, more: Draw | None = None) -> Callable[[Cockpit], None]:
    """The panel alone, with what there is no room for beside the rest."""
    head = panel_in_full(name)

    def draw(scene: Scene) -> list[Line]:
        return [*head(scene), [], *more(scene)] if more is not None else head(scene)

    def act(app: Cockpit) -> None:
        read(app, name.capitalize(), draw)

    return act


PANEL_ACTS = {
    f"panel{i}": panel(name, {"health": detail.instances, "git": detail.git}.get(name))
    for i, name in enumerate(PANELS, 1)
    if name != "flags"  # it has a screen of its own
}


def dependencies(app: Cockpit) -> None:
    read(app, "Dependencies", lambda scene: [*detail.tree(scene), [], *detail.instances(scene)])


def commits(app: Cockpit) -> None:
    read(app, "Commits", detail.commits)


def rollback(app: Cockpit) -> None:
    """From anywhere: dialogs close, and the rollback screen is on top, once."""
    app.close_dialogs()
    if any(isinstance(screen, RollbackScreen) for screen in app.screen_stack):
        while not isinstance(app.screen, RollbackScreen):
            app.pop_screen()
        return
    if isinstance(app.screen, HomeScreen):
        app.say(no("there is no rollback here", "no run is open", "⏎ opens the selected run, then R"))
        return
    app.push_screen(RollbackScreen())


def copy(app: Cockpit) -> None:
    """To the clipboard by OSC 52, which works over ssh where the terminal allows it."""
    if isinstance(app.screen, CockpitScreen):
        words = app.screen.to_copy()
        if not words:
            app.say(no("nothing is copied", "nothing is selected"))
            return
        app.copy_to_clipboard(words)
        app.say(f"✓ {len(words)} characters sent to the clipboard of this terminal")


def door(name: str, title: str, instead: str) -> Callable[[Cockpit], None]:
    """Something that lies outside the run's commands: shown where the cockpit was given it, else said how to get it."""

    def act(app: Cockpit) -> None:
        opened: Door | None = getattr(app.doors, name)
        run = app.chosen_run()
        if opened is None:
            why = "this cockpit was opened without it"
            app.say(no(f"the {title.lower()} is not shown here", why, instead.format(run=run or "RUN")))
            return
        if not run:
            app.say(no(f"the {title.lower()} needs a run", "none is open or selected", instead.format(run="RUN")))
            return

        async def show() -> None:
            read(app, title, fixed(await opened(run)))

        app.work(show(), title)

    return act


def swallowed(app: Cockpit) -> None:
    app.say("! ctrl+q, ctrl+s and ctrl+z do nothing here: q leaves the cockpit")


def quit_(app: Cockpit) -> None:
    """Detach; a demo asks first, for its world and conductor end with it."""
    if not app.demo:
        app.exit(return_code=0)
        return

    def done(filled: Filled) -> None:
        app.exit(return_code=0)

    lines = ("The sandbox world, the conductor and the cockpit end together.",)
    app.ask(Form("End the demo?", lines, (), (Choice("ok", "End it", "error"),), danger=True), done)
