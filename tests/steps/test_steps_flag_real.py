"""The way of a flag through a release and back, on a real Unleash."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from amplify_tui.adapters.flags.plan import StrategySpec, expose
from amplify_tui.adapters.ports import Done
from amplify_tui.playbook.model import Source
from amplify_tui.steps.flag import FlagFields
from amplify_tui.steps.rollout_fields import RolloutFields
from tests.real.services import Unleash
from tests.steps.steps_world import Bench, RealWorld, playbook

pytestmark = pytest.mark.real


@pytest.fixture
async def real_world(unleash: Unleash, tmp_path: Path) -> AsyncIterator[RealWorld]:
    book = playbook(None, sources={"flags": Source(unleash=unleash.url)})
    world = RealWorld(book, tmp_path, tmp_path / "run", token=unleash.admin)
    yield world
    await world.aclose()


async def test_a_real_flag_is_ramped_read_back_mitigated_and_restored(real_world: RealWorld) -> None:
    name = f"steps-{secrets.token_hex(4)}"
    bench = Bench(real_world, "flag")
    ramp = StrategySpec(title="ramp", rollout=0, stickiness="userId")
    await bench.drive(FlagFields(name=name, source="flags", create="release", enabled=False, strategies=(ramp,)))
    rollout = Bench(real_world, "rollout")
    fields = RolloutFields(flag=name, source="flags", phases=(10, 50), bake=1.0, gate=("health",))
    for phase in range(2):
        assert [type(one.outcome) for one in await rollout.drive(fields, phase)] == [Done]
    provider = real_world.flags("flags")
    assert (await provider.read([name]))[name].exposure == 50.0
    for effect in list(rollout.state.effects.values())[-1:]:
        assert (await rollout.probe(effect)).result == "done"
    for item in rollout.plan():  # a mitigation: off, and verified off
        assert isinstance((await rollout.take_back(item)).outcome, Done)
    state = (await provider.read([name]))[name]
    assert (state.enabled, state.strategies[0].percent) == (False, 50.0)
    assert [type(one.outcome) for one in await rollout.take_all_back()] == [Done, Done]
    state = (await provider.read([name]))[name]
    assert (state.enabled, state.strategies[0].percent) == (False, 0.0)


async def test_a_real_flag_changed_by_somebody_else_ends_off(real_world: RealWorld) -> None:
    name = f"steps-{secrets.token_hex(4)}"
    bench = Bench(real_world, "flag")
    ramp = StrategySpec(title="ramp", rollout=25, stickiness="userId")
    await bench.drive(FlagFields(name=name, source="flags", create="release", enabled=True, strategies=(ramp,)))
    provider = real_world.flags("flags")
    changed = await provider.apply(expose((await provider.read([name]))[name], 60))
    assert isinstance(changed, Done)
    [effect] = bench.state.effects.values()
    assert (await bench.probe(effect)).result == "diverged"
    bench.state = replace(bench.state, phase="rolling_back")
    for item in bench.plan():
        assert isinstance((await bench.take_back(item)).outcome, Done)
    assert not (await provider.read([name]))[name].enabled


async def test_the_switch_that_goes_with_the_last_strategy_is_in_the_preview_and_in_the_undo(
    real_world: RealWorld,
) -> None:
    """Unleash switches an environment off by itself when its last active strategy is removed."""
    name = f"steps-{secrets.token_hex(4)}"
    bench = Bench(real_world, "flag")
    ramp = StrategySpec(title="ramp", rollout=25, stickiness="userId")
    await bench.drive(FlagFields(name=name, source="flags", create="release", enabled=True, strategies=(ramp,)))
    taking = Bench(real_world, "flag", step="taking")
    fields = FlagFields(name=name, source="flags", remove=("ramp",))
    shown = (await taking.verb.prepare(fields, taking.ctx())).preview
    assert f"{name} off in production: its last active strategy goes" in shown
    [made] = await taking.drive(fields)
    assert isinstance(made.outcome, Done), made.outcome
    assert made.outcome.receipt.keys() == {"fingerprint"}  # nobody else is accused of what the server did
    provider = real_world.flags("flags")
    assert not (await provider.read([name]))[name].enabled
    taking.state = replace(taking.state, phase="rolling_back")
    for item in taking.plan():
        assert isinstance((await taking.take_back(item)).outcome, Done)
    assert (await provider.read([name]))[name].exposure == 25.0


async def test_a_parent_that_is_off_is_in_the_preview_of_a_ramp_and_of_a_switch(
    real_world: RealWorld, unleash: Unleash
) -> None:
    name = f"steps-{secrets.token_hex(4)}"
    ramp = StrategySpec(title="ramp", rollout=0, stickiness="userId")
    for each in (name, f"{name}-parent"):
        made = FlagFields(name=each, source="flags", create="release", enabled=False, strategies=(ramp,))
        await Bench(real_world, "flag", step=each).drive(made)
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.admin}) as http:
        depends = {"feature": f"{name}-parent", "enabled": True}
        path = f"/api/admin/projects/default/features/{name}/dependencies"
        (await http.post(path, json=depends)).raise_for_status()
    says = f"{name} depends on {name}-parent, which is off in production: nobody gets it"
    fields = RolloutFields(flag=name, source="flags", phases=(10, 50), bake=1.0, gate=("health",))
    rollout = Bench(real_world, "rollout")
    assert says in (await rollout.verb.prepare(fields, rollout.ctx())).preview
    wider = StrategySpec(title="ramp", rollout=25, stickiness="userId")
    bench = Bench(real_world, "flag")
    on = FlagFields(name=name, source="flags", enabled=True, strategies=(wider,))
    assert says in (await bench.verb.prepare(on, bench.ctx())).preview
    off = FlagFields(name=name, source="flags", enabled=False)
    assert says not in (await bench.verb.prepare(off, bench.ctx())).preview
