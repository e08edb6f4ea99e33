"""A write of several calls that was cut off between two of them, on a real Unleash: it is gone on with, by itself."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from amplify_tui.adapters.flags.plan import StrategySpec, expose
from amplify_tui.adapters.flags.state import same
from amplify_tui.adapters.ports import Done, Probe, Unknown
from amplify_tui.adapters.unleash.ops import half_done, operations
from amplify_tui.playbook.model import Source
from amplify_tui.run.shapes import Hold
from amplify_tui.run.state import EffectState
from amplify_tui.steps.flag import FlagFields
from amplify_tui.steps.flag_parts import state_of
from amplify_tui.steps.rollout_fields import RolloutFields
from tests.real.services import Unleash
from tests.steps.steps_world import Bench, RealWorld, playbook

pytestmark = pytest.mark.real

RAMP = StrategySpec(title="ramp", rollout=5, stickiness="userId")
BETA = StrategySpec(title="beta", rollout=10, stickiness="userId")


@pytest.fixture
def name() -> str:
    return f"cut-{secrets.token_hex(4)}"


@pytest.fixture
async def world(unleash: Unleash, tmp_path: Path) -> AsyncIterator[RealWorld]:
    book = playbook(None, sources={"flags": Source(unleash=unleash.url)})
    made = RealWorld(book, tmp_path, tmp_path / "run", token=unleash.admin)
    yield made
    await made.aclose()


@pytest.fixture
async def wire(unleash: Unleash) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.admin}) as client:
        yield client


async def raw(bench: Bench, name: str) -> dict[str, Any]:
    return (await state_of(bench.world.flags("flags"), name)).raw


async def call(wire: httpx.AsyncClient, name: str, now: dict[str, Any], after: dict[str, Any], calls: int) -> None:
    """The first *calls* of the calls from *now* to *after*, as the provider sends them."""
    for op in operations("default", name, "production", now, after)[:calls]:
        (await wire.request(op.method, op.path, json=op.body)).raise_for_status()


async def cut(bench: Bench, fields: Any, wire: httpx.AsyncClient, calls: int) -> EffectState:
    """The step's effect, of which only the first *calls* calls were made before the conductor was killed."""
    [[task]] = await bench.verb.tasks(fields, bench.ctx(), 0)
    draft = await bench.verb.intend(task, bench.ctx())
    assert draft is not None
    effect = bench.keep(draft, task.ordinal)
    write = draft.data["write"]
    await call(wire, write["key"], write["before"], write["after"], calls)
    return bench.settle(effect, Unknown(cause="killed"))


async def look(bench: Bench, effect: EffectState) -> Probe:
    """The probe, once none of its calls can still land; the effect is then as the fold keeps it."""
    seen = await bench.verb.probe(effect, bench.ctx(effect.id, now=effect.deadline + 1))
    settled = replace(effect, status=seen.result, observed=seen.observed)
    if seen.result != "unreachable":
        bench.state = replace(bench.state, effects=bench.state.effects | {effect.id: settled})
    return seen


async def test_every_state_between_two_calls_is_known_for_what_it_is(
    world: RealWorld, wire: httpx.AsyncClient, name: str
) -> None:
    bench = Bench(world, "flag")
    old = StrategySpec(title="old", rollout=1)
    first = FlagFields(name=name, source="flags", create="release", enabled=False, strategies=(old, BETA))
    await bench.drive(first)
    before = await raw(bench, name)
    wider = replace(BETA, rollout=20)
    fields = FlagFields(name=name, source="flags", enabled=True, strategies=(wider, RAMP))
    effect = await cut(bench, fields, wire, 0)
    expected = half_done(before, effect.after)
    total = len(operations("default", name, "production", before, effect.after))
    assert (len(expected), total) == (3, 4)  # added, changed, removed; then on
    for state in expected:
        now = await raw(bench, name)
        [op, *_] = operations("default", name, "production", now, effect.after)
        (await wire.request(op.method, op.path, json=op.body)).raise_for_status()
        assert same(await raw(bench, name), state), op.what


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("calls", [1, 2, 3])
async def test_a_flag_cut_off_while_it_is_made_is_gone_on_with(
    world: RealWorld, wire: httpx.AsyncClient, name: str, calls: int, *, enabled: bool
) -> None:
    fields = FlagFields(name=name, source="flags", create="release", enabled=enabled, strategies=(RAMP, BETA))
    bench = Bench(world, "flag")
    effect = await cut(bench, fields, wire, calls)
    if calls == 3 and not enabled:
        assert (await look(bench, effect)).result == "done"
        return
    assert (await bench.probe(effect)).result == "unreachable"  # its last call may still land
    seen = await look(bench, effect)
    assert seen.result == "absent"
    assert "half done" in seen.detail
    assert ("without a strategy" in seen.detail) == (calls == 1)
    [made] = await bench.drive(fields)
    assert isinstance(made.outcome, Done), made.outcome
    assert made.draft is not None
    assert made.draft.says.startswith("goes on with what e1 began: ")
    assert made.effect is not None
    assert made.effect.before["exists"] is False  # its undo knows that the flag is ours
    now = await raw(bench, name)
    assert now["enabled"] is enabled
    assert [one["title"] for one in now["strategies"]] == ["ramp", "beta"]  # each once
    assert [item.says for item in bench.plan()][:1] == [f"{name}: off again, and kept"]
    for one in await bench.take_all_back():
        assert isinstance(one.outcome, Done), one.outcome
    assert not (await raw(bench, name))["enabled"]


