"""What the previews of flags say of users: together, by variants, of a team's own users."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from amplify_tui.adapters.flags.port import StrategySpec
from amplify_tui.adapters.ports import Done
from amplify_tui.playbook.model import Stage, Step
from amplify_tui.steps.flag import FlagFields
from amplify_tui.steps.rollout_fields import RolloutFields
from tests.steps.steps_world import Bench, RealWorld

_numbers = count(1)


@pytest.fixture
def names() -> tuple[str, str]:
    return tuple(f"audience-{next(_numbers)}" for _ in range(2))  # type: ignore[return-value]


async def made(world: RealWorld, name: str, group: str | None) -> None:
    ramp = StrategySpec(title="ramp", rollout=0, stickiness="userId", group=group)
    fields = FlagFields(name=name, source="flags", create="release", enabled=False, strategies=(ramp,))
    assert [type(one.outcome) for one in await Bench(world, "flag").drive(fields)] == [Done]


def ramps(world: RealWorld, *names: str, share: float = 10) -> None:
    """Give the world a playbook with a ramp of each flag."""
    fields: list[dict[str, Any]] = [{"flag": name, "source": "flags", "phases": [share, 100]} for name in names]
    steps = tuple(Step(id=f"s{at}", verb="rollout", fields=one) for at, one in enumerate(fields))
    world.playbook = replace(world.playbook, stages=(Stage(id="all", title="All", steps=steps),))


async def preview(world: RealWorld, name: str) -> str:
    fields = RolloutFields(flag=name, source="flags", phases=(10, 100), bake=1.0, gate=("health",))
    bench = Bench(world, "rollout")
    return (await bench.verb.prepare(fields, bench.ctx())).preview


async def test_two_flags_of_groups_of_their_own_are_said_to_meet_in_one_percent(
    sandbox_world: RealWorld, names: tuple[str, str]
) -> None:
    for name in names:
        await made(sandbox_world, name, None)
    ramps(sandbox_world, *names)
    said = await preview(sandbox_world, names[0])
    line = next(line for line in said.splitlines() if line.startswith("together"))
    share = float(line.partition(": ")[2].partition(" %")[0])
    assert share == pytest.approx(1.0, abs=0.4)
    assert "`group`" in said


async def test_two_flags_of_one_group_are_said_to_go_to_the_same_users(
    sandbox_world: RealWorld, names: tuple[str, str]
) -> None:
    for name in names:
        await made(sandbox_world, name, "checkout")
    ramps(sandbox_world, *names)
    said = await preview(sandbox_world, names[0])
    line = next(line for line in said.splitlines() if line.startswith("together"))
    assert float(line.partition(": ")[2].partition(" %")[0]) == pytest.approx(10, abs=1.3)
    assert "0 % get some" in line
    assert "`group`" not in said


async def test_a_flag_that_is_ramped_alone_has_no_line_of_others(
    sandbox_world: RealWorld, names: tuple[str, str]
) -> None:
    await made(sandbox_world, names[0], None)
    ramps(sandbox_world, *names)  # the other one is not there yet
    assert "together" not in await preview(sandbox_world, names[0])


async def test_the_preview_counts_the_users_of_the_teams_own_file(
    sandbox_world: RealWorld, names: tuple[str, str]
) -> None:
    await made(sandbox_world, names[0], None)
    (sandbox_world.playbook_dir / "users.csv").write_text("userId,country\n" + "u-1,CH\nu-2,DE\n" * 20)
    source = replace(sandbox_world.playbook.sources["flags"], population="users.csv")
    sandbox_world.playbook = replace(sandbox_world.playbook, sources={"flags": source})
    try:
        assert "40 users of users.csv" in await preview(sandbox_world, names[0])
        (sandbox_world.playbook_dir / "users.csv").write_text("nothing")
        assert "who is affected: not known" in await preview(sandbox_world, names[0])
    finally:
        (sandbox_world.playbook_dir / "users.csv").unlink()


async def test_variants_are_told_by_their_share_whatever_their_weights(
    sandbox_world: RealWorld, names: tuple[str, str]
) -> None:
    variants: tuple[dict[str, Any], ...] = ({"name": "blue", "weight": 1}, {"name": "green", "weight": 3})
    shown = StrategySpec(title="colours", rollout=50, variants=variants)
    fields = FlagFields(name=names[0], source="flags", create="release", enabled=False, strategies=(shown,))
    bench = Bench(sandbox_world, "flag")
    said = (await bench.verb.prepare(fields, bench.ctx())).preview
    assert "variants of 'colours': blue 25 %, green 75 %" in said
