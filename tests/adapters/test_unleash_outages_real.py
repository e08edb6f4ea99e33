"""A real Unleash that goes away, loses its environment, forgets a token or is changed half way through a write of ours.

Down at the start and in the middle, paused, a token that was revoked, a name taken between look and write, a flag
archived and an environment removed under us. What a gateway does to single calls is in test_unleash_faults_real.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from amplify_tui.adapters.flags.plan import FlagSpec, StrategySpec, expose, target
from amplify_tui.adapters.ports import Absent, Done, Invalid, Unauthorized, Unknown, Unreachable
from amplify_tui.adapters.unleash.provider import UnleashProvider
from amplify_tui.adapters.unleash.watch import FlagWatch
from tests.adapters.flag_proxy import Proxy, proxy_of
from tests.adapters.unleash_world import RAMP, P, make, one, provide, until
from tests.real.services import Unleash

pytestmark = pytest.mark.real


@pytest.fixture
async def proxy(unleash: Unleash) -> AsyncIterator[Proxy]:
    async with proxy_of(unleash.url) as running:
        yield running


@pytest.fixture
async def through(proxy: Proxy, unleash: Unleash) -> AsyncIterator[UnleashProvider]:
    provider = UnleashProvider(
        proxy.url, unleash.admin, client_token=unleash.client, environment="development", timeout=3.0
    )
    yield provider
    await provider.aclose()


async def test_a_server_that_is_down_at_the_start_is_found_once_it_is_up(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, key: str
) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=25, stickiness="userId"), enabled=True)
    proxy.down()
    watch = FlagWatch(through, source="flags", flags=[key])
    lost = (await watch.poll(1.0))[0]
    assert (lost.status, lost.enabled, lost.data_at) == ("error", None, 0.0)
    assert "no connection" in lost.note
    with pytest.raises(Unreachable):
        await through.read([key])
    await proxy.up()
    assert (await watch.poll(2.0))[0].percent == 25


@pytest.mark.parametrize("how", ["down", "paused"])
async def test_a_server_that_goes_in_the_middle_of_a_ramp_proves_that_the_next_phase_was_not_begun(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, key: str, how: str
) -> None:
    await make(flags, key)
    assert isinstance(await through.apply(expose(await one(through, key), 5)), Done)
    plan = expose(await one(through, key), 25)
    if how == "down":
        proxy.down()
    else:
        proxy.freeze()
    outcome = await through.apply(plan)
    assert isinstance(outcome, Absent)
    assert (outcome.error, outcome.retryable) == ("Unreachable", True)
    assert outcome.reason.startswith("not tried: ")
    if how == "down":
        await proxy.up()
    proxy.thaw()
    assert (await one(through, key)).exposure == 5
    assert isinstance(await through.apply(plan), Done)


async def test_a_server_that_goes_between_two_calls_leaves_what_nobody_can_say(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, key: str
) -> None:
    """The strategy is changed, and the switch never left: neither as before nor as after, and told as unknown."""
    await make(flags, key)
    plan = expose(await one(through, key), 25)
    proxy.fail("/on", "hold")
    task = asyncio.create_task(through.apply(plan))
    await asyncio.wait_for(proxy.holding.wait(), 10)
    proxy.down()
    outcome = await task
    assert isinstance(outcome, Unknown)
    assert outcome.cause.startswith("1 calls were done, then switch ")
    await proxy.up()
    state = await one(through, key)
    assert (state.enabled, state.strategies[0].percent) == (False, 25.0)


async def test_a_token_that_is_revoked_in_the_middle_of_a_ramp_is_named_and_nothing_is_written(
    unleash: Unleash, flags: UnleashProvider, server: httpx.AsyncClient, key: str
) -> None:
    user = {"username": key, "password": "correct horse battery 9!", "rootRole": 2}
    (await server.post("/api/admin/user-admin", json=user)).raise_for_status()
    async with httpx.AsyncClient(base_url=unleash.url) as session:
        login = {"username": key, "password": user["password"]}
        (await session.post("/auth/simple/login", json=login)).raise_for_status()
        wish = {"description": "release", "expiresAt": "2099-01-01T00:00:00Z"}
        made = (await session.post("/api/admin/user/tokens", json=wish)).json()
        theirs = provide(unleash, token=made["secret"])
        await make(flags, key)
        assert isinstance(await theirs.apply(expose(await one(theirs, key), 5)), Done)
        plan = expose(await one(theirs, key), 25)
        (await session.delete(f"/api/admin/user/tokens/{made['id']}")).raise_for_status()
    outcome = await theirs.apply(plan)
    assert isinstance(outcome, Absent)
    assert (outcome.error, outcome.retryable) == ("Unauthorized", False)
    with pytest.raises(Unauthorized):
        await theirs.read([key])
    (problem,) = await theirs.check()
    assert "does not know this token (wrong, revoked or expired)" in problem.what
    assert (await one(flags, key)).exposure == 5
    await theirs.aclose()


async def test_a_name_that_somebody_takes_between_our_look_and_our_write_is_a_conflict(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, server: httpx.AsyncClient, key: str
) -> None:
    plan = target(await one(through, key), FlagSpec(create="release", enabled=True, strategies=(RAMP,)))
    proxy.fail("POST /api/admin/projects/default/features", "hold")
    task = asyncio.create_task(through.apply(plan))
    await asyncio.wait_for(proxy.holding.wait(), 10)
    (await server.post(f"{P}/features", json={"name": key, "type": "release"})).raise_for_status()
    await proxy.let_land()
    outcome = await task
    assert isinstance(outcome, Absent)
    assert outcome.error == "Conflict"
    assert "meanwhile admin: " in outcome.reason
    assert not (await one(flags, key)).enabled


async def test_a_flag_that_is_archived_between_two_of_our_calls_is_told_with_who_did_it(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, server: httpx.AsyncClient, key: str
) -> None:
    await make(flags, key)
    plan = expose(await one(through, key), 25)
    proxy.fail("/on", "hold")
    task = asyncio.create_task(through.apply(plan))
    await asyncio.wait_for(proxy.holding.wait(), 10)
    (await server.delete(f"{P}/features/{key}")).raise_for_status()
    await proxy.let_land()
    outcome = await task
    assert isinstance(outcome, Unknown), outcome
    assert "archived" in outcome.cause
    reading = (await FlagWatch(through, source="flags", flags=[key]).poll(1.0))[0]
    assert (reading.status, reading.note) == ("nodata", "there is no such flag, or it is archived")


@pytest.fixture
def without_production(unleash: Unleash) -> Iterator[httpx.Client]:
    """A person who may take the environment from the project; it is there again at the end."""
    with httpx.Client(base_url=unleash.url, headers={"Authorization": unleash.admin}) as person:
        try:
            yield person
        finally:
            person.post(f"{P}/environments", json={"environment": "production"})


async def test_an_environment_that_is_removed_under_us_is_an_error_and_comes_back_off(
    unleash: Unleash, without_production: httpx.Client, key: str
) -> None:
    ours = provide(unleash, environment="production", client_token=unleash.client_production)
    await make(ours, key, StrategySpec(title="ramp", rollout=5, stickiness="userId"), enabled=True)
    plan = expose(await one(ours, key), 25)
    watch = FlagWatch(ours, source="flags", flags=[key], resync=0.0)

    async def is_known() -> bool:
        return bool((await watch.poll(1.0))[0].reach)

    await until(is_known)
    without_production.delete(f"{P}/environments/production").raise_for_status()
    outcome = await ours.apply(plan)
    assert isinstance(outcome, Absent)
    assert (outcome.error, "no environment 'production'" in outcome.reason) == ("Invalid", True)
    assert isinstance((await ours.kill([key]))[key], Absent)
    with pytest.raises(Invalid, match="no environment 'production'"):
        await ours.read([key])
    lost = (await watch.poll(2.0))[0]
    assert (lost.status, lost.enabled) == ("error", None)
    assert any("has no environment 'production'" in problem.what for problem in await ours.check())
    without_production.post(f"{P}/environments", json={"environment": "production"}).raise_for_status()
    back = await one(ours, key)
    assert (back.enabled, back.strategies[0].percent) == (False, 5.0)  # a brake that nobody of us pulled
    refused = await ours.apply(plan)
    assert isinstance(refused, Absent)
    assert refused.error == "Conflict"
    await ours.aclose()
