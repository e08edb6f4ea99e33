"""`amplify runs`: the history, newest first."""

from __future__ import annotations

import json
from datetime import datetime

import click

from amplify_tui.engine.locks import REVERSED_BY, REVERSES, SUPERSEDED_BY, SUPERSEDES, list_runs
from amplify_tui.engine.rundir import home


@click.command("runs")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool) -> None:
    """List the runs."""
    runs = list_runs(home())
    if as_json:
        rows = [
            {
                "run": r.id,
                "mode": r.mode,
                "phase": "forward" if r.phase == "held" else r.phase,
                "outcome": r.outcome,
                "name": r.name,
                "version": r.version,
                "environment": r.environment,
                "started_at": r.started_at,
                "ended_at": r.ended_at,
                "actor": r.actor,
                "playbook": r.playbook,
                "reverses": _after(REVERSES, r.note),
                "reversed_by": _after(REVERSED_BY, r.note),
                "supersedes": _after(SUPERSEDES, r.note),
                "superseded_by": _after(SUPERSEDED_BY, r.note),
            }
            for r in runs
        ]
        click.echo(json.dumps(rows))
        return
    if not runs:
        click.echo("no runs yet; `amplify demo` makes one, `amplify init` writes a first playbook")
    for r in runs:
        at = datetime.fromtimestamp(r.started_at).astimezone().strftime("%Y-%m-%d %H:%M") if r.started_at else "-"
        word = r.outcome or r.phase
        click.echo(f"{r.id[:8]}  {word:26} {r.name} {r.version}  {r.environment}  {at}  {r.actor}  {r.note}".rstrip())


def _after(word: str, note: str) -> str | None:
    """The run that a note names after *word*."""
    return note.removeprefix(word) if note.startswith(word) else None
