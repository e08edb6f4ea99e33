"""Writing flags on a real Unleash over a real PostgreSQL: each danger the adapter guards against, as it is there."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from amplify_tui.adapters.flags.plan import FlagSpec, StrategyChange, StrategySpec, Where, expose, target
from amplify_tui.adapters.flags.state import exposure
from amplify_tui.adapters.flags.undo import Already, Diverged, restore
from amplify_tui.adapters.ports import Absent, Done, FlagWrite, Unknown, Unreachable
from amplify_tui.adapters.unleash.ops import operations
from amplify_tui.adapters.unleash.provider import FEW, UnleashProvider
from tests.adapters.unleash_world import RAMP, P, env, make, one, provide, until
from tests.real.services import Unleash
from tests.real.tap import tap

pytestmark = pytest.mark.real


async def test_a_flag_that_is_not_there_is_an_answer_and_not_an_error(flags: UnleashProvider, key: str) -> None:
    state = await one(flags, key)
    assert not state.exists
    assert state.exposure == 0


async def test_on_without_strategies_adds_everybody_at_the_server_and_never_through_us(
    flags: UnleashProvider, server: httpx.AsyncClient, key: str
) -> None:
    await server.post(f"{P}/features", json={"name": key, "type": "release"})
    bare = await one(flags, key)
    smuggled = FlagWrite(key=key, env="development", before=bare.raw, after={**bare.raw, "enabled": True}, widens=True)
    refused = await flags.apply(smuggled)
    assert isinstance(refused, Absent)
    assert not (await one(flags, key)).enabled

    await server.post(f"{env(key)}/on")  # the danger itself
    assert (await one(flags, key)).exposure == 100


async def test_a_created_flag_is_on_at_zero_percent_for_nobody(flags: UnleashProvider, key: str) -> None:
    await make(flags, key, enabled=True)
    state = await one(flags, key)
    assert state.enabled
    assert state.exposure == 0
    assert [strategy.title for strategy in state.strategies] == ["ramp"]


async def test_a_phase_changes_the_percentage_and_nothing_else(flags: UnleashProvider, key: str) -> None:
    where = (Where(field="tenantId", op="IN", values=("t1", "t2")), Where(field="age", op="NUM_GT", value=17))
    variants = ({"name": "a", "weight": 1, "stickiness": "userId"}, {"name": "b", "weight": 1, "stickiness": "userId"})
    await make(flags, key, StrategySpec(title="ramp", rollout=0, where=where, variants=variants))
    before = await one(flags, key)
    outcome = await flags.apply(expose(before, 25))
    assert isinstance(outcome, Done), outcome
    after = await one(flags, key)
    assert after.exposure == 25
    kept = ("constraints", "variants", "title", "id", "segments")
    assert [after.raw["strategies"][0][name] for name in kept] == [before.raw["strategies"][0][name] for name in kept]


async def test_replacing_all_strategies_of_a_flag_that_is_on_leaves_it_on(flags: UnleashProvider, key: str) -> None:
    await make(flags, key, StrategySpec(title="old", rollout=30), enabled=True)
    spec = FlagSpec(strategies=(StrategySpec(title="new", rollout=20), StrategySpec(title="second", rollout=10)))
    outcome = await flags.apply(target(await one(flags, key), spec))
    assert isinstance(outcome, Done), outcome
    state = await one(flags, key)
    assert state.enabled
    assert sorted(strategy.title for strategy in state.strategies) == ["new", "second"]


async def test_swapping_which_strategy_is_active_leaves_the_flag_on(flags: UnleashProvider, key: str) -> None:
    await make(
        flags, key, StrategySpec(title="a", rollout=5), StrategySpec(title="b", rollout=5, disabled=True), enabled=True
    )
    swap = FlagSpec(change=(StrategyChange(title="a", disabled=True), StrategyChange(title="b", disabled=False)))
    outcome = await flags.apply(target(await one(flags, key), swap))
    assert isinstance(outcome, Done), outcome
    assert (await one(flags, key)).enabled


async def test_an_undo_restores_the_exact_state_and_a_second_one_writes_nothing(
    flags: UnleashProvider, key: str
) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=0), StrategySpec(title="beta", rollout=40), enabled=True)
    before = await one(flags, key)
    spec = FlagSpec(add=(StrategySpec(title="more", rollout=70),), remove=("beta",))
    planned = target(before, spec)
    done = await flags.apply(planned)
    assert isinstance(done, Done), done
    undo = restore(planned.before, done.observed, await one(flags, key))
    assert isinstance(undo, FlagWrite)
    assert isinstance(await flags.apply(undo), Done)
    assert (await one(flags, key)).fingerprint == before.fingerprint
    assert isinstance(restore(planned.before, done.observed, await one(flags, key)), Already)


async def test_an_undo_leaves_what_somebody_else_added(
    flags: UnleashProvider, server: httpx.AsyncClient, key: str
) -> None:
    await make(flags, key)
    planned = expose(await one(flags, key), 25)
    done = await flags.apply(planned)
    assert isinstance(done, Done)
    added = {"name": "flexibleRollout", "parameters": {"rollout": "3", "stickiness": "userId", "groupId": "support"}}
    theirs = (await server.post(f"{env(key)}/strategies", json=added)).json()
    undo = restore(planned.before, done.observed, await one(flags, key))
    assert isinstance(undo, Diverged)
    outcome = await flags.apply(undo.ours)
    assert isinstance(outcome, Done), outcome
    now = await one(flags, key)
    assert not now.enabled  # we had switched it on
    kept = next(one for one in now.raw["strategies"] if one["id"] == theirs["id"])
    assert kept["parameters"] == theirs["parameters"]


async def test_a_write_planned_on_what_somebody_changed_since_is_refused(
    flags: UnleashProvider, server: httpx.AsyncClient, key: str
) -> None:
    await make(flags, key)
    planned = expose(await one(flags, key), 25)
    await server.post(f"{env(key)}/strategies", json={"name": "default"})
    outcome = await flags.apply(planned)
    assert isinstance(outcome, Absent)
    assert outcome.error == "Conflict"
    assert "is new" in outcome.reason
    assert (await one(flags, key)).exposure == 0


async def test_the_test_operations_refuse_a_strategy_changed_between_our_read_and_our_write(
    flags: UnleashProvider, server: httpx.AsyncClient, key: str
) -> None:
    """The window is ours to open: the provider's own call is sent with a before-image that has become old."""
    await make(flags, key)
    planned = expose(await one(flags, key), 25)
    (change, _) = operations("default", key, "development", planned.before, planned.after)
    value = [{"op": "replace", "path": "/parameters/rollout", "value": "7"}]
    await server.patch(change.path, json=value)
    refused = await flags._send(change, key, 0, [])
    assert isinstance(refused, Absent)
    assert refused.error == "Conflict"
    assert (await one(flags, key)).raw["strategies"][0]["parameters"]["rollout"] == "7"


