"""The same two commands from anywhere: over the socket of a conductor that lives, with the lease of one that is dead."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from amplify_tui.cli import mitigate_cmd, takeback
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
    pid_of,
    playbook,
    step,
    switch_on,
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
    assert "3.0.0, at 25 %" in said.stderr.splitlines()[0], "which run it is, and whom it exposes"
    assert f"amplify rollback {folder.run}" in said.stderr.splitlines()[-1]
    before = {f"effect {effect.id} " for effect in replay(folder).effects.values() if not effect.undoes}
    assert not [line for line in said.stdout.splitlines() if any(one in line for one in before)], "the past is not told"
    now = replay(folder).conductor
    assert (now.pid == was.pid, now.epoch - was.epoch) == ((True, 0) if conductor == "lives" else (False, 1))
    if conductor == "is dead":
        assert kill_conductor(folder)
    rolled = amplify("rollback", folder.run, "--yes", "--reason", "a test")
    assert rolled.returncode == 3, rolled.stderr
    assert versions(world) == ["2.9.4", "2.9.4"]
    assert len(list(RunDir.all(home))) == 1, "an open run is taken back by itself, and by no other"


async def test_a_mitigation_ends_with_0_only_once_this_one_is_verified(home: Path, world: World, bench: Bench) -> None:
    folder = await exposed(home, world, bench)
    assert amplify("mitigate", folder.run).returncode == 0
    switch_on(world)
    again = amplify("mitigate", folder.run)
    assert again.returncode == 0, again.stderr
    assert flag_now(world)[0] is False, "the one that was done before is no proof of this one"


async def test_mitigate_ends_with_5_while_the_flag_server_is_down_also_in_a_rollback(
    home: Path, world: World, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = await exposed(home, world, bench)
    os.kill(pid_of(world, "flagserver"), signal.SIGSTOP)
    try:
        async with Watched(folder) as watched:
            assert (await watched.do("Rollback", reason="a test")).ok
        monkeypatch.setattr(takeback, "PATIENCE_S", 3.0)
        said = await asyncio.to_thread(CliRunner().invoke, mitigate_cmd.command, [folder.run])
        assert said.exit_code == 5, said.output
        assert "by hand" in said.output or "curl" in said.output
    finally:
        os.kill(pid_of(world, "flagserver"), signal.SIGCONT)


def test_of_several_open_runs_it_says_which_exposes_whom(home: Path, world: World, bench: Bench) -> None:
    runs = Runs(home)
    for name in ("one", "two"):
        text = playbook(world.facts(), [step("go", "confirm", {"ask": "Go?"})])
        runs.create(checked(text, bench.folder / f"{name}.yaml"))
    said = amplify("mitigate")
    assert said.returncode == 2
    assert all(f"{folder.run} crash, off" in said.stderr for folder in runs.folders)


async def test_two_people_disarm_a_trigger_and_one_arms_it_again(home: Path, world: World, bench: Bench) -> None:
    steps = [step("go", "confirm", {"ask": "Go?"})]
    text = playbook(world.facts(), steps, rollback={"when": ["health"]})
    runs = Runs(home)
    folder = runs.create(checked(text, bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()

    def disarms(person: str) -> bool:
        why = "the check counts test traffic"
        said = amplify("do", folder.run, "disarm", "health", "--as", person, "--reason", why)
        assert said.returncode == 0, said.stderr
        return replay(folder).triggers["health"].disarmed_until > 0

    assert [disarms("ana"), disarms("ana"), disarms("ben")] == [False, False, True]
    assert amplify("do", folder.run, "disarm", "health", "--as", "eve", "--reason", "too late").returncode == 1
    assert amplify("do", folder.run, "arm", "health").returncode == 0
    assert replay(folder).triggers["health"].disarmed_until == 0.0
