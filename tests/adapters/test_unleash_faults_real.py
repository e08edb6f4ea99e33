"""What a network and a gateway do to the calls of a real Unleash: what is told of a write is never more than is known."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from amplify_tui.adapters.flags.plan import FlagSpec, StrategySpec, expose, target
from amplify_tui.adapters.ports import Absent, Done, Invalid, RateLimited, Unauthorized, Unknown
from amplify_tui.adapters.unleash.provider import FEW, UnleashProvider
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
    """A provider whose calls pass the proxy."""
    provider = UnleashProvider(
        proxy.url, unleash.admin, client_token=unleash.client, environment="development", timeout=1.0
    )
    yield provider
    await provider.aclose()


@pytest.mark.parametrize(("fault", "percent"), [("lose", 25.0), ("drop", 0.0)])
async def test_a_write_without_an_answer_is_unknown_whether_it_applied_or_not(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, key: str, fault: str, percent: float
) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=0, stickiness="userId"))
    plan = expose(await one(through, key), 25)
    proxy.fail("PATCH", fault)  # type: ignore[arg-type]
    assert isinstance(await through.apply(plan), Unknown)
    assert (await one(through, key)).strategies[0].percent == percent


async def test_a_switch_that_lands_after_the_kill_is_seen_and_killed_again(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, key: str
) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=25, stickiness="userId"))
    proxy.fail("/on", "late")
    assert isinstance(await through.apply(expose(await one(through, key), 50)), Unknown)
    assert isinstance((await through.kill([key]))[key], Done)
    assert not (await one(through, key)).enabled
    await proxy.let_land()
    assert (await one(through, key)).enabled  # the danger is real
    assert isinstance((await through.kill([key]))[key], Done)
    assert not (await one(through, key)).enabled


async def test_a_gateway_that_answers_with_its_login_page_is_no_answer_of_the_server(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, key: str
) -> None:
    await make(flags, key)
    proxy.fail(f"/features/{key}", "html")
    with pytest.raises(Invalid):
        await through.read([key])
    plan = expose(await one(through, key), 25)
    proxy.fail("PATCH", "html")
    outcome = await through.apply(plan)
    assert not isinstance(outcome, Done)
    assert (await one(through, key)).strategies[0].percent == 0.0


async def test_a_rate_limit_is_told_with_its_wait_and_proves_that_nothing_was_written(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, key: str
) -> None:
    await make(flags, key)
    proxy.fail(f"/features/{key}", "limit")
    with pytest.raises(RateLimited) as told:
        await through.read([key])
    assert told.value.retry_after == 60
    plan = expose(await one(through, key), 25)
    proxy.fail("PATCH", "limit")
    outcome = await through.apply(plan)
    assert isinstance(outcome, Absent)
    assert outcome.retryable


async def test_a_token_that_was_rotated_in_the_middle_is_told_as_such(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, key: str
) -> None:
    await make(flags, key)
    plan = expose(await one(through, key), 25)
    proxy.fail("PATCH", "unauthorized")
    outcome = await through.apply(plan)
    assert isinstance(outcome, Absent)
    assert (outcome.error, outcome.retryable) == ("Unauthorized", False)
    proxy.fail(f"/features/{key}", "unauthorized")
    with pytest.raises(Unauthorized):
        await through.read([key])


@pytest.mark.parametrize(("fault", "status"), [("limit", "stale"), ("html", "error"), ("drop", "error")])
async def test_a_watch_tells_a_lost_look_and_goes_on_by_itself(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, key: str, fault: str, status: str
) -> None:
    await make(flags, key)
    watch = FlagWatch(through, source="flags", flags=[key])

    async def is_well() -> bool:
        return (await watch.poll(1.0))[0].status == "ok"

    await until(is_well)
    proxy.fail("/api/client/features", fault)  # type: ignore[arg-type]
    lost = (await watch.poll(2.0))[0]
    assert (lost.status, lost.percent, lost.data_at) == (status, None, 1.0)
    assert (await watch.poll(3.0))[0].status == "ok"


async def test_a_name_that_lies_in_the_archive_is_taken_and_nothing_is_made(
    flags: UnleashProvider, unleash: Unleash, key: str
) -> None:
    await make(flags, key)
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.admin}) as http:
        (await http.delete(f"{P}/features/{key}")).raise_for_status()
    outcome = await flags.apply(target(await one(flags, key), FlagSpec(create="release", strategies=(RAMP,))))
    assert isinstance(outcome, Absent)
    assert (outcome.error, outcome.retryable) == ("Conflict", False)
    assert not (await one(flags, key)).exists


async def test_a_flag_that_is_archived_under_us_is_not_written_to(
    flags: UnleashProvider, unleash: Unleash, key: str
) -> None:
    await make(flags, key)
    plan = expose(await one(flags, key), 25)
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.admin}) as http:
        (await http.delete(f"{P}/features/{key}")).raise_for_status()
    outcome = await flags.apply(plan)
    assert isinstance(outcome, Absent)
    assert outcome.error == "Conflict"


async def test_an_environment_that_is_gone_is_an_error_and_never_off(
    flags: UnleashProvider, unleash: Unleash, key: str
) -> None:
    await make(flags, key)
    elsewhere = provide(unleash, environment="staging", client_token="")
    with pytest.raises(Invalid):
        await elsewhere.read([key])
    reading = (await FlagWatch(elsewhere, source="flags", flags=[key]).poll(1.0))[0]
    await elsewhere.aclose()
    assert (reading.status, reading.enabled) == ("error", None)


@pytest.mark.parametrize("fault", ["limit", "drop"])
async def test_a_kill_is_proved_flag_by_flag_where_the_list_of_them_cannot_be_had(
    flags: UnleashProvider, unleash: Unleash, proxy: Proxy, key: str, fault: str
) -> None:
    names = [f"{key}-{n}" for n in range(FEW + 1)]
    for name in names:
        await make(flags, name, StrategySpec(title="ramp", rollout=50), enabled=True)
    patient = UnleashProvider(proxy.url, unleash.admin, environment="development")
    proxy.fail("GET /api/admin/projects/default/features", fault)  # type: ignore[arg-type]
    outcomes = await patient.kill(names)
    await patient.aclose()
    assert [one.observed["enabled"] for one in outcomes.values() if isinstance(one, Done)] == [False] * (FEW + 1)
