"""A target that is down blocks what depends on it, and nothing else; when it is back the rest goes on by itself."""

from __future__ import annotations

import os
import signal
import time

import pytest

from amplify_tui.drill.world import World
from amplify_tui.run.agenda import STOP_AFTER
from amplify_tui.run.state import State
from amplify_tui.run.undo import rollback_items
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    amplify,
    checked,
    deploy_step,
    eventually,
    flag_now,
    flag_steps,
    kill_conductor,
    pid_of,
    playbook,
    resume,
    step,
    switch_on,
    versions,
)


@pytest.mark.slow
@pytest.mark.parametrize("crash", [False, True], ids=["one conductor", "a conductor dies meanwhile"])
async def test_code_is_not_taken_back_before_exposure_is_and_then_it_is_with_no_key_pressed(
    world: World, bench: Bench, runs: Runs, crash: bool
) -> None:
    """The flag server is down as the rollback starts: no revert runs. It comes back: flag off first, then the reverts."""
    steps = [deploy_step(bench), *flag_steps(), step("go", "confirm", {"ask": "On?"})]
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        os.kill(pid_of(world, "flagserver"), signal.SIGSTOP)
        assert (await watched.do("Rollback", reason="the server is down and we need it back")).ok
        pressed = watched.state.seq
        await watched.until(
            lambda s: any(i.item.band == 1 and i.status == "waiting" and i.tries for i in rollback_items(s)),
            "the flag is tried in vain",
        )
        if crash:
            assert kill_conductor(folder)
            assert amplify("resume", folder.run).returncode == 0
        assert bench.did("revert") == []
        assert not [e for e in watched.of("EffectIntended") if e.data.target.kind == "instance" and e.data.undoes]
        os.kill(pid_of(world, "flagserver"), signal.SIGCONT)
        assert await watched.closed() == "rolled_back"
        told = [e for e in watched.events if e.seq > pressed]
        assert {e.actor for e in told} <= {"conductor", "captain"}
        assert {e.type for e in told if e.actor == "captain"} <= {"RollbackStarted"}
        verified = [e.seq for e in told if e.type == "EffectIntended" and e.data.undoes.startswith("u2:")]
        reverts = [e.seq for e in told if e.type == "EffectIntended" and e.data.target.kind == "instance"]
        assert max(verified) < min(reverts)
    assert len(bench.did("revert")) == 2
    assert versions(world) == ["2.9.4", "2.9.4"]
    assert flag_now(world)[0] is False


