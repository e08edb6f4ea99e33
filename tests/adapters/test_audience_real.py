"""What a preview evaluates is what applications get: every kind of rule, on a real Unleash, user by user."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from amplify_tui.adapters.flags.audience import sampled
from amplify_tui.adapters.flags.evaluation import Evaluator
from amplify_tui.adapters.flags.plan import StrategySpec, Where
from amplify_tui.adapters.unleash.provider import UnleashProvider
from tests.adapters.unleash_world import make, one, provide, until
from tests.real.services import Unleash

pytestmark = pytest.mark.real

WHOLE = [
    Where(field="country", op="IN", values=("CH", "DE")),
    Where(field="country", op="NOT_IN", values=("CH", "DE")),
    Where(field="country", op="IN", values=("CH",), inverted=True),
    Where(field="mail", op="STR_CONTAINS", values=("@example.",)),
    Where(field="mail", op="STR_STARTS_WITH", values=("beta-",)),
    Where(field="mail", op="STR_ENDS_WITH", values=(".org",)),
    *(Where(field="age", op=f"NUM_{op}", value=18) for op in ("EQ", "GT", "GTE", "LT", "LTE")),
    *(Where(field="app", op=f"SEMVER_{op}", value="2.1.0") for op in ("EQ", "GT", "GTE", "LT", "LTE")),
    *(Where(field="since", op=f"DATE_{op}", value="2026-01-01T00:00:00.000Z") for op in ("AFTER", "BEFORE")),
]


async def arrived(flags: UnleashProvider, key: str) -> Evaluator:
    async def is_there() -> bool:
        return f'"{key}"' in (await flags.client_features()).text

    await until(is_there)
    return Evaluator((await flags.client_features()).body)


@pytest.mark.parametrize("where", WHOLE, ids=lambda w: f"{w.op}{'-inverted' if w.inverted else ''}")
async def test_every_operator_reaches_the_users_that_the_preview_names(
    flags: UnleashProvider, key: str, where: Where
) -> None:
    variants = ({"name": "blue", "weight": 1}, {"name": "green", "weight": 1})
    ramp = StrategySpec(rollout=60, stickiness="userId", where=(where,), variants=variants)
    await make(flags, key, ramp, enabled=True)
    state = await one(flags, key)
    users = sampled([state], 1_000)
    seen = (await arrived(flags, key)).users(key, users)
    assert Evaluator.of([state]).users(key, users) == seen
    assert len(seen) < 1_000


async def test_a_pattern_is_evaluated_as_applications_do(flags: UnleashProvider, key: str) -> None:
    """Users that meet it cannot be made up, so these are written down."""
    where = Where(field="plan", op="REGEX", value="^(pro|team)$")
    await make(flags, key, StrategySpec(rollout=100, stickiness="userId", where=(where,)), enabled=True)
    users = [{"userId": f"u{n}", "properties": {"plan": plan}} for n, plan in enumerate(("pro", "team", "free"))]
    seen = (await arrived(flags, key)).users(key, users)
    assert Evaluator.of([await one(flags, key)]).users(key, users) == seen == {0, 1}


async def test_a_segment_reaches_the_users_that_it_holds(flags: UnleashProvider, unleash: Unleash, key: str) -> None:
    rule: dict[str, Any] = {"contextName": "tenant", "operator": "IN", "values": ["t1"]}
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.admin}) as http:
        made = (await http.post("/api/admin/segments", json={"name": f"s-{key}", "constraints": [rule]})).json()["id"]
    await make(flags, key, StrategySpec(rollout=100, stickiness="userId", segments=(made,)), enabled=True)
    state = await flags.with_segments(await one(flags, key))
    users = sampled([state], 1_000)
    seen = (await arrived(flags, key)).users(key, users)
    assert Evaluator.of([state]).users(key, users) == seen
    assert abs(len(seen) - 500) < 60


async def test_a_share_by_a_field_of_our_own_reaches_the_same_users(unleash: Unleash, key: str) -> None:
    flags = provide(unleash)
    await make(flags, key, StrategySpec(rollout=50, stickiness="tenant"), enabled=True)
    state = await one(flags, key)
    users = [{"userId": f"u{n}", "properties": {"tenant": f"t{n}"} if n % 2 else {}} for n in range(1_000)]
    seen = (await arrived(flags, key)).users(key, users)
    await flags.aclose()
    assert Evaluator.of([state]).users(key, users) == seen
    assert not [n for n in seen if n % 2 == 0]  # without the field nobody gets it
