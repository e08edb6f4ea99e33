"""`amplify resume`: a new conductor for a run that lost its own."""

from __future__ import annotations

import click

from amplify_tui.cli.common import find_run, give_conductor, replay
from amplify_tui.engine.locks import free_locks
from amplify_tui.run.select.headline import closed_words


@click.command("resume")
@click.argument("run", required=False)
@click.option("--until-idle", is_flag=True, help="Follow until the run is closed or waits for a person.")
@click.option("--json", "as_json", is_flag=True, help="With --until-idle: each line is the event's envelope.")
def command(run: str | None, until_idle: bool, as_json: bool) -> None:
    """Give RUN a conductor if none drives it, or if that lacks a secret which is set here."""
    folder = find_run(run)
    state = replay(folder)
    if state.phase == "closed":
        free_locks(folder, state)
        click.echo(f"run {folder.run} is closed: {closed_words(state)}")
        return
    give_conductor(folder)
    click.echo(f"run {folder.run} has a conductor", err=as_json)
    if until_idle:
        from amplify_tui.cli.headless import follow_headless

        raise SystemExit(follow_headless(folder.path, as_json=as_json))
