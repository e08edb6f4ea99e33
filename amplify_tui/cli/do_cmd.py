"""`amplify do`: any command of a person, from a shell. One subcommand each; the same door as every key."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import Any

import click

from amplify_tui.cli.common import find_run, order, replay
from amplify_tui.cli.errors import Failure
from amplify_tui.engine.create import default_actor
from amplify_tui.run.inputs import read_value
from amplify_tui.run.state import State


class Runs(click.Group):
    """`do RUN COMMAND ...`: the run comes first."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in ("-h", "--help") and args[0] not in self.commands:
            ctx.obj = args.pop(0)
        return super().parse_args(ctx, args)


@click.group("do", cls=Runs, subcommand_metavar="RUN COMMAND [ARGS]...")
def command() -> None:
    """Give RUN a command: the same that a key of the cockpit gives."""


def _split(step: str) -> tuple[str, str]:
    name, _, key = step.partition("[")
    return name, key.removesuffix("]")


def _send(ctx: click.Context, kind: str, options: dict[str, Any], **fields: Any) -> None:
    folder = find_run(ctx.obj)
    if "step" in fields:
        fields["step"], fields["key"] = _split(fields["step"])
    expect = options.get("expect")
    if expect is not None:
        fields["expect"] = int(expect) if kind in ("Skip", "Retry", "Advance", "Override", "Retreat") else expect
    body = {
        "command": kind,
        "id": secrets.token_hex(8),
        "actor": options.get("actor") or default_actor(),
        "via": "cli",
        "reason": options.get("reason") or "",
        **fields,
    }
    order(folder, body, as_json=bool(options.get("as_json")))


def _common(function: Any) -> Any:
    for option in (
        click.option("--reason", help="Why; kept in the journal."),
        click.option("--expect", help="What you saw; refused when it is no longer so."),
        click.option("--as", "actor", help="Under which name (other names count in the sandbox only)."),
        click.option("--json", "as_json", is_flag=True, help="The answer as JSON."),
        click.pass_context,
    ):
        function = option(function)
    return function


def _simple(name: str, kind: str, help_: str, **arguments: str) -> None:
    """A command whose arguments are its fields."""

    def run(ctx: click.Context, **given: Any) -> None:
        options = {k: given.pop(k) for k in ("reason", "expect", "actor", "as_json")}
        _send(ctx, kind, options, **{k: v for k, v in given.items() if v is not None})

    run.__doc__ = help_
    wrapped = _common(run)
    for argument in reversed(arguments):
        wrapped = click.argument(argument, required=arguments[argument] == "!")(wrapped)
    command.command(name)(wrapped)


_simple("approve", "Approve", "Sign a step off as ROLE.", step="!", role="!")
_simple("reject", "Reject", "Reject a step as ROLE.", step="!", role="!")
_simple("retry", "Retry", "Try a stuck step (or undo item) again.", step="!")
_simple("skip", "Skip", "Skip a step that the playbook lets you skip.", step="!")
_simple("hold", "Hold", "Hold the run: nothing goes forward.")
_simple("advance", "Advance", "Go on to the next phase now, on a pass.", step="!")
_simple("arm", "Arm", "Arm a disarmed TRIGGER again, or refuse that it be disarmed.", trigger="!")
_simple("note", "Note", "Write a note into the journal.", text="!")
_simple("take-role", "TakeRole", "Take a role that nobody was given.", role="!")


@command.command("start")
@click.option("--untrusted", is_flag=True, help="Although its playbook is not committed; needs --reason.")
@_common
def start(ctx: click.Context, untrusted: bool, **options: Any) -> None:
    """Start a draft."""
    _send(ctx, "Start", options, untrusted=untrusted)


@command.command("answer")
@click.argument("step")
@click.argument("pairs", nargs=-1, required=True, metavar="NAME=VALUE...")
@_common
def answer(ctx: click.Context, step: str, pairs: tuple[str, ...], **options: Any) -> None:
    """Answer STEP (or `inputs`) with values; `accept=true` for a confirmation."""
    state = replay(find_run(ctx.obj))
    values = {}
    for pair in pairs:
        name, sep, text = pair.partition("=")
        if not sep:
            raise Failure(f"{pair} is no answer", next_="write NAME=VALUE", code=2)
        values[name] = _typed(state, step, name, text)
    _send(ctx, "Answer", options, step=step, values=values)


