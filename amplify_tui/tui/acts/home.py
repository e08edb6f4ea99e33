"""Acts of the home screen: open a run, start one, rehearse."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from amplify_tui.tui.client import Client
from amplify_tui.tui.orders import no
from amplify_tui.tui.screens.home import HomeScreen
from amplify_tui.tui.screens.main import MainScreen

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit


async def refresh(app: Cockpit) -> None:
    """Read the summaries again, where the home screen is there to show them."""
    screen = app.screen_stack[0] if app.screen_stack else None
    if app.home is not None and isinstance(screen, HomeScreen):
        runs, startable = await app.home.runs(), await app.home.startable()
        screen.show_runs(runs, startable)


def enter(app: Cockpit, client: Client) -> None:
    """Follow *client* and show its run."""
    app.attach(client)
    app.push_screen(MainScreen())


def attach(app: Cockpit, run: str) -> None:
    async def go() -> None:
        if app.home is not None:
            enter(app, await app.home.attach(run))

    app.work(go(), f"attach to {run}")


def start(app: Cockpit, name: str) -> None:
    async def go() -> None:
        if app.home is not None:
            enter(app, await app.home.start(name))

    app.say(f"▶ {name}: a draft is made …")
    app.work(go(), f"start {name}")


def open_selected(app: Cockpit, screen: HomeScreen) -> None:
    if screen.run is not None:
        attach(app, screen.run.run)
    elif screen.item is not None:
        start(app, screen.item.name)
    else:
        why = "this journal has no runs and no playbook is here"
        app.say(no("there is nothing to open", why, "`amplify init` writes one"))


def new(kind: str) -> Callable[[Cockpit], None]:
    """+ and d: start the selected playbook or drill; said how where the selection is something else."""

    def act(app: Cockpit) -> None:
        screen = app.screen
        item = screen.item if isinstance(screen, HomeScreen) else None
        if item is not None and item.kind == kind:
            start(app, item.name)
        else:
            what = "started" if kind == "playbook" else "rehearsed"
            app.say(no(f"nothing is {what}", f"no {kind} is selected", "select one, then press the key again"))

    return act
