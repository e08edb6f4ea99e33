"""`amplify run`: a new run of a playbook, with a detached conductor, and the cockpit on it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import click
import msgspec
import yaml

from amplify_tui.cli.common import ensure_conductor, find_run, good_playbook, has_terminal, input_values
from amplify_tui.cli.errors import Failure
from amplify_tui.run import commands as c
from amplify_tui.run.autopilot import Orders, autopilot, given
from amplify_tui.run.state import State


@click.command("run")
@click.argument("playbook")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="The value of an input.")
@click.option("--dry-run", is_flag=True, help="Read and probe for real, change nothing.")
@click.option("--supersedes", metavar="RUN", help="Fix forward: take over the locks and the undo of RUN, which ends.")
@click.option("--answers", metavar="FILE", help="Answers of people: a YAML mapping, step id to answer.")
@click.option("--headless", is_flag=True, help="Print a line an event instead of opening the cockpit.")
@click.option("--autopilot", "auto", is_flag=True, help="Play the people too, where the playbook allows it.")
@click.option("--wait", is_flag=True, help="Headless: follow on while only a person can move the run.")
@click.option("--strict", is_flag=True, help="Exit 6 when it completed with exceptions.")
@click.option("--untrusted", is_flag=True, help="Headless: start a playbook that is not committed; needs --reason.")
@click.option("--reason", default="", help="Why it should start all the same; kept in the journal.")
@click.option("--json", "as_json", is_flag=True, help="Headless: each line is the event's envelope.")
def command(playbook: str, pairs: tuple[str, ...], **options: Any) -> None:
    """Start a run of PLAYBOOK."""
    from amplify_tui.engine.create import create_run, default_actor
    from amplify_tui.engine.rundir import home

    if options["untrusted"] and not options["reason"].strip():
        raise Failure("--untrusted needs a reason", next_="say with --reason why this playbook should start", code=2)
    document = good_playbook(playbook)
    inputs = input_values(document, pairs)
    if options["auto"] and (document.raw.get("release") or {}).get("autopilot") is not True:
        raise Failure(
            "--autopilot is refused", why="the playbook does not say `release.autopilot: true`", next_="use --answers"
        )
    earlier = _earlier(options["supersedes"], is_dry=options["dry_run"]) if options["supersedes"] else ""
    actor = default_actor()
    answers = _answers(options["answers"])

    def people(state: State, now: float) -> Orders:
        orders = autopilot(state, now) if options["auto"] else given(state, answers, actor)
        if not options["untrusted"]:
            return orders
        return [_at_own_risk(order, options["reason"]) if isinstance(order, c.Start) else order for order in orders]

    mode = "dry" if options["dry_run"] else "live"
    folder = create_run(home(), document, inputs, actor=actor, mode=mode, supersedes=earlier)  # type: ignore[arg-type]  # two of Mode
    click.echo(f"run {folder.run}", err=True)
    asyncio.run(ensure_conductor(folder))
    if options["headless"] or options["as_json"] or not has_terminal():
        from amplify_tui.cli.headless import follow_headless

        raise SystemExit(
            follow_headless(
                folder.path,
                people,
                as_json=options["as_json"],
                wait=options["wait"],
                strict=options["strict"],
            )
        )
    from amplify_tui.cli.cockpit import open_cockpit

    raise SystemExit(open_cockpit(folder, actor=actor))


def _earlier(name: str, *, is_dry: bool) -> str:
    """The run to supersede. Raises Failure where it may not be as it is now; the start of the new one decides."""
    from amplify_tui.engine.rundir import home
    from amplify_tui.engine.takers import earlier_of
    from amplify_tui.run.decide import decide
    from amplify_tui.run.shapes import Refusal

    folder = find_run(name)
    if is_dry:
        raise Failure(
            "--dry-run and --supersedes do not go together", why="a dry run takes nothing over", next_="leave one out"
        )
    earlier = earlier_of(home(), folder.run)
    if earlier is None:
        raise Failure(f"the journal of run {folder.run} cannot be read", next_=f"`amplify show {folder.run} --verify`")
    said = decide(earlier, c.Supersede(id="ask", actor="", via="cli", by="a new run"), time.time())
    if isinstance(said, Refusal):
        raise Failure(said.what, why=said.why, next_=said.next)
    return folder.run


def _at_own_risk(order: c.Start, reason: str) -> c.Start:
    return msgspec.structs.replace(order, untrusted=True, reason=reason)


def _answers(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        answers = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Failure(f"{path} cannot be read as answers", why=str(error), code=2) from error
    if not isinstance(answers, dict):
        raise Failure(f"{path} is no mapping", next_="write `STEP: true` or `STEP: {field: value}`", code=2)
    return answers
