"""What real applications evaluate, seen through a real Unleash: the share, and each thing that goes wrong with it.

The applications are the official SDK, and report each second or two. Time is an argument of the watch, so its patience
is passed by saying that it is later; what is waited for is the SDKs and the server.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from UnleashClient import UnleashClient  # type: ignore[attr-defined]
from UnleashClient.utils import InstanceAllowType

from amplify_tui.adapters.flags import audience
from amplify_tui.adapters.flags.exposure import ExposureWatch
from amplify_tui.adapters.flags.plan import FlagSpec, StrategySpec, expose, target
from amplify_tui.adapters.ports import Done
from amplify_tui.adapters.unleash.kind import UnleashKind
from amplify_tui.adapters.unleash.provider import UnleashProvider
from amplify_tui.drill.flagsdk import MemoryCache
from amplify_tui.verdict.model import ExposureReading, FlagUse
from tests.adapters.flag_proxy import Proxy, proxy_of
from tests.adapters.unleash_world import P, env, one, provide, until
from tests.real.services import Unleash

pytestmark = pytest.mark.real
RULES = UnleashKind.rules
LATER = 1000.0
USERS = 600
WRITTEN_WITHIN = 40.0  # the server writes down each 20 s whom it heard of


@asynccontextmanager
async def application(
    unleash: Unleash, name: str, *, token: str = "", polls: bool = True
) -> AsyncIterator[UnleashClient]:
    """An application with the official SDK, once it has the flags; it reports each second."""
    client = UnleashClient(
        url=f"{unleash.url}/api",
        app_name=name,
        custom_headers={"Authorization": token or unleash.client},
        refresh_interval=1 if polls else 3600,
        metrics_interval=1,
        request_timeout=2,
        cache=MemoryCache(),
        multiple_instance_mode=InstanceAllowType.SILENTLY_ALLOW,
    )
    await asyncio.to_thread(client.initialize_client)
    try:
        yield client
    finally:
        await asyncio.to_thread(client.destroy)


_users = itertools.count()


def ask(client: UnleashClient, key: str, users: int = USERS) -> int:
    """How many of so many users get the flag, none of whom asked before."""
    return sum(client.is_enabled(key, {"userId": f"u{next(_users)}"}) for _ in range(users))


@pytest.fixture(scope="module")
def pool(unleash: Unleash) -> list[str]:
    """Flags of which the server takes counts: for ten seconds it drops those of a flag that it does not know yet."""
    names = [f"used-{number}" for number in range(24)]
    toggles = {names[-1]: {"yes": 1, "no": 0}}
    with httpx.Client(base_url=unleash.url, headers={"Authorization": unleash.admin}) as admin:
        for name in names:
            admin.post(f"{P}/features", json={"name": name, "type": "release"}).raise_for_status()
        deadline = time.monotonic() + 40
        while not admin.get(f"/api/admin/client-metrics/features/{names[-1]}/raw").json()["data"]:
            assert time.monotonic() < deadline, "no use of the flags is ever told"
            stop = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            body = {"appName": "witness", "bucket": {"start": stop, "stop": stop, "toggles": toggles}}
            headers = {"Authorization": unleash.client}
            admin.post("/api/client/metrics", json=body, headers=headers).raise_for_status()
            time.sleep(0.1)
    return names[:-1]


@pytest.fixture
def key(pool: list[str]) -> str:
    return pool.pop()


class Watched:
    """A watch whose clock we turn: settled, so that all that follows counts."""

    def __init__(self, provider: UnleashProvider, key: str) -> None:
        self.now = time.time()
        self.key = key
        self._watch = ExposureWatch(provider, RULES, source="flags", poll_s=1.0, report_s=6.0)

    def rest(self) -> None:
        self._watch.rest(self.key)

    async def look(self, left: dict[str, object] | None = None, *, after: float = 1.0) -> ExposureReading:
        self.now += after
        reading = await self._watch.poll(self.key, left, self.now)
        assert reading is not None
        return reading

    async def settled(self) -> None:
        await self.look()
        await self.look(after=LATER)

    async def told(self, n: int) -> ExposureReading:
        """The reading once *n* evaluations were told of."""
        found: list[ExposureReading] = []

        async def all_() -> bool:
            found[:] = [await self.look(after=0.01)]
            return found[0].n >= n

        await until(all_, seconds=20)
        assert found[0].n == n
        return found[0]


async def _has(client: UnleashClient, key: str, is_it: Callable[[int], bool]) -> None:
    """Wait until the application knows the rules. It reports what it is asked meanwhile, so ask of another flag."""

    def user(n: int) -> dict[str, object]:
        return {"userId": f"u{n}", "properties": {"tenantId": f"t{n}"}}

    async def knows() -> bool:
        return is_it(sum(client._engine.check_enabled(key, user(n)).is_enabled for n in range(60)))

    await until(knows)


async def made(flags: UnleashProvider, key: str, percent: int, **spec: str) -> None:
    ramp = StrategySpec(title="ramp", rollout=percent, **{"stickiness": "userId"} | spec)
    wish = FlagSpec(create="release", reuse="allow", enabled=True, strategies=(ramp,))
    assert isinstance(await flags.apply(target(await one(flags, key), wish)), Done)


async def test_the_share_that_applications_see_is_near_the_share_asked_for(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await made(flags, key, 25)
    watched = Watched(flags, key)
    await watched.settled()
    async with application(unleash, f"{key}-shop") as shop:
        await _has(shop, key, bool)
        yes = ask(shop, key)
        reading = await watched.told(USERS)
    assert (reading.status, reading.fits, reading.yes, reading.findings) == ("ok", True, yes, ())
    assert abs(yes / USERS - 0.25) < 0.06  # three sigma of 600 users


async def test_an_application_that_does_not_send_the_field_gets_nobody_and_is_told_so(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await made(flags, key, 25, stickiness="tenantId")
    watched = Watched(flags, key)
    await watched.settled()
    async with application(unleash, f"{key}-shop") as shop:
        await _has(shop, key, bool)
        assert ask(shop, key) == 0
        reading = await watched.told(USERS)
    assert (reading.share, reading.fits) == (0.0, False)
    (finding,) = reading.findings
    assert (finding.kind, finding.app) == ("field", f"{key}-shop")
    assert "sticks to tenantId" in finding.text


async def test_an_application_with_another_environments_token_is_found(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await made(flags, key, 25)
    watched = Watched(flags, key)
    await watched.settled()
    async with application(unleash, f"{key}-shop", token=unleash.client_production) as shop:
        await until(lambda: _true(shop._engine.check_enabled(key, {}).is_found))
        ask(shop, key)
        readings: list[ExposureReading] = []

        async def found() -> bool:
            readings[:] = [await watched.look()]
            return bool(readings[0].findings)

        await until(found, seconds=20)
    (finding,) = readings[0].findings
    assert (readings[0].n, finding.kind, finding.app, finding.warns) == (0, "environment", f"{key}-shop", True)
    assert f"asks for it in production ({USERS}) only" in finding.text
    assert "give it one of development" in finding.text


async def test_an_application_whose_sdk_no_longer_polls_keeps_the_share_of_before(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await made(flags, key, 10)
    watched = Watched(flags, key)
    await watched.settled()
    async with (
        application(unleash, f"{key}-web") as web,
        application(unleash, f"{key}-batch", polls=False) as batch,
    ):
        await _has(batch, key, bool)
        assert isinstance(await flags.apply(expose(await one(flags, key), 60)), Done)
        await watched.settled()
        await _has(web, key, lambda yes: yes > 20)
        ask(web, key)
        ask(batch, key)
        reading = await watched.told(2 * USERS)
    (finding,) = reading.findings
    assert (finding.kind, finding.app) == ("behind", f"{key}-batch")
    assert "its SDK no longer polls" in finding.text


async def test_an_application_that_stopped_is_missed_and_who_goes_on_is_not(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await made(flags, key, 25)
    watched = Watched(flags, key)
    await watched.settled()
    async with application(unleash, f"{key}-web") as web:
        async with application(unleash, f"{key}-batch") as batch:
            for client in (web, batch):
                await _has(client, key, bool)
            for turn in (1, 2):
                ask(web, key)
                ask(batch, key)
                await watched.told(turn * 2 * USERS)
        await watched.look(after=LATER)
        ask(web, key)
        reading = await watched.told(5 * USERS)
    (finding,) = reading.findings
    assert (finding.kind, finding.app) == ("silent", f"{key}-batch")
    assert "it is stopped, or its SDK no longer reaches the flag server" in finding.text


async def test_when_the_server_last_heard_of_an_application_is_told(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    begun = time.time()
    assert await flags.last_seen(f"{key}/no such") is None
    async with application(unleash, f"{key}-shop"):

        async def heard() -> bool:
            return await flags.last_seen(f"{key}-shop") is not None

        await until(heard, seconds=WRITTEN_WITHIN)
    seen = await flags.last_seen(f"{key}-shop")
    assert seen is not None
    assert begun - 2 <= seen <= time.time() + 2
    other = provide(unleash, environment="production", client_token="")
    assert await other.last_seen(f"{key}-shop") is None
    await other.aclose()


async def test_a_changed_group_is_told_with_who_joins_and_who_leaves(
    flags: UnleashProvider, server: httpx.AsyncClient, key: str
) -> None:
    await made(flags, key, 25)
    left = (await one(flags, key)).raw
    watched = Watched(flags, key)
    assert (await watched.look(left)).findings == ()
    ramp = left["strategies"][0]
    changed = {**ramp, "parameters": {**ramp["parameters"], "groupId": "another"}}
    (await server.put(f"{env(key)}/strategies/{ramp['id']}", json=changed)).raise_for_status()
    (finding,) = (await watched.look(left)).findings
    assert finding.kind == "group"
    assert f"group {key} became another" in finding.text
    who = audience.affected(RULES, RULES.state(key, "development", left), await one(flags, key))
    assert 1_500 < who.joins < 2_300  # three quarters of a quarter
    assert f"{who.joins:,} join, {who.leaves:,} leave" in finding.text


async def test_the_hour_before_is_told_too(flags: UnleashProvider, unleash: Unleash, key: str) -> None:
    """In the first minute of an hour it is all there is."""
    await made(flags, key, 25)
    hour = time.time() // 3600 * 3600
    stop = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(hour - 60))
    bucket = {"start": stop, "stop": stop, "toggles": {key: {"yes": 3, "no": 4}}}
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.client}) as app:
        told = await app.post("/api/client/metrics", json={"appName": "shop", "instanceId": "1", "bucket": bucket})
    assert told.status_code == 202

    def real(uses: tuple[FlagUse, ...]) -> list[FlagUse]:
        return [use for use in uses if use.yes + use.no]

    async def seen() -> bool:
        return bool(real(await flags.uses(key)))

    await until(seen)
    assert real(await flags.uses(key)) == [FlagUse(app="shop", hour=hour - 3600, yes=3, no=4, env="development")]


async def test_what_we_evaluate_ourselves_is_no_use(
    unleash: Unleash, flags: UnleashProvider, key: str, pool: list[str]
) -> None:
    """A witness flag, asked for afterwards by a real application, shows that reports have come through by then."""
    witness = pool.pop()
    await made(flags, key, 25)
    await made(flags, witness, 25)
    state = await one(flags, key)
    assert audience.affected(RULES, state, RULES.state(key, "development", {**state.raw, "enabled": False})).leaves
    assert RULES.evaluator([state]).users(key, [{"userId": f"u{n}", "properties": {}} for n in range(100)])
    async with application(unleash, f"{key}-shop") as shop:
        await until(lambda: _true(shop._engine.check_enabled(witness, {}).is_found))
        ask(shop, witness, 10)

        async def came() -> bool:
            return any(use.yes + use.no for use in await flags.usage(witness))

        await until(came, seconds=20)
    assert [use for use in await flags.usage(key) if use.yes + use.no] == []


OURS = """
import json, sys
from amplify_tui.adapters.flags import audience
from amplify_tui.adapters.unleash.kind import UnleashKind
rules = UnleashKind.rules
raw = json.loads(sys.argv[1])
print(audience.affected(rules, rules.state("f", "e", raw), rules.state("f", "e", {**raw, "enabled": False})).leaves)
assert "UnleashClient" not in sys.modules, "the preview needs the engine alone"
from amplify_tui.drill.flagsdk import flag_client
client = flag_client(sys.argv[2], sys.argv[3], "development", "shop")
client.initialize_client()
client.is_enabled("f", {"userId": "1"})
client.destroy()
"""


async def test_nothing_of_ours_writes_the_cache_file_of_the_sdk(
    unleash: Unleash, flags: UnleashProvider, key: str, tmp_path: Path
) -> None:
    """It is named after the application alone: one environment's flags would answer for another's."""
    await made(flags, key, 25)
    raw = (await one(flags, key)).raw
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    argv = [sys.executable, "-c", OURS, httpx.Response(200, json=raw).text, unleash.url, unleash.client]
    done = await asyncio.to_thread(subprocess.run, argv, env={**os.environ, **places}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 2_000
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# --- faults ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def proxy(unleash: Unleash) -> AsyncIterator[Proxy]:
    async with proxy_of(unleash.url) as running:
        yield running


@pytest.mark.parametrize(
    ("where", "fault", "status", "words"),
    [
        ("/raw", "limit", "stale", "too many requests"),
        ("/raw", "drop", "error", ""),
        ("/raw", "html", "error", ""),
        ("/raw", "unauthorized", "error", "token"),
        ("/features/", "drop", "error", ""),
    ],
)
async def test_usage_that_cannot_be_read_is_a_reading_that_says_so_and_heals(
    unleash: Unleash, flags: UnleashProvider, key: str, proxy: Proxy, where: str, fault: str, status: str, words: str
) -> None:
    await made(flags, key, 25)
    behind = UnleashProvider(proxy.url, unleash.admin, environment="development", timeout=5)
    watched = Watched(behind, key)
    good = await watched.look()
    proxy.fail(where, fault)  # type: ignore[arg-type]
    lost = await watched.look(after=5.0)
    assert (lost.status, lost.share, lost.fits) == (status, None, None)
    assert lost.data_at == good.received_at  # how old it is
    assert words in lost.note.lower()
    assert lost.note
    assert (await watched.look()).status == "nodata"  # read again: nobody asked
    await behind.aclose()


async def test_a_silent_server_is_an_error_within_the_timeout(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await made(flags, key, 25)
    hasty = provide(unleash, timeout=0.4)
    watched = Watched(hasty, key)
    with unleash.frozen():
        lost = await watched.look()
    assert (lost.status, lost.share) == ("error", None)
    assert "no answer" in lost.note
    await hasty.aclose()


async def _true(value: object) -> bool:
    return bool(value)
