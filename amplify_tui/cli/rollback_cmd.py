"""`amplify rollback`: the undo plan in full, with no cockpit and with no live conductor."""

from __future__ import annotations

import asyncio
import secrets
import sys

import click

from amplify_tui.cli.common import ensure_conductor, find_run, order, replay
from amplify_tui.cli.errors import Failure
from amplify_tui.cli.takeback import watch_until
from amplify_tui.engine.create import default_actor
from amplify_tui.run.undo import BAND_NAMES, rollback_items


@click.command("rollback")
@click.argument("run", required=False)
@click.option("--reason", default="", help="Why; kept in the journal.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force-order", is_flag=True, help="Start code before exposure is verified off. Needs --reason.")
def command(run: str | None, reason: str, yes: bool, force_order: bool) -> None:
    """Roll RUN back: exposure, exposure verified, code, data, words. Exit 3 when all is back, 5 when not."""
    folder = find_run(run)
    state = replay(folder)
    if state.phase == "draft":
        raise Failure(f"run {folder.run} has not started", next_=f"`amplify do {folder.run} abort` ends it")
    if state.phase == "closed":
        raise Failure(
            f"run {folder.run} is closed: {state.outcome}",
            why="rolling back a closed run is not there yet",
            next_="start a run of the previous version",
        )
    items = rollback_items(state)
    for entry in items:
        click.echo(f" {entry.item.band} {BAND_NAMES[entry.item.band]:9} {entry.item.says or entry.item.target.id}")
    if not items:
        click.echo(" nothing was changed yet: there is nothing to take back")
    if not yes and sys.stdin.isatty() and not click.confirm("Roll back?"):
        raise SystemExit(1)
    asyncio.run(ensure_conductor(folder))
    order(
        folder,
        {
            "command": "Rollback",
            "id": secrets.token_hex(8),
            "actor": default_actor(),
            "via": "cli",
            "reason": reason,
            "force_order": force_order,
        },
    )
    raise SystemExit(watch_until(folder, lambda s: s.phase == "closed"))