async def test_a_flag_that_somebody_switches_on_again_after_a_mitigation_goes_off_again_by_itself(
    world: World, bench: Bench, runs: Runs
) -> None:
    folder = runs.create(checked(playbook(world.facts(), flag_steps(bake="30s")), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("PhaseEntered", step="ramp")
        assert (await watched.do("Mitigate")).ok
        await watched.seen("MitigationDone")
        switch_on(world)
        assert flag_now(world)[0] is True
        await watched.until(lambda s: s.mitigations == 2 and s.mitigation == "done", "it is taken away again")
        assert flag_now(world)[0] is False
        assert watched.state.exposed_now == 0.0
        assert watched.state.is_held


async def test_a_rollback_ends_a_command_that_still_runs_and_goes_on(world: World, bench: Bench, runs: Runs) -> None:
    steps = [step("work", "command", bench.command("work"), timeout="10m")]
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    bench.block("work", "before")
    async with Watched(folder) as watched:
        await watched.start()
        await bench.reached("work", "before")
        assert (await watched.do("Rollback", reason="a test")).ok
        assert await watched.closed() == "rolled_back"
        assert watched.of("EffectUnknown"), "how far it came is for its probe to say"
    assert bench.did("work") == []


async def told_to_take_back(watched: Watched, step_: str) -> None:
    """A person's word for the undo of a migration, once everything else is back: it does not run without."""

    def is_asked(state: State) -> bool:
        return any((i.item.target.id, i.status) == (step_, "blocked") for i in rollback_items(state))

    await watched.until(is_asked, f"the undo of {step_} asks")
    item = next(i.item.id for i in rollback_items(watched.state) if i.item.target.id == step_)
    assert (await watched.do("DecideUndo", effect=item, choice="restore", reason="it is idempotent")).ok


async def test_a_rollback_lets_a_migration_that_still_runs_come_to_its_end(
    world: World, bench: Bench, runs: Runs
) -> None:
    steps = [step("work", "command", bench.command("work", data="expand"), timeout="10m")]
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    bench.block("work", "before")
    async with Watched(folder) as watched:
        await watched.start()
        await bench.reached("work", "before")
        assert (await watched.do("Rollback", reason="a test")).ok
        begun = (await watched.seen("RollbackStarted")).at_s
        await eventually(lambda: time.time() > begun + STOP_AFTER + 1.0, "the time to end it has passed")
        assert watched.state.phase == "rolling_back"
        bench.let_go("work", "before")
        await told_to_take_back(watched, "work")
        await watched.closed()
        assert not watched.of("EffectUnknown")
    assert len(bench.did("work")) == 1


async def test_a_migration_that_outlives_its_conductor_holds_the_rollback_up_and_is_ended_at_its_deadline(
    world: World, bench: Bench, runs: Runs
) -> None:
    steps = [step("first", "command", bench.command("first"))]
    steps += [step("work", "command", bench.command("work", data="expand"), timeout="3s", needs=["first"])]
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    bench.block("work", "before")
    async with Watched(folder) as watched:
        await watched.start()
        await bench.reached("work", "before")
        deadline = (await watched.seen("EffectIntended", step="work")).data.deadline
        assert kill_conductor(folder)
        resume(folder)
        await watched.seen("EffectProbed", result="running")
        assert (await watched.do("Rollback", reason="a test")).ok
        await told_to_take_back(watched, "work")
        assert await watched.closed() == "rolled_back"
        [ended] = [e for e in watched.of("EffectProbed") if e.data.result == "absent"]
        assert ended.at_s >= deadline
        undone = next(e for e in watched.of("EffectIntended") if e.data.undoes)
        assert undone.seq > ended.seq
        looks = [e for e in watched.of("EffectProbed") if e.data.result == "running"]
        assert len(looks) == 1, "only what is new is journaled"
    assert bench.did("work") == []
    assert len(bench.did("undo_first")) == 1


async def test_integrity_is_judged_before_the_rollout_and_proves_the_rollback_after_it(
    world: World, bench: Bench, runs: Runs
) -> None:
    check = step("orders", "command", bench.command("orders", undo=False, probe=False), timeout="10s")
    text = playbook(world.facts(), flag_steps(bake="30s"), rollback={"integrity": [check]})
    folder = runs.create(checked(text, bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        baseline = await watched.seen("IntegrityJudged", check="orders", when="baseline")
        begun = await watched.seen("AttemptStarted", step="ramp")
        prepared = await watched.seen("StepSucceeded", step="prepare")
        assert prepared.seq < baseline.seq < begun.seq
        await watched.seen("PhaseEntered", step="ramp")
        assert (await watched.do("Rollback", reason="a test")).ok
        assert await watched.closed() == "rolled_back"
        assert watched.state.integrity_after == {"orders": "pass"}


async def test_mitigate_on_a_run_without_exposure_ends_at_once_with_0(world: World, bench: Bench, runs: Runs) -> None:
    steps = [step("go", "confirm", {"ask": "On?"}), *flag_steps()]
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        said = amplify("mitigate", folder.run)
        assert said.returncode == 0, said.stderr


async def test_mitigate_takes_a_half_ramped_flag_off_without_a_living_conductor(
    world: World, bench: Bench, runs: Runs
) -> None:
    folder = runs.create(checked(playbook(world.facts(), flag_steps(bake="30s")), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("PhaseEntered", step="ramp")
        assert flag_now(world) == (True, [50.0])
        assert kill_conductor(folder)
        said = amplify("mitigate", folder.run)
        assert said.returncode == 0, said.stderr
        assert flag_now(world)[0] is False
        assert watched.state.phase == "forward"
        rolled = amplify("rollback", folder.run, "--yes", "--reason", "it was the release")
        assert rolled.returncode == 3, rolled.stderr


def blocked_items(state: State) -> list[str]:
    return [entry.item.id for entry in rollback_items(state) if entry.status == "blocked"]


async def test_rollback_by_the_command_line_says_5_and_what_to_do_by_hand_while_a_target_is_stuck(
    world: World, bench: Bench, runs: Runs
) -> None:
    """An undo command that fails is no outage: it is not tried for ever, a person decides."""
    fields = bench.command("work") | {"undo": {"argv": ["/bin/false"]}}
    steps = [step("work", "command", fields), step("go", "confirm", {"ask": "On?"})]
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        said = amplify("rollback", folder.run, "--yes", "--reason", "a test")
        assert said.returncode == 5
        assert "/bin/false" in said.stderr
        blocked: list[str] = []
        await watched.until(
            lambda s: blocked.extend(i.item.id for i in rollback_items(s) if i.status == "blocked") or blocked,
            "blocked",
        )
        assert amplify("do", folder.run, "decide-undo", blocked[0], "waive", "--reason", "done by hand").returncode == 0
        assert await watched.closed() == "rolled_back_partly"
        assert amplify("show", folder.run, "--json").returncode == 0
