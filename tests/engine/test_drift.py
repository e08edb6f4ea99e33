"""Somebody else changes a flag of a running release: the run is held, told who, and goes on as a person answers."""

from __future__ import annotations

from typing import Any

import pytest

from amplify_tui.drill import plainhttp
from amplify_tui.drill.world import World
from amplify_tui.run.shapes import ref_of
from amplify_tui.run.state import State
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    checked,
    eventually,
    flag_events,
    flag_now,
    flag_steps,
    kill_conductor,
    playbook,
    resume,
    step,
)

pytestmark = pytest.mark.slow
FLAG = "flags/checkout-v3"


def outsider(world: World, path: str, method: str = "POST", body: Any = None) -> Any:
    """A second person calls the flag server."""
    facts = world.facts()
    return plainhttp.call(
        facts["flags"]["url"] + path, method=method, token=facts["inject"]["outsider_token"], body=body
    )


ENV = "/api/admin/projects/default/features/checkout-v3/environments/production"


def set_percent(world: World, percent: int) -> None:
    """A second person sets the ramp to *percent*."""
    ramp = next(s for s in outsider(world, ENV, "GET")["strategies"] if s["title"] == "ramp")
    changed = {**ramp, "parameters": {**ramp["parameters"], "rollout": str(percent)}}
    outsider(world, f"{ENV}/strategies/{ramp['id']}", "PUT", changed)


def held(state: State) -> bool:
    return any(hold.drift is not None for hold in state.holds.values())


async def at_half(watched: Watched) -> None:
    await watched.start()
    await watched.seen("PhaseEntered", step="ramp", i=0)


def ramped(bench: Bench, world: World) -> str:
    steps = [*flag_steps(bake="30s"), step("go", "confirm", {"ask": "On?"})]
    return playbook(world.facts(), steps)


async def test_who_changed_a_flag_is_told_and_ours_is_written_again(world: World, bench: Bench, runs: Runs) -> None:
    folder = runs.create(checked(ramped(bench, world), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await at_half(watched)
        set_percent(world, 80)
        await watched.until(held, "the run is held for the drift")
        hold = next(hold for hold in watched.state.holds.values() if hold.drift)
        assert hold.drift is not None
        assert (hold.drift.by, hold.drift.left_percent, hold.drift.percent) == ("outside@example.com", 50.0, 80.0)
        said = (hold.drift.before_says, hold.drift.left_says, hold.drift.now_says)
        assert [share in words for share, words in zip(("0 %", "50 %", "80 %"), said, strict=True)] == [True] * 3, said
        assert not (await watched.do("Release", hold=hold.id, choice="accept")).ok
        assert (await watched.do("Release", hold=hold.id, choice="ours")).ok
        await watched.until(lambda s: not s.holds, "the flag is ours again")
        assert flag_now(world) == (True, [50.0])
        assert watched.state.exposure[FLAG] == 50.0
        assert (await watched.do("Rollback", reason="enough")).ok
        assert await watched.closed() == "rolled_back"
    assert flag_now(world)[0] is False


async def test_a_pulled_brake_holds_the_run_and_may_be_accepted(world: World, bench: Bench, runs: Runs) -> None:
    folder = runs.create(checked(ramped(bench, world), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await at_half(watched)
        outsider(world, f"{ENV}/off")
        await watched.until(held, "the run is held for the drift")
        hold = next(iter(watched.state.holds.values()))
        assert (await watched.do("Release", hold=hold.id, choice="accept")).ok
        await watched.until(lambda s: not s.holds and s.exposure[FLAG] == 0.0, "theirs is ours now")
        assert flag_now(world)[0] is False
        assert watched.state.steps[ref_of("ramp", "")].cause == "undo"  # it does not bake on nobody
        assert (await watched.do("Rollback", reason="enough")).ok
        assert await watched.closed() == "rolled_back"


async def test_kill_switches_it_off_and_the_run_stays_held(world: World, bench: Bench, runs: Runs) -> None:
    folder = runs.create(checked(ramped(bench, world), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await at_half(watched)
        set_percent(world, 80)
        await watched.until(held, "the run is held for the drift")
        hold = next(iter(watched.state.holds.values()))
        assert (await watched.do("Release", hold=hold.id, choice="kill", reason="not today")).ok
        await watched.until(lambda s: s.mitigation == "done", "exposure is off")
        assert flag_now(world)[0] is False
        assert [hold.kind for hold in watched.state.holds.values()] == ["human"]


async def test_a_flag_that_somebody_archives_comes_back_as_ours(world: World, bench: Bench, runs: Runs) -> None:
    folder = runs.create(checked(ramped(bench, world), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await at_half(watched)
        outsider(world, "/api/admin/projects/default/features/checkout-v3", "DELETE")
        await watched.until(held, "the run is held for the drift")
        hold = next(iter(watched.state.holds.values()))
        assert (await watched.do("Release", hold=hold.id, choice="ours")).ok
        await watched.until(lambda s: not s.holds, "the flag is ours again")
        assert flag_now(world) == (True, [50.0])


async def test_a_change_while_nobody_conducts_is_told_by_the_next_conductor(
    world: World, bench: Bench, runs: Runs
) -> None:
    folder = runs.create(checked(ramped(bench, world), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await at_half(watched)
        assert kill_conductor(folder)
        set_percent(world, 10)
        resume(folder)
        await watched.until(held, "the run is held for the drift")
        assert flag_now(world) == (True, [10.0])


async def test_a_segment_that_somebody_edits_is_a_change_of_the_flag(world: World, bench: Bench, runs: Runs) -> None:
    """The flag itself stays as it is; whom it reaches does not."""
    rules = {"contextName": "tenant", "operator": "IN", "values": ["t1"]}
    made = outsider(world, "/api/admin/segments", body={"name": "pilots", "constraints": [rules]})
    steps = flag_steps(bake="30s")
    steps[0]["flag"]["strategies"][0]["segments"] = [made["id"]]
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await at_half(watched)
        wider = {"name": "pilots", "constraints": [{**rules, "values": ["t1", "t2", "t3"]}]}
        outsider(world, f"/api/admin/segments/{made['id']}", "PUT", wider)
        await watched.until(held, "the run is held for the segment")
        drift = next(hold.drift for hold in watched.state.holds.values())
        assert drift is not None
        assert drift.by == "outside@example.com"


async def test_our_own_writes_and_edits_that_reach_nobody_accuse_nobody(world: World, bench: Bench, runs: Runs) -> None:
    steps = flag_steps(phases=(10, 25, 50, 75, 100), bake="1s")
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await at_half(watched)
        patch = [{"op": "replace", "path": "/description", "value": "our new checkout"}]
        outsider(world, "/api/admin/projects/default/features/checkout-v3", "PATCH", patch)
        await eventually(lambda: len(flag_events(world)) > 3, "the description is changed")
        assert await watched.closed() == "completed"
        assert watched.of("HoldPlaced") == []


async def test_flags_that_want_tidying_up_are_on_the_board_from_the_draft_on(
    world: World, bench: Bench, runs: Runs
) -> None:
    """The released code holds checkout-v3, and asks for nothing else."""
    other = step("other", "flag", {"name": "nobody-asks", "source": "flags", "create": "release", "enabled": False})
    folder = runs.create(checked(playbook(world.facts(), [*flag_steps(), other]), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.until(lambda _: "tidy:flags" in watched.board, "the board says what wants tidying up")
        told = watched.board["tidy:flags"]
    assert [(one["flag"], one["kind"]) for one in told["flags"]] == [("nobody-asks", "unused")]
