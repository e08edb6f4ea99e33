"""`amplify check`: every problem of a playbook, at once; with --live also of what it talks to."""

from __future__ import annotations

import json
from typing import Any

import click
import msgspec

from amplify_tui.cli.common import load_playbook


@click.command("check")
@click.argument("playbooks", nargs=-1, required=True, metavar="PLAYBOOK...")
@click.option("--live", is_flag=True, help="Also look at the repository, services, tokens and locks.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="With --live: the value of an input.")
@click.option("--untrusted", is_flag=True, help="With --live: also ask what a playbook names that is not committed.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(playbooks: tuple[str, ...], live: bool, pairs: tuple[str, ...], untrusted: bool, as_json: bool) -> None:
    """Check playbooks. Exit 2 where any has an error."""
    problems: list[Any] = []
    good: list[Any] = []
    for path in playbooks:
        loaded = load_playbook(path)
        wrong: list[Any] = list(loaded.problems)
        if not as_json and loaded.problems:
            click.echo(loaded.render())
        if live and loaded.document is not None:
            from amplify_tui.cli.live import look_live

            looked = look_live(loaded.document, pairs, untrusted=untrusted)
            wrong += looked.problems
            good += ({"file": path, "source": one.source, "text": one.text} for one in looked.good)
            if not as_json:
                for problem in looked.problems:
                    click.echo(_told(path, problem))
                for one in looked.good:
                    click.echo(f"{path}: {one.source}: {one.text}")
        if not as_json and not any(p.severity == "error" for p in wrong):
            click.echo(f"{path}: no errors")
        problems += wrong
    ok = not any(p.severity == "error" for p in problems)
    if as_json:
        said = {"ok": ok, "problems": [msgspec.to_builtins(p) for p in problems]} | ({"good": good} if live else {})
        click.echo(json.dumps(said))
    raise SystemExit(0 if ok else 2)


def _told(path: str, problem: Any) -> str:
    kind = "warning: " if problem.severity == "warning" else ""
    place = f"{path}:{problem.line}:{problem.column}" if (problem.line, problem.column) != (1, 1) else path
    return f"{place}: {kind}{problem.message} [{problem.code}]\n{problem.hint}".rstrip()
