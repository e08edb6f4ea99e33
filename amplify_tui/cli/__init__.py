"""The `amplify` command: one file per command, loaded when it is called. The only place that wires everything.

Exit status: 0 completed, 1 failed or abandoned, 2 bad usage or bad playbook, 3 rolled back, 4 waits for a person,
5 rollback incomplete, 6 completed with exceptions (only with --strict), 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

COMMANDS: Final[dict[str, str]] = {
    "demo": "Start the sandbox world and walk a release through it.",
    "init": "Write a first playbook for this repository.",
    "check": "Show every problem of a playbook.",
    "run": "Start a run of a playbook.",
    "attach": "Open the cockpit on a run.",
    "resume": "Give a run that lost its conductor a new one.",
    "do": "Give a run any command.",
    "mitigate": "Take exposure away, in seconds.",
    "rollback": "Roll a run back, in full.",
    "runs": "List the runs.",
    "show": "Show a run's state, check its journal, replay it.",
    "backtest": "Ask a gate about recorded readings.",
    "eval": "Evaluate an expression.",
    "sandbox": "Start the demo's world alone.",
    "schema": "Print the JSON Schema of playbooks.",
}


class Lazy(click.Group):
    """A group whose commands are modules of this package, imported when they are called: start-up stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"amplify_tui.cli.{cmd_name}_cmd").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"{error.message}{hint}", ctx) from error


@click.group(cls=Lazy, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="amplify-tui", prog_name="amplify")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Amplify walks a release through its playbook, watches it, and takes it back.

    Without a command: the home screen, with runs that need attention and playbooks to start.
    """
    if ctx.invoked_subcommand is None:
        from amplify_tui.cli.home import open_home

        ctx.exit(open_home())


def main() -> None:
    """Run the command line. No traceback reaches a user: it goes to the file that the message names."""
    from amplify_tui.cli.errors import tell

    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = 130
    except KeyboardInterrupt:
        code = 130
    except Exception as error:  # noqa: BLE001  # the outermost edge: it becomes words, and a log with the traceback
        code = tell(error)
    sys.exit(code if isinstance(code, int) else 0)
