"""`amplify attach`: the cockpit on a run."""

from __future__ import annotations

import click

from amplify_tui.cli.common import find_run, give_conductor, has_terminal, replay


@click.command("attach")
@click.argument("run", required=False)
@click.option("--headless", is_flag=True, help="Print a line an event instead of opening the cockpit.")
@click.option("--json", "as_json", is_flag=True, help="Headless: each line is the event's envelope.")
def command(run: str | None, headless: bool, as_json: bool) -> None:
    """Open the cockpit on RUN (by default the one that is open)."""
    from amplify_tui.engine.create import default_actor

    folder = find_run(run)
    if replay(folder).phase != "closed":
        give_conductor(folder)
    if headless or as_json or not has_terminal():
        from amplify_tui.cli.headless import follow_headless

        raise SystemExit(follow_headless(folder.path, as_json=as_json, wait=True))
    from amplify_tui.cli.cockpit import open_cockpit

    raise SystemExit(open_cockpit(folder, actor=default_actor()))
