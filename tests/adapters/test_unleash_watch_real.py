"""Checking, watching and evaluating flags on a real Unleash: what is wrong with a source, what changed, who gets it."""

from __future__ import annotations

import time

import httpx
import pytest

from amplify_tui.adapters.flags.evaluation import Evaluator, population
from amplify_tui.adapters.flags.plan import StrategySpec, expose
from amplify_tui.adapters.ports import Done, Invalid, Unauthorized
from amplify_tui.adapters.unleash.provider import UnleashProvider
from amplify_tui.adapters.unleash.watch import FlagWatch
from amplify_tui.drill.flagsdk import flag_client
from amplify_tui.verdict.model import FlagReading
from tests.adapters.unleash_world import make, one, provide, until
from tests.real.services import Unleash

pytestmark = pytest.mark.real


async def test_what_applications_see_is_evaluated_by_their_own_engine(flags: UnleashProvider, key: str) -> None:
    await make(flags, key)
    assert isinstance(await flags.apply(expose(await one(flags, key), 25)), Done)

    async def arrived() -> bool:
        return b'"rollout":"25"' in (await flags.client_features()).body and key in (await flags.client_features()).text

    await until(arrived)
    users = population(10_000)
    seen = Evaluator((await flags.client_features()).body).exposure(key, users)
    assert abs(seen.percent - 25) < 1.3  # three sigma of 10,000 users
    assert Evaluator.of([await one(flags, key)]).exposure(key, users) == seen


async def test_a_good_source_has_only_a_word_about_the_shared_token(flags: UnleashProvider) -> None:
    assert [(one.severity, one.what) for one in await flags.check()] == [("warning", "this is the shared admin token")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"token": "user:nobody"}, "does not know this token"),
        ({"token": ""}, "no token"),
        ({"token": "default:development.clientsecret"}, "`token` is a client token"),
        ({"client_token": "*:*.adminsecret"}, "`client_token` is of the wrong kind"),
        ({"client_token": "default:development.wrong"}, "does not know `client_token`"),
        ({"client_token": "default:production.clientsecret"}, "`client_token` is of production"),
        ({"project": "nowhere"}, "no project 'nowhere'"),
        ({"environment": "staging"}, "no environment 'staging'"),
    ],
)
async def test_each_wrong_setting_is_named_before_the_release(
    unleash: Unleash, changes: dict[str, str], words: str
) -> None:
    provider = provide(unleash, **changes)
    problems = await provider.check()
    await provider.aclose()
    assert any(words in problem.what and problem.fix for problem in problems), problems


async def test_a_url_that_ends_in_api_is_told_to_lose_it(unleash: Unleash) -> None:
    provider = UnleashProvider(f"{unleash.url}/api", unleash.admin, environment="development")
    (problem,) = await provider.check()
    await provider.aclose()
    assert problem.fix == "write the URL without /api"


async def test_a_viewers_token_lacks_rights_and_the_check_names_them(
    unleash: Unleash, server: httpx.AsyncClient, key: str
) -> None:
    viewer = {"username": key, "password": "correct horse battery 9!", "rootRole": 3}
    assert (await server.post("/api/admin/user-admin", json=viewer)).status_code == 201
    async with httpx.AsyncClient(base_url=unleash.url) as session:
        login = {"username": key, "password": viewer["password"]}
        assert (await session.post("/auth/simple/login", json=login)).status_code == 200
        wish = {"description": "cockpit", "expiresAt": "2099-01-01T00:00:00Z"}
        token = (await session.post("/api/admin/user/tokens", json=wish)).json()["secret"]
    provider = provide(unleash, token=token)
    (problem,) = await provider.check()
    assert problem.severity == "error"
    assert "UPDATE_FEATURE_ENVIRONMENT" in problem.what
    await provider.aclose()


