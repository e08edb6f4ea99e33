"""kill -9 of the conductor at chosen points, then `amplify resume`: nothing is done twice, and the run ends.

The points are exact without a hook in the program: a command of the playbook stands at a FIFO, a stopped flag server
holds a read open, and a bake or a rollback is seen in the journal over the run's own socket.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest

from amplify_tui.drill.world import World
from amplify_tui.playbook.document import Document
from amplify_tui.run import events as ev
from amplify_tui.run.envelope import Envelope
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    checked,
    deploy_step,
    flag_events,
    flag_now,
    flag_steps,
    kill_commands,
    kill_conductor,
    pid_of,
    playbook,
    remote_tags,
    resume,
    step,
    tag_step,
    versions,
)


def assert_nothing_twice(watched: Watched, bench: Bench, *names: str) -> None:
    """Each idempotency key was acted on once, and each effect that is done was intended once."""
    for name in names:
        keys = bench.did(name)
        assert keys, f"{name} never acted"
        assert [key for key, times in Counter(keys).items() if times > 1] == []
    done = Counter(e.idem for e in watched.state.effects.values() if e.status == "done")
    assert [idem for idem, times in done.items() if times > 1] == []
    assert watched.state.open_effects == []


def document(world: World, bench: Bench, steps: list[dict[str, object]]) -> Document:
    return checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml")


async def test_killed_before_an_intent_the_effect_is_made_once_by_the_next(
    world: World, bench: Bench, runs: Runs
) -> None:
    """The flag server is stopped while the step looks at the flag: it has begun, and nothing is intended yet."""
    bench.block("gate", "before")
    steps = [step("gate", "command", bench.command("gate")), *flag_steps()[:1]]
    folder = runs.create(document(world, bench, steps))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await bench.reached("gate", "before")
        os.kill(pid_of(world, "flagserver"), signal.SIGSTOP)
        bench.let_go("gate", "before")
        await watched.seen("StepSucceeded", step="gate")  # the next step cannot come to its intent
        assert kill_conductor(folder)
        assert not [e for e in watched.of("EffectIntended") if e.data.step == "prepare"]
        os.kill(pid_of(world, "flagserver"), signal.SIGCONT)
        assert flag_events(world) == []
        resume(folder)
        assert await watched.closed() == "completed"
        assert_nothing_twice(watched, bench, "gate")
    created = [e["type"] for e in flag_events(world)]
    assert created.count("feature-created") == 1


@pytest.mark.parametrize("command_dies", [True, False], ids=["the command dies too", "the command lives on"])
async def test_killed_between_intent_and_act_the_act_happens_once(
    world: World, bench: Bench, runs: Runs, command_dies: bool
) -> None:
    bench.block("work", "before")
    folder = runs.create(document(world, bench, [step("work", "command", bench.command("work"))]))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await bench.reached("work", "before")
        await watched.seen("EffectIntended", step="work")
        assert kill_conductor(folder)
        if command_dies:
            kill_commands(folder)
            bench.let_go("work", "before")
        resume(folder)
        if not command_dies:
            probed = await watched.seen("EffectProbed", result="running")
            assert "still runs" in probed.data.detail
            assert bench.did("work") == []
            bench.let_go("work", "before")
        assert await watched.closed() == "completed"
        assert_nothing_twice(watched, bench, "work")


async def test_killed_between_act_and_outcome_the_probe_settles_it_and_nothing_is_repeated(
    world: World, bench: Bench, runs: Runs
) -> None:
    bench.block("work", "after")
    folder = runs.create(document(world, bench, [step("work", "command", bench.command("work"))]))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await bench.reached("work", "after")
        assert kill_conductor(folder)
        kill_commands(folder)
        resume(folder)
        await watched.seen("EffectProbed", result="done")
        assert await watched.closed() == "completed"
        assert_nothing_twice(watched, bench, "work")
        assert len(watched.of("EffectIntended")) == 1


async def test_without_a_probe_an_unknown_effect_waits_for_a_person_and_is_never_repeated(
    world: World, bench: Bench, runs: Runs
) -> None:
    bench.block("work", "after")
    folder = runs.create(document(world, bench, [step("work", "command", bench.command("work", probe=False))]))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await bench.reached("work", "after")
        assert kill_conductor(folder)
        kill_commands(folder)
        resume(folder)
        await watched.seen("EffectProbed", result="unreachable")
        assert watched.state.steps["work"].status == "stuck"
        effect = next(iter(watched.state.effects))
        refused = await watched.do("Retry", step="work")
        assert refused.refusal is not None
        assert (await watched.do("Settle", effect=effect, as_="done", reason="its own record says so")).ok
        assert await watched.closed() == "completed_with_exceptions"
        assert_nothing_twice(watched, bench, "work")


@pytest.mark.slow
async def test_killed_in_a_bake_the_bake_goes_on_and_no_deploy_is_repeated(
    world: World, bench: Bench, runs: Runs
) -> None:
    folder = runs.create(document(world, bench, [deploy_step(bench), tag_step(), *flag_steps()]))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("PhaseEntered", step="deploy", i=0)
        assert kill_conductor(folder)
        resume(folder)
        await watched.seen("PhaseEntered", step="ramp", i=0)
        assert kill_conductor(folder)
        resume(folder)
        assert await watched.closed() == "completed"
        assert_nothing_twice(watched, bench, "deploy")
    assert len(bench.did("deploy")) == 2
    assert versions(world) == ["3.0.0", "3.0.0"]
    assert remote_tags(world).count("v3.0.0") == 1
    assert flag_now(world) == (True, [100.0])
    assert [e["type"] for e in flag_events(world)].count("feature-environment-enabled") == 1


@pytest.mark.slow
async def test_killed_in_a_rollback_each_undo_happens_once_and_all_is_back(
    world: World, bench: Bench, runs: Runs
) -> None:
    go = step("go", "confirm", {"ask": "On?"})
    steps = [step("work", "command", bench.command("work")), deploy_step(bench), *flag_steps(), go]
    bench.block("undo_work", "after")
    folder = runs.create(document(world, bench, steps))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        assert (await watched.do("Rollback", reason="a test of the way back")).ok
        await watched.seen("RollbackStarted")
        assert kill_conductor(folder)
        resume(folder)
        await bench.reached("undo_work", "after")
        assert kill_conductor(folder)
        kill_commands(folder)
        bench.let_go("undo_work", "after")
        resume(folder)
        assert await watched.closed() == "rolled_back"
        assert_nothing_twice(watched, bench, "work", "deploy", "revert")
        # An undo has to be idempotent: after a crash in the middle of it, it may run again under the same key.
        assert len(set(bench.did("undo_work"))) == 1
    assert versions(world) == ["2.9.4", "2.9.4"]
    assert flag_now(world)[0] is False


def point(event: Envelope) -> tuple[object, ...] | None:
    """What happened, apart from how often; None where a conductor has only looked around."""
    if event.type in ("RunCreated", "ConductorAttached", "EffectProbed", "EffectUnknown", "BakeAccrued", "GateJudged"):
        return None
    if isinstance(event.data, ev.EffectIntended):  # intended anew after each crash, with an id of its own
        return event.type, event.data.step, event.data.target.id, event.data.phase
    return event.type, getattr(event.data, "step", ""), getattr(event.data, "i", getattr(event.data, "effect", ""))


@pytest.mark.slow
async def test_killed_again_and_again_through_a_whole_run_nothing_happens_twice(
    world: World, bench: Bench, runs: Runs
) -> None:
    """The conductor is killed when an event is seen that no conductor was killed at before, from start to end.

    A flag that was half made is neither as before nor as after; there a person looks and settles it.
    """
    first, *ramp = step("work", "command", bench.command("work")), *flag_steps((100,))
    steps = [first, *ramp, deploy_step(bench, waves=[2]), tag_step()]
    folder = runs.create(document(world, bench, steps))
    await runs.conduct(folder)
    met: set[tuple[object, ...]] = set()
    kills = 0
    async with Watched(folder) as watched:
        await watched.start()
        while watched.state.phase != "closed":
            told = len(watched.events)
            fresh = {found for e in watched.events if (found := point(e))} - met
            if fresh:
                met |= fresh
                kills += kill_conductor(folder)
                await runs.conduct(folder)
            for effect in [e for e in watched.state.effects.values() if e.status == "diverged"]:
                await watched.do("Settle", effect=effect.id, as_="absent", reason="looked: it is half made")
            for stuck in [s for s in watched.state.steps.values() if s.status == "stuck" and s.cause == "failed"]:
                await watched.do("Retry", step=stuck.step)
            await watched.until(lambda s, told=told: s.phase == "closed" or len(watched.events) > told, "goes on")
        assert watched.state.outcome in ("completed", "completed_with_exceptions")
        assert_nothing_twice(watched, bench, "work", "deploy")
    assert kills >= 5  # how many depends on how far each conductor comes before its end is seen
    assert versions(world) == ["3.0.0", "3.0.0"]
    assert flag_now(world) == (True, [100.0])
    assert remote_tags(world).count("v3.0.0") == 1
