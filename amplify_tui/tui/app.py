"""The cockpit: a view of one run (or of the home) and the keys that order something. It holds no truth of its own.

Events come from the client, are folded here, and reach the screens as one `view`, at most five times a second; keys
are answered at once. What an act does is in acts/, what a screen shows in draw/, what may be done in `run.decide`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from datetime import tzinfo
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar, cast

from textual.app import App, SystemCommand
from textual.reactive import var
from textual.screen import ModalScreen, Screen

from amplify_tui.engine.client import Lost, UnreachableError, Update
from amplify_tui.engine.journal import JournalError
from amplify_tui.engine.wire import WireError
from amplify_tui.run.commands import Order
from amplify_tui.run.envelope import UnreadableEvent
from amplify_tui.run.state import State, StepState
from amplify_tui.tui import orders
from amplify_tui.tui.acts import home as home_acts
from amplify_tui.tui.acts.table import ACTS
from amplify_tui.tui.client import Client, Doors, Home, HomeError
from amplify_tui.tui.draw.scene import selected_step
from amplify_tui.tui.keys import F9, F10, SWALLOWED
from amplify_tui.tui.modals.form import Filled, Form, FormDialog
from amplify_tui.tui.palette import Commands
from amplify_tui.tui.screens.gate import GateScreen
from amplify_tui.tui.screens.home import HomeScreen
from amplify_tui.tui.screens.main import MainScreen
from amplify_tui.tui.screens.rollback import RollbackScreen
from amplify_tui.tui.view import Feed, View

O = TypeVar("O", bound=Order)  # noqa: E741  # one order in, the same kind out

REPAINT: Final = 0.2
HOME_EVERY: Final = 2.0


class Cockpit(App[None]):
    """Shows the run behind *client*, or the home where there is none yet.

    actor: who orders. demo: leaving asks, since it ends the world too. clock and monotonic: time, for tests.
    """

    TITLE = "Amplify"
    # All at once: Textual does not load the sheet of a default screen by itself.
    CSS_PATH: ClassVar = sorted(Path(__file__).parent.glob("*/*.tcss"))
    BINDINGS: ClassVar = [F9, F10, *SWALLOWED]
    COMMANDS = App.COMMANDS | {Commands}
    NOTIFICATION_TIMEOUT = 0.0

    view: var[View] = var(View, init=False)
    message: var[str] = var("", init=False)

    def __init__(
        self,
        client: Client | None = None,
        *,
        actor: str,
        home: Home | None = None,
        home_title: str = "",
        doors: Doors | None = None,
        ascii_only: bool = False,
        demo: bool = False,
        bell: bool = False,
        tz: tzinfo | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.actor, self.home, self.home_title = actor, home, home_title
        self.doors = doors or Doors()
        self.ascii_only, self.demo, self.rings, self.tz = ascii_only, demo, bell, tz
        self.now, self.monotonic = clock, monotonic
        self.feed = Feed(actor, tz)
        self._client = client
        self._called_for: frozenset[str] = frozenset()
        self.set_class(ascii_only, "-ascii")

    @property
    def state(self) -> State:
        """The run as of the last picture: what the person at the keys has seen."""
        return self.view.state

    def get_default_screen(self) -> Screen[Any]:
        return MainScreen() if self.home is None or self._client is not None else HomeScreen()

    def on_mount(self) -> None:
        # After a suspend the terminal stays blank until something is drawn.
        self.app_resume_signal.subscribe(self, lambda _: self.call_later(lambda: self.screen.refresh(layout=True)))
        self.set_interval(REPAINT, self.tick)
        if self.home is not None:
            self.set_interval(HOME_EVERY, lambda: self.work(home_acts.refresh(self), "home", group="home"))
            self.work(home_acts.refresh(self), "home", group="home")
        if self._client is not None:
            self.attach(self._client)
        self.tick()

    # --- the run ----------------------------------------------------------------------------------------------------

    def attach(self, client: Client) -> None:
        """Follow another run from its beginning; what was followed before is let go."""
        self._client = client
        self.feed = Feed(self.actor, self.tz)
        self._called_for = frozenset()
        self.run_worker(self._follow(client, self.feed), group="follow", description="follow the run", exclusive=True)

    def detach(self) -> None:
        """Back at home: nothing is followed."""
        self.workers.cancel_group(self, "follow")
        self._client, self.feed = None, Feed(self.actor, self.tz)

    async def _follow(self, client: Client, feed: Feed) -> None:
        """Fold what comes. A journal that went back is read again from its start; the feed says so."""
        went_back = True
        while went_back:
            went_back = False
            updates = cast("AsyncGenerator[Update, None]", client.follow(feed.seq))
            async with aclosing(updates):
                async for update in updates:
                    went_back = isinstance(update, Lost) and update.went_back
                    try:
                        feed.take(update, self.now())
                    except UnreadableEvent as error:
                        feed.stop(f"this cockpit cannot read the run: {error}", self.now())
                        return
                    if feed.seq and not self.state.run:
                        self.tick()  # the first picture does not wait for its turn
        feed.stop("nothing more comes from the run", self.now())

    def tick(self) -> None:
        """A new picture where something changed, and once a second for the ages."""
        now = self.now()
        if not (self.feed.dirty or now - self.view.at >= 1.0):
            return
        self.view = self.feed.view(now)
        calls = {*self.state.holds, *(t.spec.id for t in self.state.open_triggers)}
        if calls - self._called_for and self.rings:
            self.bell()
        if self.view.facts and self.view.facts not in self._called_for:
            self.say(f"! {self.view.facts}")
        self._called_for = frozenset({*calls, self.view.facts})

    # --- what acts use ----------------------------------------------------------------------------------------------

    def step(self) -> StepState | None:
        """The step that an act is about: the screen's selection, else the one that matters now."""
        screen = self.screen
        if isinstance(screen, GateScreen):
            return selected_step(self.state, screen.ref)
        main = next((s for s in reversed(self.screen_stack) if isinstance(s, MainScreen)), None)
        return selected_step(self.state, main.selected() if main is not None else "")

    def selected_item(self) -> str:
        """The undo item selected on the rollback screen; empty elsewhere."""
        return self.screen.selected() if isinstance(self.screen, RollbackScreen) else ""

    def chosen_run(self) -> str:
        """The id of the run that is open, or selected at home."""
        if isinstance(self.screen, HomeScreen):
            return self.screen.run.run if self.screen.run is not None else ""
        return self.state.run

    def order(self, kind: type[O], by: str = "", **fields: Any) -> O:
        """An order by the person at the keys (or *by* another name, which only a sandbox accepts)."""
        return orders.order(kind, by or self.actor, **fields)

    def send(self, command: Order) -> None:
        """Send an order; its answer becomes the message line, whenever it comes."""
        client = self._client
        if client is None:
            self.say(orders.no("nothing is ordered", "no run is open", "open one first"))
            return

        async def deliver() -> None:
            self.say(orders.words(command, await client.submit(orders.as_command(command), at=self.now())))

        self.work(deliver(), "order")

    def work(self, doing: Coroutine[Any, Any, None], what: str, *, group: str = "acts") -> None:
        """Do something that takes its time; what goes wrong outside becomes a line, never a crash."""

        async def guarded() -> None:
            try:
                await doing
            except (UnreachableError, WireError, JournalError, HomeError, OSError) as error:
                self.say(orders.no(f"{what} failed", str(error)))

        self.run_worker(guarded(), group=group, description=what)

    def ask(self, form: Form, then: Callable[[Filled], None]) -> None:
        """Open a dialog; *then* is called with what was filled in, unless it was cancelled."""

        def done(filled: Filled | None) -> None:
            if filled is not None:
                then(filled)

        self.push_screen(FormDialog(form), done)

    def say(self, words: str) -> None:
        """Show one line above the keys: a sign, a space, a sentence."""
        self.message = words

    def close_dialogs(self) -> None:
        """Close every dialog that is open, as if cancelled: mitigate and rollback come first."""
        while isinstance(self.screen, ModalScreen):
            self.pop_screen()

    def action_act(self, name: str) -> None:
        """Do an act of the table; the answer to the key before it goes away."""
        self.message = ""
        ACTS[name](self)

    def action_help_quit(self) -> None:
        """ctrl+c, in place of Textual's toast."""
        self.say("! ctrl+c does not end anything here: q leaves the cockpit, M Y takes exposure away")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Of Textual's own commands only the theme, so that the palette holds nothing that ends or hides things."""
        yield SystemCommand("theme", "Colours: dark, light, or the terminal's own (ansi)", self.action_change_theme)
