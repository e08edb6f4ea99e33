"""The bundled flag server keeps Unleash's contract."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from amplify_tui.drill.world import World
from tests.drill import flag_contract
from tests.drill.flag_contract import CHECKS, Check, Target

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def target(world: World) -> Target:
    flags = world.facts()["flags"]
    return Target(flags["url"], flags["admin_token"], flags["client_token"], "production")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_the_bundled_server_promises(check: Check, target: Target) -> None:
    await check(target)


async def test_a_second_person_is_named_in_the_events(world: World, target: Target) -> None:
    outsider = Target(target.url, world.facts()["inject"]["outsider_token"], target.client_token, target.environment)
    async with outsider.admin() as http:
        name = await flag_contract.make(outsider, http)
        assert [event["createdBy"] for event in await flag_contract.events_of(http, name)] == ["outside@example.com"]


async def test_the_sixteenth_search_of_a_minute_is_told_to_wait(target: Target) -> None:
    async with target.admin() as http:
        answers = [await http.get("/api/admin/search/features") for _ in range(16)]
    assert [answer.status_code for answer in answers] == [200] * 15 + [429]
    assert answers[-1].headers["retry-after"] == "60"


async def test_counts_of_sdks_are_summed_by_hour(target: Target) -> None:
    async with target.admin() as http, target.client() as client:
        name = await flag_contract.make(target, http)
        toggles = {name: {"yes": 3, "no": 4, "variants": {"a": 3}}}
        hour = f"{datetime.now(UTC):%Y-%m-%dT%H}"
        bucket = {"start": f"{hour}:00:00Z", "stop": f"{hour}:00:00.123456789Z", "toggles": toggles}
        for _twice in range(2):
            body = {"appName": "till", "instanceId": "i", "bucket": bucket}
            assert (await client.post("/api/client/metrics", json=body)).status_code == 202
        [row] = (await http.get(f"/api/admin/client-metrics/features/{name}/raw")).json()["data"]
        assert (row["appName"], row["environment"], row["yes"], row["no"]) == ("till", "production", 6, 8)
        assert row["timestamp"] == f"{hour}:00:00.000Z"


async def test_the_playground_answers_with_the_engine(target: Target) -> None:
    async with target.admin() as http:
        name = await flag_contract.make(target, http, flag_contract.ramp(100))
        await http.post(f"{target.env(name)}/on")
        asked = {"environment": "production", "projects": ["default"], "context": {"appName": "x", "userId": "1"}}
        features: list[dict[str, object]] = (await http.post("/api/admin/playground", json=asked)).json()["features"]
        assert {f["name"]: f["isEnabled"] for f in features}[name] is True
        other = asked | {"environment": "nowhere"}
        features = (await http.post("/api/admin/playground", json=other)).json()["features"]
        assert not any(f["isEnabled"] for f in features)


async def test_a_frontend_token_gets_the_flags_that_are_on(target: Target) -> None:
    async with target.admin() as http:
        name = await flag_contract.make(target, http, flag_contract.ramp(100))
        await http.post(f"{target.env(name)}/on")
        body = {"tokenName": "shop-web", "type": "frontend", "environment": "production", "projects": ["default"]}
        token = (await http.post("/api/admin/api-tokens", json=body)).json()["secret"]
    async with httpx.AsyncClient(base_url=target.url, headers={"Authorization": token}, trust_env=False) as web:
        toggles = (await web.get("/api/frontend", params={"userId": "1"})).json()["toggles"]
    assert name in [toggle["name"] for toggle in toggles]
