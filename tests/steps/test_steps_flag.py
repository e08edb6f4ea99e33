"""flag and its undo, on the sandbox's flag server."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from amplify_tui.adapters.flags.plan import StrategySpec, Where, expose
from amplify_tui.adapters.ports import Absent, Conflict, Done, FlagState, Invalid, NotFound, Unknown
from amplify_tui.adapters.unleash.provider import UnleashProvider
from amplify_tui.drill.world import World
from amplify_tui.playbook.context import secret_marker
from amplify_tui.run.state import Decision
from amplify_tui.steps.flag import FlagFields
from amplify_tui.steps.rollout_fields import RolloutFields
from tests.adapters.flag_proxy import proxy_of
from tests.steps.steps_world import Bench, RealWorld


@pytest.fixture
def name() -> str:
    return f"steps-{secrets.token_hex(4)}"


RAMP = StrategySpec(title="ramp", rollout=0, stickiness="userId")


def created(name: str, **more: Any) -> FlagFields:
    return FlagFields(
        name=name, source="flags", **{"create": "release", "enabled": False, "strategies": (RAMP,), **more}
    )


async def live(bench: Bench, name: str) -> FlagState:
    return (await bench.world.flags("flags").read([name]))[name]


async def somebody(sandbox: World, name: str, share: float) -> None:
    """A second person at the flag server puts the ramp somewhere else."""
    facts = sandbox.facts()
    other = UnleashProvider(facts["flags"]["url"], facts["inject"]["outsider_token"], environment="production")
    state = (await other.read([name]))[name]
    outcome = await other.apply(expose(state, share, "ramp"))
    await other.aclose()
    assert isinstance(outcome, Done), outcome


async def by_hand(line: str, token: str) -> int:
    shell = await asyncio.create_subprocess_exec(
        "sh", "-c", line, env={**os.environ, "UNLEASH_TOKEN": token}, stdout=asyncio.subprocess.DEVNULL
    )
    return await shell.wait()


async def ramped(world: RealWorld, name: str, *shares: float) -> Bench:
    """A flag that this run created and ramped."""
    bench = Bench(world, "flag")
    await bench.drive(created(name))
    rollout = Bench(world, "rollout")
    rollout.state = bench.state
    fields = RolloutFields(flag=name, source="flags", phases=shares, bake=1.0, strategy="ramp", gate=("health",))
    for phase in range(len(shares)):
        made = await rollout.drive(fields, phase)
        assert [type(one.outcome) for one in made] == [Done], made
    return rollout


async def test_a_flag_is_created_off_and_the_effect_holds_the_whole_state(sandbox_world: RealWorld, name: str) -> None:
    bench = Bench(sandbox_world, "flag")
    fields = created(name)
    assert "creates" in (await bench.verb.prepare(fields, bench.ctx())).preview
    [made] = await bench.drive(fields)
    assert made.effect is not None
    assert made.effect.target.id == f"flags/{name}"
    assert made.effect.before["exists"] is False
    assert made.effect.observed["strategies"][0]["parameters"]["rollout"] == "0"
    assert made.effect.exposure is None  # nobody was exposed and nobody is
    assert not (await live(bench, name)).enabled
    ended = await bench.finish(fields)
    assert ended.ok
    assert ended.outputs["after"]["percent"] == 0


async def test_what_our_own_effect_left_is_not_written_again(sandbox_world: RealWorld, name: str) -> None:
    bench = Bench(sandbox_world, "flag")
    await bench.drive(created(name))
    [group] = await bench.verb.tasks(created(name), bench.ctx(), 0)
    assert await bench.verb.intend(group[0], bench.ctx()) is None


async def test_a_flag_that_somebody_else_owns_is_refused(sandbox_world: RealWorld, name: str) -> None:
    await Bench(sandbox_world, "flag").drive(created(name))
    stranger = Bench(sandbox_world, "flag")
    with pytest.raises(Invalid, match="exists already"):
        await stranger.drive(created(name))
    assert [type(one.outcome) for one in await stranger.drive(created(name, reuse="if_off"))] == [Done]


async def test_named_users_are_some_users_and_not_everybody(sandbox_world: RealWorld, name: str) -> None:
    bench = Bench(sandbox_world, "flag")
    await bench.drive(created(name))
    inside = StrategySpec(title="inside", rollout=100, where=(Where(field="userId", op="IN", values=("u1",)),))
    task = await bench.verb.tasks(FlagFields(name=name, source="flags", enabled=True, add=(inside,)), bench.ctx(), 0)
    draft = await bench.verb.intend(task[0][0], bench.ctx())
    assert draft is not None
    assert draft.exposure is not None
    assert (draft.exposure.before, draft.exposure.after) == (0.0, 1.0)


async def test_a_rollout_of_a_flag_that_is_not_there_says_what_to_do(sandbox_world: RealWorld, name: str) -> None:
    bench = Bench(sandbox_world, "rollout")
    fields = RolloutFields(flag=name, source="flags", phases=(100,), bake=1.0)
    with pytest.raises(NotFound, match="create it"):
        await bench.verb.prepare(fields, bench.ctx())


async def test_each_phase_is_one_effect_and_all_are_one_undo_to_where_the_step_began(
    sandbox_world: RealWorld, name: str
) -> None:
    bench = await ramped(sandbox_world, name, 10, 50)
    state = await live(bench, name)
    assert (state.enabled, state.exposure) == (True, 50.0)
    exposures = [e.exposure for e in bench.state.effects.values() if e.exposure]
    assert [(e.before, e.after) for e in exposures] == [(0.0, 10.0), (10.0, 50.0)]
    items = bench.plan()
    assert [(item.band, item.target.id) for item in items] == [(1, f"flags/{name}"), (2, f"flags/{name}")]
    made = await bench.take_all_back()
    assert [type(one.outcome) for one in made] == [Done, Done]
    after = await live(bench, name)
    assert not after.enabled  # created by this run: off, and kept as it is
    assert after.strategies[0].percent == 50


async def test_a_ramp_of_a_flag_from_before_goes_back_to_where_it_was(sandbox_world: RealWorld, name: str) -> None:
    await Bench(sandbox_world, "flag").drive(created(name))  # an earlier run's
    bench = Bench(sandbox_world, "rollout")
    fields = RolloutFields(flag=name, source="flags", phases=(10, 50), bake=1.0, gate=("health",))
    for phase in range(2):
        await bench.drive(fields, phase)
    assert (await live(bench, name)).exposure == 50.0
    await bench.take_all_back()
    after = await live(bench, name)
    assert (after.enabled, after.strategies[0].percent) == (False, 0)


async def test_a_flag_that_somebody_changed_between_two_phases_is_not_ramped_on(
    sandbox: World, sandbox_world: RealWorld, name: str
) -> None:
    bench = await ramped(sandbox_world, name, 25)
    await somebody(sandbox, name, 5)  # a brake that somebody pulled
    fields = RolloutFields(flag=name, source="flags", phases=(25, 50), bake=1.0, strategy="ramp", gate=("health",))
    with pytest.raises(Conflict, match="not as we left it"):
        await bench.drive(fields, 1)
    assert (await live(bench, name)).exposure == 5.0

    bench.change(n=bench.step.n + 1)  # a person has read it and retries: from how it is now
    made = await bench.drive(fields, 1)
    assert [type(one.outcome) for one in made] == [Done]
    assert (await live(bench, name)).exposure == 50.0


async def test_the_line_for_doing_it_by_hand_switches_the_flag_off(sandbox_world: RealWorld, name: str) -> None:
    source = sandbox_world.playbook.sources["flags"]
    named = replace(source, token=secret_marker("UNLEASH_TOKEN"))
    sandbox_world.playbook = replace(sandbox_world.playbook, sources={"flags": named})
    bench = await ramped(sandbox_world, name, 25)
    assert (await live(bench, name)).enabled
    [item, _] = bench.plan()
    assert "$UNLEASH_TOKEN" in item.by_hand
    assert await by_hand(item.proof, sandbox_world.token) != 0
    assert await by_hand(item.by_hand, sandbox_world.token) == 0
    assert await by_hand(item.proof, sandbox_world.token) == 0
    assert not (await live(bench, name)).enabled


async def test_an_undo_does_not_wait_for_a_server_that_accepts_and_says_nothing(
    sandbox_world: RealWorld, name: str
) -> None:
    bench = await ramped(sandbox_world, name, 10)
    [item, _] = bench.plan()
    silent = socket.create_server(("127.0.0.1", 0))
    deaf = RealWorld(sandbox_world.playbook, sandbox_world.repo_path, sandbox_world.run_dir)
    source = replace(sandbox_world.playbook.sources["flags"], unleash=f"http://127.0.0.1:{silent.getsockname()[1]}")
    deaf.playbook = replace(deaf.playbook, sources={"flags": source})
    bench.world = deaf
    made = await bench.take_back(item)
    assert made.draft is not None
    assert made.draft.data["do"] == "kill", "off without having read it"
    assert isinstance(made.outcome, Unknown)
    await deaf.aclose()
    silent.close()


async def test_taking_back_twice_writes_nothing_the_second_time(sandbox_world: RealWorld, name: str) -> None:
    bench = await ramped(sandbox_world, name, 10)
    await bench.take_all_back()
    [item, _] = bench.plan()
    made = await bench.take_back(item)
    assert made.draft is not None
    assert made.draft.data["write"] is None
    assert isinstance(made.outcome, Done)


async def test_a_mitigation_switches_off_what_was_off_and_keeps_the_strategies(
    sandbox_world: RealWorld, name: str
) -> None:
    bench = await ramped(sandbox_world, name, 25)
    for item in bench.plan():  # the run is still going forward
        made = await bench.take_back(item)
        assert isinstance(made.outcome, Done)
    state = await live(bench, name)
    assert not state.enabled
    assert state.strategies[0].percent == 25


async def test_the_first_call_of_a_mitigation_switches_off(sandbox_world: RealWorld, name: str) -> None:
    """Also where the server answers no question: reads of it are asked for later, and may fail."""
    bench = await ramped(sandbox_world, name, 25)
    [item, _] = bench.plan()
    source = sandbox_world.playbook.sources["flags"]
    async with proxy_of(source.unleash or "") as proxy:
        book = replace(sandbox_world.playbook, sources={"flags": replace(source, unleash=proxy.url)})
        through = RealWorld(book, sandbox_world.repo_path, sandbox_world.run_dir, token=sandbox_world.token)
        bench.world = through
        proxy.fail("GET ", "unauthorized", always=True)
        made = await bench.take_back(item)
        await through.aclose()
    assert proxy.seen[0].startswith("POST ")
    assert proxy.seen[0].endswith("/off")
    assert isinstance(made.outcome, Unknown), "nobody could look whether it is off"
    bench.world = sandbox_world
    assert not (await live(bench, name)).enabled


async def test_what_somebody_archived_counts_as_off_in_a_mitigation(sandbox_world: RealWorld, name: str) -> None:
    bench = await ramped(sandbox_world, name, 25)
    await Bench(sandbox_world, "flag").drive(FlagFields(name=name, source="flags", archive=True))
    for item in bench.plan():
        assert isinstance((await bench.take_back(item)).outcome, Done)


async def test_a_mitigation_never_exposes_more_users_than_before_it(sandbox_world: RealWorld, name: str) -> None:
    owner = await ramped(sandbox_world, name, 100)
    assert (await live(owner, name)).exposure == 100.0
    bench = Bench(sandbox_world, "flag")  # a release that switches the flag off
    await bench.drive(FlagFields(name=name, source="flags", enabled=False))
    [item, _] = bench.plan()
    made = await bench.take_back(item)
    assert isinstance(made.outcome, Done)
    assert not (await live(bench, name)).enabled
    # a rollback that a person started does restore it
    bench.state = replace(bench.state, phase="rolling_back")
    assert isinstance((await bench.take_back(item)).outcome, Done)
    assert (await live(bench, name)).exposure == 100.0


async def test_a_flag_changed_by_somebody_else_loses_what_is_ours_and_goes_off(
    sandbox: World, sandbox_world: RealWorld, name: str
) -> None:
    bench = await ramped(sandbox_world, name, 25)
    await somebody(sandbox, name, 60)
    bench.state = replace(bench.state, phase="rolling_back")
    [item, verify] = bench.plan()
    made = await bench.take_back(item)
    assert made.draft is not None
    assert "somebody else" in made.draft.says
    assert isinstance(made.outcome, Done), made.outcome
    assert not (await live(bench, name)).enabled
    assert isinstance((await bench.take_back(verify)).outcome, Done)


async def test_a_person_may_decide_to_overwrite(sandbox: World, sandbox_world: RealWorld, name: str) -> None:
    bench = await ramped(sandbox_world, name, 25)
    await somebody(sandbox, name, 60)
    [item, _] = bench.plan()
    decided = {item.id: Decision("restore", "ours by right", "captain")}
    bench.state = replace(bench.state, phase="rolling_back", decisions=decided)
    made = await bench.take_back(item)
    assert isinstance(made.outcome, Done)
    state = await live(bench, name)
    assert (state.enabled, state.strategies[0].percent) == (False, 25)  # exactly ours, and off


async def test_a_flag_that_comes_on_again_after_the_undo_is_switched_off_again(
    sandbox: World, sandbox_world: RealWorld, name: str
) -> None:
    bench = await ramped(sandbox_world, name, 25)
    bench.state = replace(bench.state, phase="rolling_back")
    [item, verify] = bench.plan()
    await bench.take_back(item)
    await somebody(sandbox, name, 25)  # as a write that timed out and landed late
    made = await bench.take_back(verify)
    assert isinstance(made.outcome, Done), made.outcome
    assert not (await live(bench, name)).enabled
    assert any("came back" in line for line in bench.log)


async def test_the_probe_tells_done_absent_and_diverged_apart(
    sandbox: World, sandbox_world: RealWorld, name: str
) -> None:
    bench = await ramped(sandbox_world, name, 10)
    last = list(bench.state.effects.values())[-1]
    assert (await bench.probe(last)).result == "done"
    await somebody(sandbox, name, 40)
    seen = await bench.probe(last)
    assert seen.result == "diverged"
    assert "40%" in seen.detail
    before = replace(last, before=seen.observed)
    assert (await bench.probe(before)).result == "absent"


async def test_an_undo_with_the_flag_server_down_is_absent_and_tried_again(sandbox_world: RealWorld, name: str) -> None:
    bench = await ramped(sandbox_world, name, 10)
    [item, verify] = bench.plan()
    deaf = RealWorld(sandbox_world.playbook, sandbox_world.repo_path, sandbox_world.run_dir)
    source = replace(sandbox_world.playbook.sources["flags"], unleash="http://127.0.0.1:9")
    deaf.playbook = replace(deaf.playbook, sources={"flags": source})
    bench.world = deaf
    for one in (item, verify):
        outcome = (await bench.take_back(one)).outcome
        assert isinstance(outcome, Absent), outcome
        assert outcome.retryable
    last = next(iter(bench.state.effects.values()))
    assert (await bench.probe(last)).result == "unreachable"
    await deaf.aclose()


async def test_a_flag_that_applications_still_ask_for_is_not_archived(
    sandbox_world: RealWorld, sandbox: World, name: str
) -> None:
    bench = Bench(sandbox_world, "flag")
    await bench.drive(created(name))
    await asked_for(sandbox, name, yes=3, no=4)
    archive = FlagFields(name=name, source="flags", archive=True)
    with pytest.raises(Conflict, match="shop-web"):
        await bench.verb.prepare(archive, bench.ctx())
    with pytest.raises(Conflict):
        await Bench(sandbox_world, "flag").drive(archive)
    assert (await live(bench, name)).exists


async def test_a_flag_that_nobody_asks_for_is_archived(sandbox_world: RealWorld, name: str) -> None:
    bench = Bench(sandbox_world, "flag")
    await bench.drive(created(name))
    made = await Bench(sandbox_world, "flag").drive(FlagFields(name=name, source="flags", archive=True))
    assert [type(one.outcome) for one in made] == [Done]
    assert not (await live(bench, name)).exists


async def test_what_we_archived_comes_back_as_it_was(sandbox_world: RealWorld, name: str) -> None:
    bench = Bench(sandbox_world, "flag")
    await bench.drive(created(name, enabled=True, strategies=(replace(RAMP, rollout=25),)))
    before = (await live(bench, name)).fingerprint
    other = Bench(sandbox_world, "flag")
    await other.drive(FlagFields(name=name, source="flags", archive=True))
    await other.take_all_back()
    assert (await live(bench, name)).fingerprint == before


async def asked_for(sandbox: World, name: str, *, yes: int, no: int) -> None:
    """An application's SDK tells how often it asked, as it does every minute."""
    flags = sandbox.facts()["flags"]
    now = datetime.now(UTC)
    bucket = {
        "start": now.isoformat(),
        "stop": now.isoformat(),
        "toggles": {name: {"yes": yes, "no": no, "variants": {}}},
    }
    body = {"appName": "shop-web", "instanceId": "1", "bucket": bucket}
    async with httpx.AsyncClient(base_url=flags["url"], headers={"Authorization": flags["client_token"]}) as http:
        (await http.post("/api/client/metrics", json=body)).raise_for_status()
