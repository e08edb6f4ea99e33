"""`amplify mitigate`: exposure off in seconds, with no cockpit and with no live conductor."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import click

from amplify_tui.cli.common import ensure_conductor, find_run, order, replay, told
from amplify_tui.cli.errors import Failure
from amplify_tui.cli.takeback import watch_until
from amplify_tui.engine.create import default_actor
from amplify_tui.run.shapes import VERIFY_BAND
from amplify_tui.run.state import State
from amplify_tui.run.undo import rollback_items, unfinished_band


@click.command("mitigate")
@click.argument("run", required=False)
@click.option("--reason", default="", help="Why; it may be given later.")
def command(run: str | None, reason: str) -> None:
    """Take exposure away from RUN's users, at once. Exit 0 when verified, else 5."""
    folder = find_run(run)
    state = replay(folder)
    if state.phase == "closed":
        raise SystemExit(_of_closed(state, reason))
    click.echo(f"mitigating {told(state)}", err=True)
    asyncio.run(ensure_conductor(folder, with_ours=False))  # one that lives is told at once, whatever it lacks
    body: dict[str, Any] = {
        "command": "Mitigate",
        "id": secrets.token_hex(8),
        "actor": default_actor(),
        "via": "cli",
        "reason": reason,
    }
    try:
        order(folder, body)
    except Failure as refused:
        if state.mitigation != "running":
            raise
        click.echo(f"{refused.message}: following it", err=True)  # two people typed it: both are told how it ends
    begun = state.mitigations + (state.mitigation != "running")
    code = watch_until(folder, lambda now: _is_verified(now, begun), 0, since=state)
    if code == 0 and state.phase == "forward":
        click.echo(f"exposure is off, verified. `amplify rollback {folder.run}` takes the rest back", err=True)
    raise SystemExit(code)


def _is_verified(state: State, begun: int) -> bool:
    """Whether exposure is off and read back, by the mitigation of that number or by a rollback."""
    if state.phase == "rolling_back":
        left = unfinished_band(rollback_items(state))
        return left is None or left > VERIFY_BAND
    return state.phase == "closed" or (state.mitigation == "done" and state.mitigations >= begun)


def _of_closed(state: State, reason: str) -> int:
    """A run that reverses the closed one, as far as exposure goes; the rest waits for `amplify rollback`."""
    from amplify_tui.cli.reversing import reverse

    folder = reverse(state, reason=reason, until_band=VERIFY_BAND)

    code = watch_until(folder, lambda now: _is_verified(now, 1), 0)
    if code == 0:
        click.echo(f"exposure is off; `amplify rollback {folder.run}` takes the rest back", err=True)
    return code