def _typed(state: State, step: str, name: str, text: str) -> Any:
    if name == "accept":
        return text.lower() in ("true", "yes", "y", "1")
    name_, key = _split(step)
    found = state.step(name_, key)
    fields = dict(state.plan.inputs) if step in ("", "inputs") else {}
    for wait in found.awaits if found else ():
        fields |= wait.fields
    try:
        return read_value(fields[name], text) if name in fields else text
    except ValueError as error:
        raise Failure(f"{name} is refused", why=str(error), code=2) from error


@command.command("settle")
@click.argument("effect")
@click.argument("result", type=click.Choice(["done", "absent"]))
@_common
def settle(ctx: click.Context, effect: str, result: str, **options: Any) -> None:
    """Say how an unknown EFFECT came out."""
    _send(ctx, "Settle", options, effect=effect, as_=result)


@command.command("release")
@click.argument("hold")
@click.option("--choice", type=click.Choice(["ours", "accept", "kill"]), help="For a hold because of drift.")
@_common
def release(ctx: click.Context, hold: str, choice: str | None, **options: Any) -> None:
    """Release a hold."""
    _send(ctx, "Release", options, hold=hold, choice=choice or "")


@command.command("retreat")
@click.argument("step")
@click.argument("percent", type=float)
@_common
def retreat(ctx: click.Context, step: str, percent: float, **options: Any) -> None:
    """Go back to the phase with PERCENT of users, at once."""
    _send(ctx, "Retreat", options, step=step, percent=percent)


@command.command("override")
@click.argument("step")
@click.argument("conditions", nargs=-1, required=True)
@click.option("--percent", type=float, help="The percentage you promote over a failing condition.")
@click.option("--instance", "instances", multiple=True, help="One that `fleet` fails at; each, where you override it.")
@_common
def override(ctx: click.Context, step: str, conditions: tuple[str, ...], **options: Any) -> None:
    """Set failing CONDITIONS of a gate aside, for this phase. `fleet` takes a second person, who says the same."""
    percent, instances = options.pop("percent"), list(options.pop("instances"))
    _send(ctx, "Override", options, step=step, conditions=list(conditions), percent=percent, instances=instances)


@command.command("decide-undo")
@click.argument("effect")
@click.argument("choice", type=click.Choice(["restore", "ours", "kill", "waive"]))
@_common
def decide_undo(ctx: click.Context, effect: str, choice: str, **options: Any) -> None:
    """Decide about an undo item that is stuck."""
    _send(ctx, "DecideUndo", options, effect=effect, choice=choice)


@command.command("answer-trigger")
@click.argument("trigger")
@click.argument("answer_", metavar="ANSWER", type=click.Choice(["rollback", "mitigate", "hold", "ignore"]))
@_common
def answer_trigger(ctx: click.Context, trigger: str, answer_: str, **options: Any) -> None:
    """Answer a trigger that fired."""
    _send(ctx, "AnswerTrigger", options, trigger=trigger, answer=answer_)


@command.command("disarm")
@click.argument("trigger")
@click.option("--minutes", type=click.IntRange(1, 60), default=15, show_default=True, help="For how long.")
@_common
def disarm(ctx: click.Context, trigger: str, minutes: int, **options: Any) -> None:
    """Switch TRIGGER off for a while. Two people have to, within ten minutes, each with a reason."""
    _send(ctx, "Disarm", options, trigger=trigger, until=time.time() + minutes * 60)


@command.command("abort")
@click.option("--leave-partial", is_flag=True, help="Although some users stay exposed.")
@_common
def abort(ctx: click.Context, leave_partial: bool, **options: Any) -> None:
    """End the run and leave everything as it is."""
    _send(ctx, "Abort", options, leave_partial=leave_partial)


@command.command("migrate")
@click.argument("sha256", metavar="[SHA]", required=False)
@_common
def migrate(ctx: click.Context, sha256: str | None, **options: Any) -> None:
    """Go by the playbook's file as it is now, if its hash is SHA. Without SHA: only show what would change."""
    if sha256 is not None:
        _send(ctx, "Migrate", options, sha256=sha256)
        return
    from amplify_tui.cli.migration import offer, told

    state = replay(find_run(ctx.obj))
    found = asyncio.run(offer(state))
    if options.get("as_json"):
        shown = {"pinned": state.bundle_sha, "file": found.sha256 or state.bundle_sha}
        click.echo(json.dumps(shown | {"changes": list(found.lines), "refusal": found.refusal}))
    else:
        click.echo(told(state, found))
