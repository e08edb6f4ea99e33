"""From a client to a running cockpit and back to an exit status: signals, the key guard, crashes. For the command line.

Leave is 0 (the run goes on without a cockpit), a signal is 128 + its number, a crash is 70. The terminal is restored
in each of these; the traceback of a crash goes to a file, never to the person.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from amplify_tui.tui import kitty
from amplify_tui.tui.app import Cockpit

CRASHED: Final = 70
STARTED: Final = 1.0  # seconds within which the first picture is there
SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def run_cockpit(app: Cockpit, *, mouse: bool = False, log: Path | None = None) -> int:
    """Run *app* in this terminal until it is left; the exit status.

    Where TERM is dumb or the output is no terminal, use `plain.follow_plain` instead (`plain.why_plain` tells).
    log: where the traceback of a crash is appended; without it, it goes to stderr.
    """
    kitty.install()
    if log is None:
        return _status(app, _run(app, mouse=mouse), None)
    with log.open("a", encoding="utf-8") as file:
        app.error_console = Console(file=file, markup=False, highlight=False, width=120)
        return _status(app, _run(app, mouse=mouse), log)


def _run(app: Cockpit, *, mouse: bool) -> int | None:
    async def main() -> int | None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            # By default the first two end the process with the terminal as it is: alternate screen, no cursor.
            loop.add_signal_handler(number, _leave, app, number)
        loop.call_later(STARTED, _collect)
        await app.run_async(mouse=mouse)
        return app.return_code

    return asyncio.run(main())


def _collect() -> None:
    """Look for garbage from now on, as any program does; not among what the start made, for that stays."""
    gc.freeze()
    gc.enable()


def _leave(app: Cockpit, number: int) -> None:
    app.exit(return_code=128 + number)


def _status(app: Cockpit, code: int | None, log: Path | None) -> int:
    """A missing code, and Textual's own 1, mean that the app ended without anybody leaving it."""
    if code not in (None, 1):
        return code or 0
    run = app.state.run
    where = f" What went wrong is in {log}." if log is not None else ""
    again = f" `amplify attach {run}` opens it again." if run else ""
    print(  # noqa: T201  # the terminal is the shell's again
        f"amplify: the cockpit crashed. The run is not affected, its conductor is a process of its own.{where}{again}",
        file=sys.stderr,
    )
    return CRASHED
