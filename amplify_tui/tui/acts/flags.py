"""Acts on the flags screen: open it, open a flag in full, answer a drift from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amplify_tui.run.drift import drift_hold
from amplify_tui.tui.acts import run
from amplify_tui.tui.orders import no
from amplify_tui.tui.screens.flags import FlagScreen, FlagsScreen
from amplify_tui.tui.screens.home import HomeScreen

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit


def show(app: Cockpit) -> None:
    """The list of all flags of the release; where it is open already, that one."""
    if isinstance(app.screen, HomeScreen):
        app.say(no("there are no flags here", "no run is open", "⏎ opens the selected run, then 1"))
        return
    if any(isinstance(screen, FlagsScreen) for screen in app.screen_stack):
        while not isinstance(app.screen, FlagsScreen):
            app.pop_screen()
        return
    app.push_screen(FlagsScreen())


def open_selected(app: Cockpit, screen: FlagsScreen) -> None:
    """⏎ in the list: the selected flag in full."""
    flag = screen.selected()
    if not flag:
        why = "none contains what is looked for" if screen.filter_text else "none has been read"
        app.say(no("no flag is opened", why, "esc ends the find" if screen.filter_text else ""))
        return
    app.push_screen(FlagScreen(flag))


def answer(app: Cockpit, screen: FlagScreen) -> None:
    """⏎ on a flag in full: whose it is to be, where somebody else changed it."""
    hold = drift_hold(app.state, screen.subject)
    if hold is None:
        app.say(no("nothing is asked about this flag", "nobody else has changed it since the run left it"))
        return
    run.release(app, hold)
