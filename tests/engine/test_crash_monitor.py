"""A monitor in the background through kill -9: the step after it goes on, and the run waits for both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from amplify_tui.drill.world import World
from amplify_tui.run.state import State
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    checked,
    deploy_step,
    kill_conductor,
    playbook,
    resume,
    small_world,
    step,
)


@pytest.fixture
def world() -> Iterator[World]:
    with small_world() as running:
        yield running


def status(state: State, name: str) -> str:
    found = state.step(name)
    return found.status if found is not None else ""


@pytest.mark.slow
async def test_killed_while_two_monitors_watch_behind_a_command_both_watch_to_their_end(
    world: World, runs: Runs, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "bench")
    steps = [
        deploy_step(bench),
        step("soak", "monitor", {"for": "4s", "gate": ["health", "fleet"], "background": True}),
        step("guard", "monitor", {"for": "2s", "gate": ["health"], "background": True}),
        step("purge", "command", bench.command("purge")),
        step(
            "tell",
            "command",
            bench.command("tell", env={"SAID": "${{ steps.soak.outputs.summary }}"}),
            needs=["purge", "soak"],
        ),
    ]
    bench.block("purge", "before")
    folder = runs.create(checked(playbook(world.facts(), steps), tmp_path / "crash.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await bench.reached("purge", "before")
        assert {status(watched.state, name) for name in ("soak", "guard")} <= {"observing", "succeeded"}
        assert kill_conductor(folder)
        resume(folder)
        await watched.seen("StepSucceeded", step="guard")
        await watched.seen("StepSucceeded", step="soak")
        assert watched.state.phase == "forward", "the command still stands, and its run does not close"
        bench.let_go("purge", "before")
        assert await watched.closed() == "completed"
        seen = watched.state.steps["soak"].seen  # type: ignore[index]
        outputs = watched.state.steps["soak"].outputs  # type: ignore[index]
    assert outputs["verdict"] == "pass"
    assert {one.id for one in seen} == {"health", "fleet"}
    assert all(one.good > 0.0 for one in seen)
    assert outputs["summary"].startswith("4s: 2 of 2 conditions pass")
    assert len(bench.did("purge")) == len(bench.did("tell")) == 1
