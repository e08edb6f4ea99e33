"""`amplify rollback`: the undo plan in full, with no cockpit and with no live conductor."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from typing import Any

import click

from amplify_tui.cli.common import find_run, give_conductor, order, replay, told
from amplify_tui.cli.errors import Failure
from amplify_tui.cli.takeback import watch_until
from amplify_tui.engine.create import default_actor
from amplify_tui.run.shapes import UndoItem
from amplify_tui.run.state import State
from amplify_tui.run.undo import BAND_NAMES, rollback_items
from amplify_tui.run.undo_asks import contracts, fix_forward


@click.command("rollback")
@click.argument("run", required=False)
@click.option("--reason", default="", help="Why; kept in the journal.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force-order", is_flag=True, help="Start code before exposure is verified off. Needs --reason.")
@click.option("--cold", metavar="PLAYBOOK", help="No journal at hand: derive what to take back. Needs --to.")
@click.option("--to", metavar="VERSION", help="With --cold: the version to go back to.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="With --cold: the value of an input.")
def command(run: str | None, reason: str, yes: bool, force_order: bool, **more: Any) -> None:
    """Roll RUN back: exposure, exposure verified, code, data, words. Exit 3 when all is back, 5 when not.

    A run that is closed is taken back by a new run, which reverses it.
    """
    if more["cold"] or more["to"] or more["pairs"]:
        raise SystemExit(_cold(run, reason, yes=yes, **more))
    folder = find_run(run)
    state = replay(folder)
    if state.phase == "draft":
        raise Failure(f"run {folder.run} has not started", next_=f"`amplify do {folder.run} abort` ends it")
    if state.phase == "closed":
        raise SystemExit(_of_closed(state, reason, yes=yes))
    items = rollback_items(state)
    click.echo(f"rolling back {told(state)}", err=True)
    _show([entry.item for entry in items])
    _past_return(state)
    if not items:
        click.echo(" nothing was changed yet: there is nothing to take back")
    _ask(yes=yes)
    give_conductor(folder)
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
    raise SystemExit(watch_until(folder, lambda s: s.phase == "closed", since=state))


def _of_closed(state: State, reason: str, *, yes: bool) -> int:
    """A run of its own takes the closed one back."""
    from amplify_tui.cli.reversing import reverse
    from amplify_tui.run.reversal import left_of

    _show(left_of(state))
    _past_return(state)
    _ask(yes=yes)
    folder = reverse(state, reason=reason)
    return watch_until(folder, lambda s: s.phase == "closed")


def _show(items: Sequence[UndoItem]) -> None:
    for item in items:
        click.echo(f" {item.band} {BAND_NAMES[item.band]:9} {item.says or item.target.id}")


def _past_return(state: State) -> None:
    """What is safer than a rollback, where a contract has been done."""
    if contracts(state):
        held = "hold it, and " if state.phase == "forward" else ""
        click.echo(f" past the point of no return: the code before may not fit the data; {held}{fix_forward(state)}")


def _ask(*, yes: bool) -> None:
    if not yes and sys.stdin.isatty() and not click.confirm("Roll back?"):
        raise SystemExit(1)


def _cold(run: str | None, reason: str, *, yes: bool, cold: str | None, to: str | None, pairs: tuple[str, ...]) -> int:
    from amplify_tui.cli.cold import roll_back_cold

    if cold is None or to is None:
        raise Failure("--cold and --to belong together", next_="--cold PLAYBOOK --to VERSION", code=2)
    if run is not None:
        raise Failure("--cold needs no run", next_=f"`amplify rollback {run}` goes by its journal", code=2)
    return roll_back_cold(cold, to, pairs, reason=reason, yes=yes)
