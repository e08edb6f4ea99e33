"""`amplify eval`: the value of an expression as JSON, in the context of a playbook or a run."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click

from amplify_tui.cli.common import find_run, good_playbook, replay
from amplify_tui.playbook.expr import Context, ExprError, check, evaluate, parse
from amplify_tui.playbook.expr.kinds import ANY, BOOL, BY_NAME, DOUBLE, INT, LIST, STRING, Type, list_of, record
from amplify_tui.playbook.model import Input
from amplify_tui.run.state import State


@click.command("eval")
@click.argument("expression", required=False)
@click.option("--playbook", help="Names of this playbook: its inputs with their defaults.")
@click.option("--run", help="Names of this run.")
def command(expression: str | None, playbook: str | None, run: str | None) -> None:
    """Evaluate EXPRESSION (from standard input: one a line, one JSON value or error a line)."""
    names, scope = _names(playbook, run)
    context = Context(names, now=time.time())
    if expression is not None:
        shown, ok = _value(expression, context, scope)
        click.echo(json.dumps(shown))
        raise SystemExit(0 if ok else 1)
    for line in sys.stdin:
        click.echo(json.dumps(_value(line.rstrip("\n"), context, scope)[0]))


def _value(text: str, context: Context, scope: dict[str, Type]) -> tuple[Any, bool]:
    """The value, or the first error: one of types is an error here as it is in `amplify check`."""
    stripped = text.strip()
    if stripped.startswith("${{") and stripped.endswith("}}"):
        stripped = stripped[3:-2].strip()
    try:
        expr = parse(stripped)
        for error in check(expr, scope).errors:
            raise error
        return evaluate(expr, context), True
    except ExprError as error:
        return {"error": error.message}, False


def _names(playbook: str | None, run: str | None) -> tuple[dict[str, Any], dict[str, Type]]:
    """The names that are there, and their types: of inputs as declared, of the rest as the values have them."""
    if run is not None:
        state = replay(find_run(run))
        names, inputs = _of_run(state), state.plan.inputs
    elif playbook is not None:
        inputs = good_playbook(playbook).inputs
        names = {"inputs": {name: spec.default for name, spec in inputs.items()}}
    else:
        return {}, {}
    declared = record({name: _declared(spec) for name, spec in inputs.items()})
    return names, {name: _type_of(value) for name, value in names.items()} | {"inputs": declared}


def _declared(spec: Input) -> Type:
    if spec.type == "list":
        return list_of(BY_NAME.get(spec.of or "string", ANY))
    return {"semver": STRING, "number": DOUBLE}.get(spec.type) or BY_NAME.get(spec.type, ANY)


def _type_of(value: Any) -> Type:
    match value:
        case bool():
            return BOOL
        case int():
            return INT
        case float():
            return DOUBLE
        case str():
            return STRING
        case dict():
            return record({name: _type_of(item) for name, item in value.items()})
        case list() | tuple():
            return LIST
    return ANY


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
