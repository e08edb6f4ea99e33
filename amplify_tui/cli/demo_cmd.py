"""`amplify demo`: the sandbox world, a conductor and the cockpit on the shipped major-release playbook.

World, conductor and cockpit end with this process, however it ends: they hold the read end of a pipe whose write end
only it has. Nothing stays on the disk but the journal, unless --keep.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amplify_tui.cli.common import good_playbook, has_terminal
from amplify_tui.cli.errors import Failure

if TYPE_CHECKING:
    from amplify_tui.drill.world import World
    from amplify_tui.engine.rundir import RunDir


@click.command("demo")
@click.option("--inject", type=click.Choice(["errors"]), help="A fault: the new path fails from the second phase on.")
@click.option("--keep", is_flag=True, help="Leave the world's folder on the disk.")
@click.option("--headless", is_flag=True, help="No cockpit: autopilot plays the captain, a line an event.")
@click.option("--json", "as_json", is_flag=True, help="Headless: each line is the event's envelope.")
@click.option("--seed", default=42, show_default=True, help="Of the traffic and its users.")
def command(inject: str | None, keep: bool, headless: bool, as_json: bool, seed: int) -> None:
    """Walk a release through its playbook, in a world of its own."""
    from amplify_tui.drill.world import start_world

    quiet = as_json or not has_terminal() or headless
    click.echo("starting a world: a repository, 8 instances of 3 services, a flag server, traffic ...", err=True)
    with start_world(None, seed=seed, inject=inject, keep=keep) as world:  # type: ignore[arg-type]  # the one Injection
        if keep:
            click.echo(f"the world's folder: {world.folder}", err=True)
        folder, conductor = _start_run(world)
        try:
            code = _follow(folder, conductor, as_json=as_json) if quiet else _cockpit(folder)
        finally:
            conductor.terminate()
            conductor.wait(10)
    raise SystemExit(code)


def _start_run(world: World) -> tuple[RunDir, subprocess.Popen[bytes]]:
    """A draft run on the world's own playbook, and its conductor as a child that ends with us."""
    from amplify_tui.drill.demo import demo_env
    from amplify_tui.drill.lifeline import record
    from amplify_tui.engine.create import conductor_argv, create_run, default_actor
    from amplify_tui.engine.rundir import home

    facts = world.facts()
    document = good_playbook(facts["playbook"])
    folder = create_run(home(), document, {}, actor=default_actor(), sandbox=True)
    lifeline = world.lifeline.read_end
    with Path(folder.log).open("ab") as log:
        process = subprocess.Popen(
            [*conductor_argv(folder), str(lifeline)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | demo_env(facts),
            pass_fds=[lifeline],
            start_new_session=True,
        )
    record(world.folder, "conductor", process.pid)
    asyncio.run(_ready(folder, process))
    return folder, process


async def _ready(folder: RunDir, process: subprocess.Popen[Any]) -> None:
    from amplify_tui.drill.world import START_WITHIN
    from amplify_tui.engine.client import RunClient, UnreachableError

    client = RunClient(folder.path)
    try:
        async with asyncio.timeout(START_WITHIN):
            while True:
                try:
                    await client.connect()
                    return
                except UnreachableError:
                    if process.poll() is not None:
                        break
                    await asyncio.sleep(0.03)
    except TimeoutError:
        pass
    finally:
        await client.close()
    raise Failure("the conductor did not start", where=str(folder.log), next_="its log says why")


def _follow(folder: RunDir, conductor: subprocess.Popen[bytes], *, as_json: bool) -> int:
    from amplify_tui.cli.headless import follow_headless
    from amplify_tui.run.autopilot import autopilot

    code = follow_headless(folder.path, autopilot, as_json=as_json, alive=lambda: conductor.poll() is None)
    if not as_json:
        sys.stderr.write(f"the journal stays: amplify show {folder.run}\n")
    return code


def _cockpit(folder: RunDir) -> int:
    from amplify_tui.cli.cockpit import open_cockpit
    from amplify_tui.engine.create import default_actor

    return open_cockpit(folder, actor=default_actor(), demo=True)
