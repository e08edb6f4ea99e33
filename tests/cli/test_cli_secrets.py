"""A conductor that lacks a secret, and shells that have it: no way back depends on which of them came first."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from amplify_tui.cli import mitigate_cmd, takeback
from amplify_tui.cli.common import replay
from amplify_tui.drill.world import World
from amplify_tui.engine import proc
from amplify_tui.engine.rundir import Conductor, RunDir
from amplify_tui.run.lacking import NO_SECRET, waiting_for_secrets
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    amplify,
    checked,
    eventually,
    flag_now,
    flag_steps,
    kill_conductor,
    leaks,
    playbook,
    step,
)

TOKENS = ("UNLEASH_CLIENT", "UNLEASH_TOKEN")


@pytest.fixture
def runs(home: Path, world: World) -> Iterator[Runs]:
    made = Runs(home)
    yield made
    made.sweep()
    assert leaks(home, {world.facts()["flags"]["admin_token"], world.facts()["flags"]["client_token"]}) == []


async def started(runs: Runs, world: World, bench: Bench, *more: dict[str, object], bake: str = "10m") -> RunDir:
    """A run that exposes 25 %, conducted by one with all that it needs; with *more* steps, which follow."""
    steps = [*flag_steps(phases=(25, 100), bake=bake), *more]
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("PhaseEntered", step="ramp")
    return folder


async def without(runs: Runs, folder: RunDir, *names: str) -> Conductor:
    """Its conductor from now on: one that was started where these variables are not set."""
    assert kill_conductor(folder)
    kept = {name: os.environ.pop(name) for name in names}
    try:
        await runs.conduct(folder)
    finally:
        os.environ.update(kept)
    return await lacking(folder, *names)


async def lacking(folder: RunDir, *names: str) -> Conductor:
    """What the living conductor says of itself, once it says that it lacks exactly these."""

    def said() -> Conductor:
        found = folder.conductor()
        assert found is not None
        return found

    await eventually(lambda: said().uses and said().lacks == names and proc.lives(said().mark), f"it lacks {names}")
    return said()


@pytest.mark.parametrize(("command", "status"), [(["mitigate"], 0), (["rollback", "--yes"], 3)])
async def test_from_a_shell_with_the_token_the_flag_goes_off_at_once(
    runs: Runs, world: World, bench: Bench, command: list[str], status: int
) -> None:
    folder = await started(runs, world, bench)
    was = await without(runs, folder, *TOKENS)
    shown = amplify("show", folder.run).stdout
    assert f"{was.lacks[0]} and ${was.lacks[1]} are not set where the conductor runs" in shown
    assert f"`amplify resume {folder.run}`" in shown
    assert max(map(len, shown.splitlines()[:3])) <= 80
    said = amplify(command[0], folder.run, *command[1:])
    assert said.returncode == status, said.stdout + said.stderr
    assert flag_now(world)[0] is False
    assert not proc.lives(was.mark)
    if status == 0:
        now = await lacking(folder)
        assert replay(folder).conductor.pid == now.mark.pid
        assert "not set" not in amplify("show", folder.run).stdout


async def test_from_a_shell_without_it_says_what_is_missing_and_a_later_one_with_it_ends_the_wait(
    runs: Runs, world: World, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = await started(runs, world, bench)
    was = await without(runs, folder, *TOKENS)
    with monkeypatch.context() as shell:
        shell.setattr(takeback, "PATIENCE_S", 5.0)
        for name in TOKENS:
            shell.delenv(name)
        said = await asyncio.to_thread(CliRunner().invoke, mitigate_cmd.command, [folder.run])
    assert said.exit_code == 5, said.output
    assert "$UNLEASH_CLIENT and $UNLEASH_TOKEN are not set where it runs, nor here" in said.output
    assert f"amplify resume {folder.run}" in said.output
    assert [e.effect.error for e in waiting_for_secrets(replay(folder)) if e.effect] == [NO_SECRET]
    assert (flag_now(world)[0], proc.lives(was.mark)) == (True, True)
    async with Watched(folder) as watched:
        assert amplify("resume", folder.run).returncode == 0
        await watched.until(lambda s: s.mitigation == "done", "exposure is off")
        assert [e.data.choice for e in watched.of("UndoDecided")] == ["retry"], "the new one waits for no backoff"
    assert flag_now(world)[0] is False


async def test_a_shell_with_a_part_of_it_takes_over_for_exposure_and_for_nothing_less(
    runs: Runs, world: World, bench: Bench
) -> None:
    folder = await started(runs, world, bench)
    was = await without(runs, folder, "UNLEASH_TOKEN")
    said = amplify("resume", folder.run, UNLEASH_CLIENT=None)
    assert said.returncode == 0
    assert "it has $UNLEASH_CLIENT, which this shell has not" in said.stderr
    assert proc.lives(was.mark)
    empty = amplify("resume", folder.run, UNLEASH_TOKEN="")
    assert "$UNLEASH_TOKEN is not set where it runs, nor here" in empty.stderr
    assert proc.lives(was.mark)


@pytest.mark.parametrize("ends", ["in time", "later"])
async def test_a_command_on_its_way_keeps_a_conductor_and_outlives_one_that_leaves_for_exposure(
    runs: Runs, world: World, bench: Bench, ends: str
) -> None:
    go, work = step("go", "confirm", {"ask": "Go?"}), step("work", "command", bench.command("work", data="expand"))
    folder = await started(runs, world, bench, go, work, bake="200ms")
    async with Watched(folder) as watched:
        await watched.seen("StepAwaiting", step="go")
        bench.block("work", "after")
        was = await without(runs, folder, *TOKENS)
        await watched.do("Answer", step="go", values={"accept": True})
        await bench.reached("work", "after")
        stays = amplify("resume", folder.run)
        assert "is on its way" in stays.stderr
        assert proc.lives(was.mark)
        mitigating = asyncio.create_task(asyncio.to_thread(amplify, "mitigate", folder.run))
        left = await watched.seen("ConductorDetached")
        if ends == "in time":
            bench.let_go("work", "after")
        said = await mitigating
        assert said.returncode == 0, said.stdout + said.stderr
        assert flag_now(world)[0] is False
        assert not proc.lives(was.mark)
        (effect,) = (e for e in watched.state.effects.values() if e.step == "work")
        if ends == "later":
            await watched.until(lambda s: s.effects[effect.id].at_work, "it still runs")
            bench.let_go("work", "after")
        await watched.until(lambda s: s.effects[effect.id].status == "done", "it came to its end")
        told = [e for e in watched.events if getattr(e.data, "effect", "") == effect.id][-1]
        assert (told.epoch == left.epoch) == (ends == "in time"), "who saw it end has said so"
    assert len(bench.did("work")) == 1


async def test_what_conductor_json_says_of_secrets_is_names_for_its_owner_alone(
    runs: Runs, world: World, bench: Bench
) -> None:
    folder = await started(runs, world, bench)
    said = await without(runs, folder, "UNLEASH_TOKEN")
    assert (said.uses, said.lacks) == (TOKENS, ("UNLEASH_TOKEN",))
    assert stat.S_IMODE((folder.path / "conductor.json").stat().st_mode) == 0o600


async def test_of_two_shells_that_come_at_once_one_takes_over_and_both_see_it_end(
    runs: Runs, world: World, bench: Bench
) -> None:
    folder = await started(runs, world, bench)
    was = await without(runs, folder, *TOKENS)
    both = await asyncio.gather(*(asyncio.to_thread(amplify, "mitigate", folder.run) for _ in range(2)))
    assert [said.returncode for said in both] == [0, 0], [said.stdout + said.stderr for said in both]
    assert flag_now(world)[0] is False
    now = await lacking(folder)
    assert not proc.lives(was.mark)
    assert replay(folder).conductor.pid == now.mark.pid