async def test_twenty_of_our_writes_to_one_flag_at_once_lose_none(flags: UnleashProvider, key: str) -> None:
    await make(flags, key)
    start = await one(flags, key)

    async def add(n: int) -> bool:
        state = await one(flags, key)
        outcome = await flags.apply(target(state, FlagSpec(add=(StrategySpec(title=f"s{n}", rollout=n),))))
        return isinstance(outcome, Done)

    done = await asyncio.gather(*(add(n) for n in range(6)))
    titles = {strategy.title for strategy in (await one(flags, key)).strategies}
    assert titles == {"ramp"} | {f"s{n}" for n, ok in enumerate(done) if ok}
    assert any(done)
    assert start.exposure == 0


async def test_a_repeated_write_that_is_in_place_changes_nothing_and_leaves_no_event(
    flags: UnleashProvider, key: str
) -> None:
    await make(flags, key)
    planned = expose(await one(flags, key), 5)
    assert isinstance(await flags.apply(planned), Done)
    began = len(await flags.changes(key, 0))
    assert isinstance(await flags.apply(planned), Done)
    assert len(await flags.changes(key, 0)) == began


async def test_a_kill_with_an_unknown_name_still_kills_the_others(flags: UnleashProvider, key: str) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=50), enabled=True)
    outcomes = await flags.kill([key, f"{key}-nowhere"])
    assert isinstance(outcomes[key], Done)
    lost = outcomes[f"{key}-nowhere"]
    assert isinstance(lost, Absent)
    assert lost.error == "NotFound"
    assert not (await one(flags, key)).enabled


async def test_a_kill_of_many_flags_is_one_call_to_do_it_and_one_to_prove_it(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    names = [f"{key}-{n}" for n in range(FEW + 1)]
    for name in names:
        await make(flags, name, StrategySpec(title="ramp", rollout=50), enabled=True)
    async with tap(unleash.url) as wire:
        through = UnleashProvider(wire.url, unleash.admin, environment="development")
        outcomes = await through.kill(names)
        await through.aclose()
    assert [(one.method, one.path) for one in wire.seen] == [
        ("POST", f"{P}/bulk_features/environments/development/off"),
        ("GET", f"{P}/features"),
    ]
    assert set(outcomes) == {*names}
    assert all(isinstance(outcome, Done) for outcome in outcomes.values())
    assert [state.enabled for state in (await flags.read(names)).values()] == [False] * (FEW + 1)


async def test_a_write_that_gets_no_answer_is_unknown_and_may_still_land(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=50), enabled=True)
    hasty = provide(unleash, timeout=0.4)
    with unleash.frozen():
        outcomes = await hasty.kill([key])
    assert isinstance(outcomes[key], Unknown)
    await hasty.aclose()

    async def off() -> bool:
        return not (await one(flags, key)).enabled

    await until(off)  # it landed after all: the reason why the answer above may not be "absent"


