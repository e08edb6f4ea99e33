"""`amplify rollback --cold`: no journal at hand. What is derived is shown, and asked about band by band."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable, Sequence

import click

from amplify_tui.cli.common import input_values, load_playbook, order, replay, sound_playbook
from amplify_tui.cli.errors import Failure
from amplify_tui.cli.reversing import reverse
from amplify_tui.cli.takeback import INCOMPLETE, watch_until
from amplify_tui.cli.vouching import doubted
from amplify_tui.engine.rundir import RunDir
from amplify_tui.run.shapes import VERIFY_BAND, WORDS_BAND, UndoItem
from amplify_tui.run.state import State
from amplify_tui.run.undo import BAND_NAMES, rollback_items, undo_plan, unfinished_band


def roll_back_cold(path: str, to: str, pairs: tuple[str, ...], *, reason: str, yes: bool) -> int:
    """Derive what to take back so that *to* is the version again, and take it back. The exit status."""
    if not yes and not sys.stdin.isatty():
        why = "nothing of it was recorded, so it asks before each band"
        raise Failure("a cold rollback needs somebody to ask", why=why, next_="--yes answers all of it", code=2)
    closed = _derived(path, to, pairs)
    items = undo_plan(closed)
    bands = sorted({max(item.band, VERIFY_BAND) for item in items}) or [WORDS_BAND]
    for band in bands if yes else bands[:1]:
        _agree(items, band, yes=yes)
    folder = reverse(closed, reason=reason or f"cold, to {to}", until_band=WORDS_BAND if yes else bands[0])
    for done, band in enumerate(bands, start=1):
        last = yes or done == len(bands)
        code = watch_until(folder, _past(None if yes else band))
        if code or replay(folder).phase == "closed":
            return code
        if not last:
            _go_on(folder, items, bands[done], yes=yes)
    _order(folder, WORDS_BAND)
    return watch_until(folder, _past(None))


def _derived(path: str, to: str, pairs: tuple[str, ...]) -> State:
    from amplify_tui.adapters.ports import AdapterError
    from amplify_tui.engine.cold import derive
    from amplify_tui.engine.create import default_actor
    from amplify_tui.engine.facts import explain
    from amplify_tui.playbook.resolve import Unresolved
    from amplify_tui.run.inputs import missing

    document = sound_playbook(path, load_playbook(path))  # who rolls back mends no playbook: no warnings
    inputs = input_values(document, pairs)
    if lacking := missing(document.inputs, inputs):
        advice = "give each with --set NAME=VALUE; a version is that of the release to take back"
        raise Failure(f"no value for {', '.join(lacking)}", next_=advice, code=2)
    doubted(document, inputs)
    try:
        found = asyncio.run(derive(document, inputs, to=to, actor=default_actor()))
    except (AdapterError, Unresolved) as error:
        raise Failure("nothing can be derived", why=explain(error), next_="the run's card says how by hand") from error
    click.echo("no journal: derived from the playbook and the world, not recorded. A flag is only ever switched off.")
    for note in found.notes:
        click.echo(f"   {note}")
    return found.state


def _agree(items: Sequence[UndoItem], band: int, *, yes: bool) -> None:
    """Show a band, and ask. Exit 1 where the answer is no, and nothing was begun."""
    _show(items, band)
    if not yes and not click.confirm(_question(band)):
        raise SystemExit(1)


def _go_on(folder: RunDir, items: Sequence[UndoItem], band: int, *, yes: bool) -> None:
    """Show the next band, and ask. Exit 5 where the answer is no: what is done stays, the run waits."""
    _show(items, band)
    if not yes and not click.confirm(_question(band)):
        click.echo(f"waits: `amplify rollback {folder.run}` takes the rest back", err=True)
        raise SystemExit(INCOMPLETE)
    _order(folder, band)


def _show(items: Sequence[UndoItem], band: int) -> None:
    for item in items:
        if item.band == band or (band == VERIFY_BAND and item.band < band):
            click.echo(f" {item.band} {BAND_NAMES[item.band]:9} {item.says or item.target.id}")


def _question(band: int) -> str:
    return "Take exposure away?" if band <= VERIFY_BAND else f"Take band {band}, {BAND_NAMES[band]}, back?"


def _past(band: int | None) -> Callable[[State], bool]:
    def is_past(state: State) -> bool:
        if state.phase != "rolling_back" or band is None:
            return state.phase == "closed"
        left = unfinished_band(rollback_items(state))
        return left is None or left > band

    return is_past


def _order(folder: RunDir, band: int) -> None:
    from amplify_tui.engine.create import default_actor

    fields = {"command": "Rollback", "id": secrets.token_hex(8), "actor": default_actor(), "via": "cli"}
    order(folder, {**fields, "until_band": band})