async def test_a_flag_of_another_project_is_not_called_missing(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await make(flags, key)
    lost = provide(unleash, project="nowhere")
    with pytest.raises(Invalid, match="another project"):
        await lost.read([key])
    await lost.aclose()


async def test_a_wrong_token_is_an_error_and_not_an_empty_list(unleash: Unleash, key: str) -> None:
    provider = provide(unleash, token="user:nobody")
    with pytest.raises(Unauthorized):
        await provider.read([key])
    await provider.aclose()


@pytest.mark.parametrize("client_token", [True, False])
async def test_watching_sees_a_change_and_agrees_with_the_full_state(
    unleash: Unleash, flags: UnleashProvider, key: str, client_token: bool
) -> None:
    await make(flags, key)
    watched = flags if client_token else provide(unleash, client_token="")
    watch = FlagWatch(watched, source="flags", flags=[key, f"{key}-nowhere"])
    first, nowhere = await watch.poll(1000.0)
    assert (first.status, first.enabled, first.percent) == ("ok", False, 0)
    assert (nowhere.status, nowhere.enabled) == ("nodata", None)
    assert isinstance(await flags.apply(expose(await one(flags, key), 25)), Done)
    now = 1000.0

    async def seen() -> bool:
        nonlocal now
        now += 1
        reading, _ = await watch.poll(now)
        return reading.percent == 25 and reading.fingerprint == (await one(flags, key)).fingerprint

    await until(seen)
    reading, _ = await watch.poll(now + 1)
    assert reading.data_at == now + 1  # an unchanged answer is fresh all the same
    if watched is not flags:
        await watched.aclose()


async def test_watching_says_how_old_its_knowledge_is_when_the_server_is_silent(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await make(flags, key)
    hasty = provide(unleash, timeout=0.4)
    watch = FlagWatch(hasty, source="flags", flags=[key])
    (good,) = await watch.poll(1000.0)
    with unleash.frozen():
        (lost,) = await watch.poll(1005.0)
    assert good.status == "ok"
    assert (lost.status, lost.enabled, lost.data_at) == ("error", None, 1000.0)
    assert "no answer" in lost.note
    await hasty.aclose()


async def test_editing_a_segment_changes_the_reach_of_a_flag_and_nothing_else_of_it(
    flags: UnleashProvider, unleash: Unleash, key: str
) -> None:
    """And the audit trail names who edited it, among the changes of the flag."""
    headers = {"Authorization": unleash.admin}
    rule = {"contextName": "tenant", "operator": "IN", "values": ["t1"]}
    async with httpx.AsyncClient(base_url=unleash.url, headers=headers) as http:
        body = {"name": f"pilots-{key}", "constraints": [rule]}
        made = (await http.post("/api/admin/segments", json=body)).json()["id"]
        await make(flags, key, StrategySpec(title="ramp", rollout=50, segments=(made,)), enabled=True)
        watch = FlagWatch(flags, source="flags", flags=[key])
        before = [await _reading(watch)]

        async def has_reach() -> bool:
            before[0] = await _reading(watch)
            return bool(before[0].reach) and before[0].percent == 50

        await until(has_reach)
        since = time.time()
        wider = {**body, "constraints": [{**rule, "values": ["t1", "t2"]}]}
        (await http.put(f"/api/admin/segments/{made}", json=wider)).raise_for_status()

        async def moved() -> bool:
            return (await _reading(watch)).reach != before[0].reach

        await until(moved)
    assert (await _reading(watch)).fingerprint == before[0].fingerprint
    assert [(one.kind, one.by) for one in await flags.changes(key, since)] == [("segment-updated", "admin")]


async def test_how_often_applications_ask_is_told_by_application(
    flags: UnleashProvider, unleash: Unleash, key: str
) -> None:
    """As a real SDK posts it; of this environment alone."""
    await make(flags, key)
    client = flag_client(unleash.url, unleash.client, "development", "shop-web")
    client.initialize_client()
    try:
        for _ in range(5):
            client.is_enabled(key)

        async def told() -> bool:
            return bool(await flags.uses(key))

        await until(told, seconds=30)
    finally:
        client.destroy()
    found = await flags.uses(key)
    assert {use.app for use in found} == {"shop-web"}
    assert (sum(use.yes for use in found), sum(use.no for use in found)) == (0, 5)
    other = provide(unleash, environment="production", client_token="")
    assert await other.uses(key) == ()
    await other.aclose()


async def _reading(watch: FlagWatch) -> FlagReading:
    return (await watch.poll(time.time()))[0]
