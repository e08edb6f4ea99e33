"""A conductor that lacks a secret, and the shells that have it: what is taken back does not depend on who came first."""

from __future__ import annotations

import os
from pathlib import Path

from amplify_tui.drill.world import World
from amplify_tui.engine.rundir import RunDir
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    amplify,
    checked,
    flag_now,
    flag_steps,
    kill_conductor,
    playbook,
)

TOKENS = ("UNLEASH_TOKEN", "UNLEASH_CLIENT")


async def conducted_without(folder: RunDir, runs: Runs, *names: str) -> None:
    """From now on the run's conductor is one that was started without these variables."""
    assert kill_conductor(folder)
    kept = {name: os.environ.pop(name) for name in names}
    try:
        await runs.conduct(folder)
    finally:
        os.environ.update(kept)


async def exposed(home: Path, world: World, bench: Bench, runs: Runs) -> RunDir:
    """A run that bakes at 25 %."""
    steps = flag_steps(phases=(25, 100), bake="10m")
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("PhaseEntered", step="ramp")
    return folder


async def test_a_mitigation_from_a_shell_with_the_token_takes_over_from_a_conductor_without(
    home: Path, world: World, bench: Bench
) -> None:
    runs = Runs(home)
    folder = await exposed(home, world, bench, runs)
    await conducted_without(folder, runs, *TOKENS)
    said = amplify("mitigate", folder.run)
    print(said.stdout, said.stderr)
    assert said.returncode == 0, said.stdout + said.stderr
    assert flag_now(world)[0] is False
