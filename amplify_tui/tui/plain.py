"""The run as plain lines: for TERM=dumb, --plain, --headless, a pipe, a screen reader. Nothing of Textual is imported.

One line an event, and one whenever what happens next has changed. The same sentences as the cockpit's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import tzinfo
from typing import TextIO, cast

from amplify_tui.engine.client import Lost, NewEvents, Update
from amplify_tui.run.envelope import Envelope, decode
from amplify_tui.run.evolve import evolve
from amplify_tui.run.select.headline import headline
from amplify_tui.run.select.log_lines import LogLine, log_line
from amplify_tui.run.select.words import SIGNS, ascii_twin, clock
from amplify_tui.run.state import State
from amplify_tui.tui.client import Client

Write = Callable[[str], None]


def why_plain(environ: Mapping[str, str], stdout: TextIO) -> str:
    """Why the cockpit cannot be drawn here; empty where it can. To be asked before anything of Textual is imported."""
    if environ.get("TERM") == "dumb":
        return "TERM is dumb"
    return "" if stdout.isatty() else "the output is no terminal"


def needs_ascii(stdout: TextIO | None) -> bool:
    """Whether signs must be ASCII: what the output is encoded in cannot hold the others."""
    encoding = (getattr(stdout, "encoding", None) or "").lower().replace("_", "-")
    return encoding not in ("utf-8", "utf8")


class Follower:
    """Turns updates into lines. `state` is the run as of the last one; *since*: as of the one before the first."""

    def __init__(
        self, write: Write, *, tz: tzinfo | None = None, ascii_only: bool = False, since: State | None = None
    ) -> None:
        self.state = since or State()
        self._write = write
        self._tz = tz
        self._ascii = ascii_only
        self._next: tuple[str, str, str] = ("", "", "")

    def take(self, update: Update, now: float) -> None:
        """Write what *update* brings. Raises UnreadableEvent where the run is newer than this program."""
        match update:
            case NewEvents(bodies=bodies):
                for body in bodies:
                    self._event(decode(body))
                self._headline(now)
            case Lost(reason=reason, went_back=went_back):
                self._line(f"{clock(now, self._tz)} {SIGNS['unknown']} no conductor: {reason}")
                if went_back:
                    self._line(f"{clock(now, self._tz)} ! the journal lost its end: all of it follows again")
                    self.state = State()
            case _:
                pass  # the board is for screens; what matters of it reaches the journal as evidence

    def _event(self, envelope: Envelope) -> None:
        self._line(words(log_line(self.state, envelope), self._tz))
        self.state = evolve(self.state, envelope)

    def _headline(self, now: float) -> None:
        said = headline(self.state, now, tz=self._tz)
        key = (said.word, said.sign, said.next)
        if key != self._next:
            self._next = key
            self._line(f"{clock(now, self._tz)} {SIGNS[said.sign]} == {said}")

    def _line(self, text: str) -> None:
        self._write(ascii_twin(text) if self._ascii else text)


def words(line: LogLine, tz: tzinfo | None) -> str:
    """`14:22:40 ✓ effect e19 flag checkout-v3 5 % → 25 % done`."""
    return f"{clock(line.at, tz)} {SIGNS[line.sign]} {line.text}"


async def follow_plain(
    client: Client,
    write: Write,
    *,
    now: Callable[[], float],
    until: Callable[[State], bool] = lambda state: state.phase == "closed",
    tz: tzinfo | None = None,
    ascii_only: bool = False,
) -> State:
    """Write the run line by line until *until* says so of its state; the answer is that state.

    Raises UnreadableEvent where the run is newer than this program.
    """
    follower = Follower(write, tz=tz, ascii_only=ascii_only)
    again = True
    while again:
        again = False
        updates = cast("AsyncGenerator[Update, None]", client.follow(follower.state.seq))
        async with aclosing(updates):
            async for update in updates:
                follower.take(update, now())
                if follower.state.seq and until(follower.state):
                    return follower.state
                again = isinstance(update, Lost) and update.went_back
    return follower.state
