"""How many calls watching costs a real Unleash, counted on their way: one a second that says what changed."""

from __future__ import annotations

from collections import Counter

import pytest

from amplify_tui.adapters.flags.plan import expose
from amplify_tui.adapters.ports import Done
from amplify_tui.adapters.unleash.provider import UnleashProvider
from amplify_tui.adapters.unleash.watch import FlagWatch
from tests.adapters.flag_proxy import proxy_of
from tests.adapters.unleash_world import make, one, until
from tests.real.services import Unleash

pytestmark = pytest.mark.real
SEARCH = "/api/admin/search/features"  # 15 a minute, for everybody who uses the server


async def test_two_minutes_of_watching_ask_once_a_second_and_search_nothing(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    """And each minute every flag is read in full: what became visible out of order is found by that."""
    names = [key, f"{key}-b"]
    for name in names:
        await make(flags, name)
    async with proxy_of(unleash.url) as proxy:
        through = UnleashProvider(proxy.url, unleash.admin, client_token=unleash.client, environment="development")
        watch = FlagWatch(through, source="flags", flags=names)
        for second in range(121):
            readings = await watch.poll(1000.0 + second)
            assert [reading.status for reading in readings] == ["ok", "ok"]
        await through.aclose()
    asked = Counter(request.partition("?")[0] for request in proxy.seen)
    assert asked["GET /api/client/features"] == 121
    assert not any(SEARCH in request for request in proxy.seen)
    full = [asked[f"GET /api/admin/projects/default/features/{name}"] for name in names]
    assert all(3 <= times <= 5 for times in full), asked  # at 0, 60 and 120 s; once more where the first lagged
    assert sum(asked.values()) == 121 + sum(full)


async def test_what_did_not_change_is_not_sent_again(unleash: Unleash, flags: UnleashProvider, key: str) -> None:
    await make(flags, key)
    async with proxy_of(unleash.url) as proxy:
        through = UnleashProvider(proxy.url, unleash.admin, client_token=unleash.client, environment="development")
        watch = FlagWatch(through, source="flags", flags=[key])

        async def is_quiet() -> bool:  # the flag is in the payload, and nothing of its making is on its way
            return bool((await watch.poll(1000.0))[0].reach) and proxy.answered[-1] == 304

        await until(is_quiet)
        proxy.answered.clear()
        for _ in range(20):
            await watch.poll(1001.0)
        assert proxy.answered == [304] * 20
        await through.aclose()


async def test_what_the_client_payload_cannot_show_is_seen_within_a_minute(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    """A lost notice is played by answering "nothing changed" in the server's place: only the full read can find it."""
    await make(flags, key)
    async with proxy_of(unleash.url) as proxy:
        through = UnleashProvider(proxy.url, unleash.admin, client_token=unleash.client, environment="development")
        watch = FlagWatch(through, source="flags", flags=[key])

        async def is_known() -> bool:
            return bool((await watch.poll(1000.0))[0].reach)

        await until(is_known)
        proxy.instead("/api/client/features", "", 304)
        assert isinstance(await flags.apply(expose(await one(flags, key), 25)), Done)
        assert (await watch.poll(1059.0))[0].percent == 0
        assert (await watch.poll(1060.0))[0].percent == 25
        await through.aclose()
