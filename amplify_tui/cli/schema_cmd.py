"""`amplify schema`: the JSON Schema of playbooks, made from the same types that check them."""

from __future__ import annotations

import json

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema."""
    from amplify_tui.playbook.schema import json_schema
    from amplify_tui.steps.registry import specs

    click.echo(json.dumps(json_schema(specs()), indent=2))
