"""Opening the cockpit on a run, or plain lines where a terminal cannot show it."""

from __future__ import annotations

import os
import sys

from amplify_tui.engine.rundir import RunDir


def is_plain() -> bool:
    """Whether this terminal cannot place a cursor."""
    return os.environ.get("TERM", "dumb") in ("dumb", "")


def is_ascii() -> bool:
    """Whether the terminal's encoding cannot show the signs."""
    encoding = (getattr(sys.__stdout__, "encoding", None) or "ascii").lower().replace("-", "")
    return encoding != "utf8" or bool(os.environ.get("AMPLIFY_ASCII"))


def open_cockpit(folder: RunDir, *, actor: str, demo: bool = False) -> int:
    """The cockpit on that run until it is left. Its exit status."""
    if is_plain():
        from amplify_tui.cli.headless import follow_headless

        return follow_headless(folder.path, wait=True)
    from amplify_tui.cli.reader import client_of
    from amplify_tui.tui.app import run_cockpit

    return run_cockpit(client_of(folder), actor=actor, ascii_only=is_ascii(), demo=demo)
