"""`amplify sandbox`: the demo's world alone."""

from __future__ import annotations

import click


@click.command("sandbox")
@click.option("--seed", default=42, show_default=True, help="Of the traffic and its users.")
@click.option("--inject", type=click.Choice(["errors"]), help="A fault: the new path fails from the second phase on.")
@click.option("--keep", is_flag=True, help="Leave its folder on the disk.")
def command(seed: int, inject: str | None, keep: bool) -> None:
    """Start the demo's world, print its addresses and tokens as one line of JSON, end it with this command."""
    from amplify_tui.drill.sandbox import run_sandbox

    raise SystemExit(run_sandbox(seed=seed, inject=inject, keep=keep))  # type: ignore[arg-type]  # the one Injection
