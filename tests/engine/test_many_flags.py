"""A release of many flags is taken back by one call to their server, whose proof is one read; through a conductor."""

from __future__ import annotations

from typing import Any

from amplify_tui.adapters.unleash.provider import FEW
from amplify_tui.drill.world import World
from amplify_tui.run.shapes import ref_of
from tests.engine.crash_world import Bench, Runs, Watched, checked, flag_now, playbook, step

NAMES = [f"part_{number}" for number in range(FEW + 1)]


def given_to_all(name: str) -> dict[str, Any]:
    ramp = {"title": "ramp", "rollout": 100, "stickiness": "userId", "group": name}
    flag = {"name": name, "source": "flags", "create": "release", "enabled": True, "strategies": [ramp]}
    return step(name, "flag", flag, needs=[])


async def test_a_mitigation_of_many_flags_is_one_kill_and_each_is_read_back(
    world: World, bench: Bench, runs: Runs
) -> None:
    steps = [*map(given_to_all, NAMES), step("go", "confirm", {"ask": "On?"}, needs=NAMES)]
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.until(lambda s: s.steps[ref_of("go", "")].status == "awaiting", "all is out", within=120)
        assert all(flag_now(world, name)[0] for name in NAMES)
        await watched.do("Mitigate")
        await watched.seen("MitigationDone")
        assert not any(flag_now(world, name)[0] for name in NAMES)
        undos = [effect for effect in watched.state.effects.values() if effect.undoes]
        kills = [effect for effect in undos if effect.undoes.startswith("u1:")]
        looks = [effect for effect in undos if effect.undoes.startswith("u2:")]
    assert len(kills) == len(looks) == len(NAMES)
    assert {effect.status for effect in undos} == {"done"}
    assert [effect.observed for effect in kills] == [None] * len(NAMES), "each was read by itself: they were not one"
    assert all(effect.observed["enabled"] is False for effect in looks)
    assert not any(watched.state.exposure.values())
