"""`amplify mitigate`: exposure off in seconds, with no cockpit and with no live conductor."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import click

from amplify_tui.cli.common import ensure_conductor, find_run, order, replay
from amplify_tui.cli.errors import Failure
from amplify_tui.cli.takeback import watch_until
from amplify_tui.engine.create import default_actor


@click.command("mitigate")
@click.argument("run", required=False)
@click.option("--reason", default="", help="Why; it may be given later.")
def command(run: str | None, reason: str) -> None:
    """Take exposure away from RUN's users, at once. Exit 0 when verified, else 5."""
    folder = find_run(run)
    state = replay(folder)
    if state.phase == "closed":
        raise Failure(f"run {folder.run} is closed: {state.outcome}", next_="start a run that sets the flag")
    asyncio.run(ensure_conductor(folder))
    body: dict[str, Any] = {
        "command": "Mitigate",
        "id": secrets.token_hex(8),
        "actor": default_actor(),
        "via": "cli",
        "reason": reason,
    }
    order(folder, body)
    raise SystemExit(watch_until(folder, lambda s: s.mitigation == "done" or s.phase != "forward", 0))
