"""Opening the cockpit on a run or on the home, or plain lines where a terminal cannot show it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from amplify_tui.engine.rundir import RunDir, home

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit

LOG: Final = "cockpit.log"


def open_cockpit(folder: RunDir, *, actor: str, demo: bool = False) -> int:
    """The cockpit on that run until it is left. Its exit status."""
    from amplify_tui.tui.plain import why_plain

    if why_plain(os.environ, sys.stdout):
        from amplify_tui.cli.headless import follow_headless

        return follow_headless(folder.path, wait=True)
    with quick_start():
        from amplify_tui.cli.doors import doors
        from amplify_tui.cli.home import Runs
        from amplify_tui.cli.reader import client_of
        from amplify_tui.tui.app import Cockpit

        runs = None if demo else Runs(actor)
        app = Cockpit(client_of(folder), actor=actor, home=runs, doors=doors(), demo=demo, ascii_only=is_ascii())
        return launch(app)


@contextmanager
def quick_start() -> Iterator[None]:
    """No garbage is looked for until the cockpit has started: imports make next to none, and each look costs time.

    `tui.launch` turns it on again; here it is at the latest when the cockpit is left.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def is_ascii() -> bool:
    """Whether the signs have to be ASCII: the terminal's encoding cannot hold the others, or the user says so."""
    from amplify_tui.tui.plain import needs_ascii

    return needs_ascii(sys.__stdout__) or bool(os.environ.get("AMPLIFY_ASCII"))


def launch(app: Cockpit) -> int:
    """Run the app in this terminal."""
    from amplify_tui.tui.launch import run_cockpit

    return run_cockpit(app, log=home() / LOG)
