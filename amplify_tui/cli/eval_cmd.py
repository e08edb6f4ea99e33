"""`amplify eval`: the value of an expression as JSON, in the context of a playbook or a run."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click

from amplify_tui.cli.common import find_run, good_playbook, replay
from amplify_tui.playbook.expr import Context, ExprError, evaluate, parse
from amplify_tui.run.state import State


@click.command("eval")
@click.argument("expression", required=False)
@click.option("--playbook", help="Names of this playbook: its inputs with their defaults.")
@click.option("--run", help="Names of this run.")
def command(expression: str | None, playbook: str | None, run: str | None) -> None:
    """Evaluate EXPRESSION (from standard input: one a line, one JSON value or error a line)."""
    context = Context(_names(playbook, run), now=time.time())
    if expression is not None:
        shown, ok = _value(expression, context)
        click.echo(json.dumps(shown))
        raise SystemExit(0 if ok else 1)
    for line in sys.stdin:
        click.echo(json.dumps(_value(line.rstrip("\n"), context)[0]))


def _value(text: str, context: Context) -> tuple[Any, bool]:
    stripped = text.strip()
    if stripped.startswith("${{") and stripped.endswith("}}"):
        stripped = stripped[3:-2].strip()
    try:
        return evaluate(parse(stripped), context), True
    except ExprError as error:
        return {"error": error.message}, False


def _names(playbook: str | None, run: str | None) -> dict[str, Any]:
    if run is not None:
        return _of_run(replay(find_run(run)))
    if playbook is not None:
        document = good_playbook(playbook)
        return {"inputs": {name: spec.default for name, spec in document.inputs.items()}}
    return {}


def _of_run(state: State) -> dict[str, Any]:
    subject = state.subject
    names: dict[str, Any] = {
        "inputs": {name: state.inputs.get(name, spec.default) for name, spec in state.plan.inputs.items()},
        "run": {"id": state.run, "mode": state.mode, "actor": state.starter, "started_at": state.started_at},
        "steps": {},
    }
    if subject is not None:
        names["release"] = {
            "version": subject.version,
            "previous": subject.previous,
            "tag": subject.tag,
            "previous_tag": subject.previous_tag,
            "sha": subject.sha,
            "environment": state.environment,
            "notes": state.release_notes,
        }
    for step in state.plan.steps:
        found = {
            s.key: {"status": s.status, "skipped": s.status == "skipped", "outputs": s.outputs}
            for s in state.steps_of(step)
        }
        names["steps"][step] = found[""] if list(found) == [""] else found
    return names