async def test_a_write_under_way_loses_against_a_kill(unleash: Unleash, flags: UnleashProvider, key: str) -> None:
    await make(flags, key)
    planned = expose(await one(flags, key), 25)
    with unleash.frozen():
        applying = asyncio.create_task(flags.apply(planned))
        await asyncio.sleep(0)
        killing = asyncio.create_task(flags.kill([key]))
        await asyncio.sleep(0)
    outcome, killed = await asyncio.gather(applying, killing)
    assert isinstance(killed[key], Done), killed
    assert isinstance(outcome, Absent | Unknown)
    assert not (await one(flags, key)).enabled


async def test_a_server_that_is_down_proves_that_nothing_was_written(unleash: Unleash, key: str) -> None:
    gone = UnleashProvider("http://127.0.0.1:9", unleash.admin, environment="development")
    with pytest.raises(Unreachable):
        await gone.read([key])
    killed = (await gone.kill([key]))[key]
    assert isinstance(killed, Absent)
    assert killed.retryable
    await gone.aclose()


async def test_a_flag_can_be_archived_and_its_name_stays_taken(flags: UnleashProvider, key: str) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=50), enabled=True)
    outcome = await flags.apply(target(await one(flags, key), FlagSpec(archive=True)))
    assert isinstance(outcome, Done), outcome
    again = target(await one(flags, key), FlagSpec(create="release", strategies=(RAMP,)))
    taken = await flags.apply(again)
    assert isinstance(taken, Absent)
    assert taken.error == "Conflict"


async def test_the_audit_trail_says_who_what_and_when(flags: UnleashProvider, key: str) -> None:
    await make(flags, key)
    assert isinstance(await flags.apply(expose(await one(flags, key), 25)), Done)
    changes = await flags.changes(key, 0)
    assert [change.by for change in changes] == ["admin"] * len(changes)
    assert any("rollout from 0% to 25%" in change.what for change in changes)
    assert changes == sorted(changes, key=lambda change: change.at)
    assert await flags.changes(key, changes[-1].at) == []


async def test_a_change_of_a_segment_is_a_change_of_the_flags_that_use_it(
    flags: UnleashProvider, server: httpx.AsyncClient, key: str
) -> None:
    rule = {"contextName": "tenantId", "operator": "IN", "values": ["t1"]}
    body: dict[str, Any] = {"name": key, "constraints": [rule]}
    segment = (await server.post("/api/admin/segments", json=body)).json()["id"]
    await make(flags, key, StrategySpec(title="ramp", rollout=10, segments=(segment,)), enabled=True)
    rule["values"] = ["t1", "t2"]
    await server.put(f"/api/admin/segments/{segment}", json=body)
    assert any("segment" in change.what for change in await flags.changes(key, 0))


async def test_an_invalid_rollout_of_somebody_else_counts_as_everybody(
    flags: UnleashProvider, server: httpx.AsyncClient, key: str
) -> None:
    await server.post(f"{P}/features", json={"name": key, "type": "release"})
    await server.post(f"{env(key)}/strategies", json={"name": "flexibleRollout", "parameters": {"rollout": "150"}})
    await server.post(f"{env(key)}/on")
    assert exposure((await one(flags, key)).raw) == 100


async def test_a_flag_comes_out_of_the_archive_with_what_it_had(flags: UnleashProvider, key: str) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=25, stickiness="userId"), enabled=True)
    before = await one(flags, key)
    archived = await flags.apply(target(before, FlagSpec(archive=True)))
    assert isinstance(archived, Done)
    plan = restore(before.raw, archived.observed, await one(flags, key))
    assert isinstance(plan, FlagWrite)
    assert isinstance(await flags.apply(plan), Done)
    after = await one(flags, key)
    assert after.fingerprint == before.fingerprint
    assert len(after.strategies) == 1


async def test_a_flag_that_was_purged_is_made_anew(flags: UnleashProvider, unleash: Unleash, key: str) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=25, stickiness="userId"), enabled=True)
    before = await one(flags, key)
    await flags.apply(target(before, FlagSpec(archive=True)))
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.admin}) as http:
        (await http.delete(f"/api/admin/archive/{key}")).raise_for_status()
    gone = await one(flags, key)
    plan = restore(before.raw, gone.raw, gone)
    assert isinstance(plan, FlagWrite)
    assert isinstance(await flags.apply(plan), Done)
    assert (await one(flags, key)).fingerprint == before.fingerprint
