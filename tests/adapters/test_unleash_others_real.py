"""Somebody else writes to a flag of a real Unleash while we do: the server keeps no lock, and nothing is lost unsaid."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from amplify_tui.adapters.flags.plan import FlagSpec, StrategySpec, expose, target
from amplify_tui.adapters.ports import Absent, Done, Outcome, Unknown
from amplify_tui.adapters.unleash.provider import UnleashProvider
from tests.adapters.flag_proxy import Proxy, proxy_of
from tests.adapters.unleash_world import env, make, one, provide
from tests.real.services import Unleash

pytestmark = pytest.mark.real


@pytest.fixture
async def proxy(unleash: Unleash) -> AsyncIterator[Proxy]:
    async with proxy_of(unleash.url) as running:
        yield running


@pytest.fixture
async def through(proxy: Proxy, unleash: Unleash) -> AsyncIterator[UnleashProvider]:
    provider = UnleashProvider(proxy.url, unleash.admin, client_token=unleash.client, environment="development")
    yield provider
    await provider.aclose()


async def set_rollout(server: httpx.AsyncClient, key: str, strategy: str, share: int) -> None:
    body = [{"op": "replace", "path": "/parameters/rollout", "value": str(share)}]
    (await server.patch(f"{env(key)}/strategies/{strategy}", json=body)).raise_for_status()


async def share_of(flags: UnleashProvider, key: str) -> float | None:
    return (await one(flags, key)).strategies[0].percent


async def held_write(through: UnleashProvider, proxy: Proxy, key: str, share: int) -> asyncio.Task[Outcome]:
    """A write whose second call, the switch, is kept on its way until the proxy lets it land."""
    proxy.fail("/on", "hold")
    task = asyncio.create_task(through.apply(expose(await one(through, key), share)))
    await asyncio.wait_for(proxy.holding.wait(), 10)
    return task


async def test_a_change_between_two_of_our_calls_makes_the_outcome_unknown_and_is_told_with_its_author(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, server: httpx.AsyncClient, key: str
) -> None:
    await make(flags, key)
    task = await held_write(through, proxy, key, 25)
    await set_rollout(server, key, (await one(flags, key)).strategies[0].id, 80)
    await proxy.let_land()
    outcome = await task
    assert isinstance(outcome, Unknown)
    assert "80%" in outcome.cause
    assert "meanwhile admin: " in outcome.cause
    assert "rollout from 25% to 80%" in outcome.cause


async def test_a_change_that_left_the_flag_as_we_wanted_it_is_done_and_told(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, server: httpx.AsyncClient, key: str
) -> None:
    await make(flags, key)
    task = await held_write(through, proxy, key, 25)
    strategy = (await one(flags, key)).strategies[0].id
    for share in (80, 25):
        await set_rollout(server, key, strategy, share)
    await proxy.let_land()
    outcome = await task
    assert isinstance(outcome, Done), outcome
    assert "rollout from 25% to 80%" in outcome.receipt["meanwhile"]
    assert "rollout from 80% to 25%" in outcome.receipt["meanwhile"]


async def test_our_own_calls_and_what_the_server_adds_to_them_are_nobody_elses(
    flags: UnleashProvider, key: str
) -> None:
    ramp, beta = StrategySpec(title="ramp", rollout=0), StrategySpec(title="beta", rollout=5)
    made = target(
        await one(flags, key), FlagSpec(create="release", enabled=True, tags=("team-a",), strategies=(ramp, beta))
    )
    more = FlagSpec(add=(StrategySpec(title="more", rollout=9),), remove=("ramp", "beta"))
    for plan in (made, None, FlagSpec(enabled=False, remove=("more",)), FlagSpec(archive=True)):
        state = await one(flags, key)
        outcome = await flags.apply(made if plan is made else target(state, plan or more))  # type: ignore[arg-type]
        assert isinstance(outcome, Done), outcome
        assert outcome.receipt == {}


async def test_words_and_tags_of_others_are_no_change_of_who_gets_the_flag(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, server: httpx.AsyncClient, key: str
) -> None:
    await make(flags, key)
    task = await held_write(through, proxy, key, 25)
    tag = {"type": "simple", "value": "team-b"}
    (await server.post(f"/api/admin/features/{key}/tags", json=tag)).raise_for_status()
    await proxy.let_land()
    outcome = await task
    assert isinstance(outcome, Done)
    assert outcome.receipt == {}


@pytest.mark.parametrize("delay", range(12))
async def test_of_two_who_race_on_one_flag_neither_is_lost_without_a_word(
    unleash: Unleash, flags: UnleashProvider, server: httpx.AsyncClient, key: str, delay: int
) -> None:
    """Two PATCHes within some milliseconds both win at the server, which keeps the later one whole."""
    await make(flags, key)
    before = await one(flags, key)
    strategy = before.strategies[0].id

    async def other() -> None:
        for _ in range(delay // 2):  # each look takes some milliseconds
            await flags.client_features()
        await set_rollout(server, key, strategy, 77)

    outcome, _ = await asyncio.gather(flags.apply(expose(before, 25)), other())
    now = await share_of(flags, key)
    assert now in (25, 77)
    match outcome:
        case Done(receipt=receipt):
            # Theirs came after ours and stands, or ours stands and says what it went over.
            assert now == 77 or "to 77%" in receipt["meanwhile"]
        case Absent(error=error):
            assert (error, now) == ("Conflict", 77)
        case Unknown(cause=cause):
            assert "77%" in cause


@pytest.mark.parametrize("delay", range(6))
async def test_of_two_releases_that_race_on_one_flag_one_at_most_is_done_and_unaware(
    unleash: Unleash, flags: UnleashProvider, key: str, delay: int
) -> None:
    await make(flags, key)
    second = provide(unleash)
    before = await one(flags, key)

    async def later() -> Outcome:
        for _ in range(delay):
            await second.client_features()
        return await second.apply(expose(before, 50))

    both = await asyncio.gather(flags.apply(expose(before, 25)), later())
    now = await share_of(flags, key)
    await second.aclose()
    done = {share: one for share, one in zip((25, 50), both, strict=True) if isinstance(one, Done)}
    if now in done and len(done) == 2:
        assert any("meanwhile" in outcome.receipt for outcome in done.values())
    assert set(done) <= {25, 50}
    assert all(not isinstance(one, Absent) or one.error == "Conflict" for one in both)


async def test_a_trail_that_may_not_be_read_stops_no_write_and_is_told(
    flags: UnleashProvider, through: UnleashProvider, proxy: Proxy, key: str
) -> None:
    await make(flags, key)
    plan = expose(await one(through, key), 25)
    proxy.fail("/search/events", "forbidden", always=True)
    outcome = await through.apply(plan)
    assert isinstance(outcome, Done)
    assert "may not read the audit trail" in outcome.receipt["unaudited"]


async def test_more_changes_than_a_page_holds_are_all_found(
    flags: UnleashProvider, server: httpx.AsyncClient, key: str
) -> None:
    await make(flags, key)
    strategy = (await one(flags, key)).strategies[0].id
    mark = await flags._trail.mark(key)
    assert mark is not None
    began = time.time()
    for n in range(130):
        await set_rollout(server, key, strategy, 1 + n % 2)
    assert len(await flags._trail.since(key, mark)) == 130
    assert len(await flags.changes(key, began)) == 130
    again = await flags._trail.mark(key)  # more than a page is behind it now
    assert again is not None
    await set_rollout(server, key, strategy, 50)
    assert len(await flags._trail.since(key, again)) == 1


@pytest.mark.parametrize("skew", [3600.0, -3600.0])
@pytest.mark.parametrize("wrote", [True, False])
async def test_a_server_whose_clock_is_an_hour_off_hides_no_change_and_accuses_nobody_of_an_old_one(
    flags: UnleashProvider,
    through: UnleashProvider,
    proxy: Proxy,
    server: httpx.AsyncClient,
    key: str,
    skew: float,
    *,
    wrote: bool,
) -> None:
    """With and without a write of ours that shows how far apart the clocks are."""
    proxy.skew = skew
    rule = {"contextName": "tenant", "operator": "IN", "values": ["t1"]}
    body = {"name": f"pilots-{key}", "constraints": [rule]}
    made = (await server.post("/api/admin/segments", json=body)).json()["id"]
    await make(flags, key, StrategySpec(title="ramp", rollout=50, segments=(made,)))
    if wrote:
        assert isinstance(await through.apply(expose(await one(through, key), 60)), Done)
    began = time.time() + 4.0  # a Date is of whole seconds, and an answer takes its time: a little older may seem new

    async def edited() -> bool:
        wider = {**body, "constraints": [{**rule, "values": ["t1", str(time.time())]}]}
        (await server.put(f"/api/admin/segments/{made}", json=wider)).raise_for_status()
        return time.time() > began + 1.0

    while not await edited():
        pass
    found = await through.changes(key, began)
    assert {change.kind for change in found} == {"segment-updated"}
    assert all(abs(change.at - time.time()) < 30 for change in found)
    assert await through.changes(key, time.time() + 2.5) == []