async def test_a_flag_cut_off_twice_is_gone_on_with_from_where_it_is(
    world: RealWorld, wire: httpx.AsyncClient, name: str
) -> None:
    fields = FlagFields(name=name, source="flags", create="release", enabled=True, strategies=(RAMP, BETA))
    bench = Bench(world, "flag")
    for calls in (1, 1):
        assert (await look(bench, await cut(bench, fields, wire, calls))).result == "absent"
    [made] = await bench.drive(fields)
    assert isinstance(made.outcome, Done), made.outcome
    assert (await raw(bench, name))["enabled"]


async def test_a_first_phase_cut_off_before_the_switch_goes_on_and_its_undo_goes_all_the_way(
    world: RealWorld, wire: httpx.AsyncClient, name: str
) -> None:
    prepared = Bench(world, "flag")
    zero = replace(RAMP, rollout=0)
    await prepared.drive(FlagFields(name=name, source="flags", create="release", enabled=False, strategies=(zero,)))
    bench = Bench(world, "rollout", step="ramp")
    bench.state = replace(
        bench.state, effects=prepared.state.effects, next_effect=prepared.state.next_effect
    )  # the flag's step was of the same run
    fields = RolloutFields(flag=name, source="flags", phases=(5, 100), bake=1.0, gate=("health",))
    effect = await cut(bench, fields, wire, 1)
    seen = await look(bench, effect)
    assert (seen.result, "changed in part, and off" in seen.detail) == ("absent", True)
    [made] = await bench.drive(fields)
    assert isinstance(made.outcome, Done), made.outcome
    assert made.effect is not None
    assert made.effect.before["strategies"][0]["parameters"]["rollout"] == "0"
    assert (await raw(bench, name))["enabled"]


async def test_a_flag_of_before_is_not_gone_on_with_where_the_run_is_held_or_goes_back(
    world: RealWorld, wire: httpx.AsyncClient, name: str
) -> None:
    await Bench(world, "flag").drive(
        FlagFields(name=name, source="flags", create="release", enabled=False, strategies=(RAMP,))
    )
    bench = Bench(world, "flag")
    fields = FlagFields(name=name, source="flags", enabled=True, add=(BETA,))
    effect = await cut(bench, fields, wire, 1)
    free = bench.state
    bench.state = replace(free, holds={"h1": Hold(id="h1", scope="run", kind="human", reason="lunch", at=0.0)})
    assert (await look(bench, effect)).result == "diverged"
    bench.state = replace(free, phase="rolling_back")
    assert (await look(bench, effect)).result == "diverged"


async def test_what_somebody_else_did_to_a_half_made_flag_waits_for_a_person(
    world: RealWorld, wire: httpx.AsyncClient, name: str
) -> None:
    fields = FlagFields(name=name, source="flags", create="release", enabled=True, strategies=(RAMP, BETA))
    bench = Bench(world, "flag")
    effect = await cut(bench, fields, wire, 2)
    flag = await state_of(world.flags("flags"), name)
    assert isinstance(await world.flags("flags").apply(expose(flag, 60)), Done)
    assert (await look(bench, effect)).result == "diverged"
