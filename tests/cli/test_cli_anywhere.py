"""The same two commands from anywhere: over the socket of a conductor that lives, with the lease of one that is dead."""

from __future__ import annotations

from pathlib import Path

import pytest

from amplify_tui.cli.common import replay
from amplify_tui.drill.world import World
from amplify_tui.engine.rundir import RunDir
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    amplify,
    checked,
    deploy_step,
    flag_now,
    flag_steps,
    kill_conductor,
    playbook,
    versions,
)


async def exposed(home: Path, world: World, bench: Bench) -> RunDir:
    """A run that bakes at 25 %, with a living conductor."""
    steps = [deploy_step(bench), *flag_steps(phases=(25, 100), bake="10m")]
    runs = Runs(home)
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("PhaseEntered", step="ramp")
    return folder


@pytest.mark.parametrize("conductor", ["lives", "is dead"])
async def test_mitigate_and_then_rollback_of_an_open_run(
    home: Path, world: World, bench: Bench, conductor: str
) -> None:
    folder = await exposed(home, world, bench)
    was = replay(folder).conductor
    if conductor == "is dead":
        assert kill_conductor(folder)
    said = amplify("mitigate", folder.run)
    assert said.returncode == 0, said.stderr
    assert (flag_now(world)[0], versions(world)) == (False, ["3.0.0", "3.0.0"])
    now = replay(folder).conductor
    assert (now.pid == was.pid, now.epoch - was.epoch) == ((True, 0) if conductor == "lives" else (False, 1))
    if conductor == "is dead":
        assert kill_conductor(folder)
    rolled = amplify("rollback", folder.run, "--yes", "--reason", "a test")
    assert rolled.returncode == 3, rolled.stderr
    assert versions(world) == ["2.9.4", "2.9.4"]
    assert len(list(RunDir.all(home))) == 1, "an open run is taken back by itself, and by no other"
