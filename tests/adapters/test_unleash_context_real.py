"""Context fields that a flag's step defines, on a real Unleash."""

from __future__ import annotations

import httpx
import pytest

from amplify_tui.adapters.flags.plan import target
from amplify_tui.adapters.flags.port import ContextField, FlagSpec, StrategySpec, Where
from amplify_tui.adapters.ports import Done
from amplify_tui.adapters.unleash.provider import UnleashProvider
from tests.adapters.unleash_world import one

pytestmark = pytest.mark.real


async def test_a_field_that_is_missing_is_defined_before_the_rule_that_asks_for_it(
    flags: UnleashProvider, server: httpx.AsyncClient, key: str
) -> None:
    name = f"region-{key}"
    field = ContextField(name=name, description="Where they are", stickiness=True, values=("CH", "AT"))
    rule = StrategySpec(title="CH", rollout=100, stickiness=name, where=(Where(field=name, op="IN", values=("CH",)),))
    spec = FlagSpec(create="release", enabled=True, strategies=(rule,), context=(field,))
    write = target(await one(flags, key), spec)
    assert isinstance(await flags.apply(write), Done)
    made = (await server.get(f"/api/admin/context/{name}")).json()
    assert (made["description"], made["stickiness"]) == ("Where they are", True)
    assert [value["value"] for value in made["legalValues"]] == ["CH", "AT"]
    assert isinstance(await flags.apply(write), Done), "and once more, as after a crash"


async def test_a_field_that_is_there_stays_as_it_is(
    flags: UnleashProvider, server: httpx.AsyncClient, key: str
) -> None:
    name = f"tenant-{key}"
    body = {"name": name, "description": "theirs", "stickiness": False, "legalValues": [{"value": "t1"}]}
    assert (await server.post("/api/admin/context", json=body)).status_code == 201
    field = ContextField(name=name, description="ours", stickiness=True, values=("t2",))
    spec = FlagSpec(create="release", enabled=False, context=(field,))
    assert isinstance(await flags.apply(target(await one(flags, key), spec)), Done)
    kept = (await server.get(f"/api/admin/context/{name}")).json()
    assert (kept["description"], kept["stickiness"]) == ("theirs", False)


async def test_a_field_is_defined_even_where_the_flag_itself_stays(
    flags: UnleashProvider, server: httpx.AsyncClient, key: str
) -> None:
    assert isinstance(await flags.apply(target(await one(flags, key), FlagSpec(create="release"))), Done)
    spec = FlagSpec(create="release", reuse="allow", context=(ContextField(name=f"late-{key}"),))
    assert isinstance(await flags.apply(target(await one(flags, key), spec)), Done)
    assert (await server.get(f"/api/admin/context/late-{key}")).status_code == 200
