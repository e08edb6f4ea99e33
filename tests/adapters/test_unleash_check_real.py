"""What a live check tells of a real Unleash before a release: version, tokens of each kind, rights, what is named."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from amplify_tui.adapters.ports import FlagNeeds, Survey
from tests.adapters.flag_proxy import proxy_of
from tests.adapters.unleash_world import provide
from tests.real.services import Unleash

pytestmark = pytest.mark.real
ALL = FlagNeeds(acts=frozenset({"create", "tags", "strategies", "switch", "archive"}))


async def surveyed(unleash: Unleash, needs: FlagNeeds = ALL, **changes: Any) -> Survey:
    provider = provide(unleash, **changes)
    try:
        return await provider.survey(needs)
    finally:
        await provider.aclose()


async def sdk_token(server: httpx.AsyncClient, kind: str, projects: str = "default") -> str:
    wanted = {"tokenName": f"{kind}-{projects}", "type": kind, "environment": "development", "projects": [projects]}
    made = (await server.post("/api/admin/api-tokens", json=wanted)).raise_for_status().json()
    return str(made["secret"])


async def token_of(unleash: Unleash, server: httpx.AsyncClient, name: str, role: int) -> str:
    """A personal token of a new user. role: 2 is Editor, 3 Viewer."""
    user = {"username": name, "password": "correct horse battery 9!", "rootRole": role}
    (await server.post("/api/admin/user-admin", json=user)).raise_for_status()
    async with httpx.AsyncClient(base_url=unleash.url) as session:
        login = {"username": name, "password": user["password"]}
        (await session.post("/auth/simple/login", json=login)).raise_for_status()
        wish = {"description": "release", "expiresAt": "2099-01-01T00:00:00Z"}
        return str((await session.post("/api/admin/user/tokens", json=wish)).json()["secret"])


async def test_an_editor_is_told_version_place_and_each_right(
    unleash: Unleash, server: httpx.AsyncClient, key: str
) -> None:
    told = await surveyed(unleash, token=await token_of(unleash, server, key, 2))
    assert told.problems == ()
    assert told.good == (
        f"Unleash 8.2.0 at {unleash.url}, project default, environment development",
        f"{key} may create flags, tag flags, change strategies, switch flags, archive and revive flags",
        "client_token of development",
    )


async def test_each_right_that_a_viewer_lacks_is_named_and_no_other(
    unleash: Unleash, server: httpx.AsyncClient, key: str
) -> None:
    token = await token_of(unleash, server, key, 3)
    (all_,) = (await surveyed(unleash, token=token)).problems
    assert all_.what == (
        f"{key} may not create flags (CREATE_FEATURE); tag flags (UPDATE_FEATURE); change strategies "
        "(CREATE_FEATURE_STRATEGY, UPDATE_FEATURE_STRATEGY, DELETE_FEATURE_STRATEGY); switch flags "
        "(UPDATE_FEATURE_ENVIRONMENT); archive and revive flags (DELETE_FEATURE, UPDATE_FEATURE) in development"
    )
    (one,) = (await surveyed(unleash, FlagNeeds(acts=frozenset({"switch"})), token=token)).problems
    assert one.what == f"{key} may not switch flags (UPDATE_FEATURE_ENVIRONMENT) in development"
    assert (await surveyed(unleash, FlagNeeds(acts=frozenset()), token=token)).problems == ()


@pytest.mark.parametrize(
    ("kind", "words"),
    [("client", "`token` is a client token"), ("frontend", "`token` is a frontend token")],
)
async def test_a_token_of_applications_in_the_place_of_a_persons_is_told_by_its_kind(
    unleash: Unleash, server: httpx.AsyncClient, kind: str, words: str
) -> None:
    (problem,) = (await surveyed(unleash, token=await sdk_token(server, kind))).problems
    assert problem.what.startswith(words)
    assert ("this one for `client_token`" in problem.fix) == (kind == "client")


async def test_a_token_in_the_place_of_the_client_token_is_told_by_its_kind(
    unleash: Unleash, server: httpx.AsyncClient, key: str
) -> None:
    person = await token_of(unleash, server, key, 2)
    tokens = {
        "an admin's token": unleash.admin,
        "a user's token": person,
        "a frontend token": await sdk_token(server, "frontend"),
    }
    for words, token in tokens.items():
        (problem,) = (await surveyed(unleash, token=person, client_token=token)).problems
        assert problem.what == f"`client_token` is of the wrong kind: it is {words}"


async def test_a_client_token_of_all_projects_is_as_good_as_one_of_the_project(
    unleash: Unleash, server: httpx.AsyncClient
) -> None:
    told = await surveyed(unleash, client_token=await sdk_token(server, "client", "*"))
    assert [one.severity for one in told.problems] == ["warning"]  # of the shared admin token
    assert "client_token of development" in told.good


async def test_a_client_token_that_does_not_see_the_project_is_named(unleash: Unleash) -> None:
    """Unleash OSS has one project, so the payload of another one's token is put in its place."""
    async with proxy_of(unleash.url) as proxy:
        payload = '{"features": [], "query": {"project": ["payments"], "environment": "development"}}'
        proxy.instead("/api/client/features", payload)
        told = await surveyed(Unleash(proxy.url, unleash.pid))
    assert "`client_token` does not see the project default, only payments" in [one.what for one in told.problems]


@pytest.mark.parametrize(
    ("statistics", "words"),
    [
        ('{"versionOSS": "7.3.0"}', "the server is Unleash 7.3.0"),
        ('{"versionOSS": "9.0.1", "versionEnterprise": ""}', "the server is Unleash 9.0.1"),
        ("{}", "does not say which version"),
        ("[]", "does not say which version"),
    ],
)
async def test_a_version_that_nobody_observed_is_a_warning(unleash: Unleash, statistics: str, words: str) -> None:
    async with proxy_of(unleash.url) as proxy:
        proxy.instead("/instance-admin/statistics", statistics)
        told = await surveyed(Unleash(proxy.url, unleash.pid))
    assert [one.severity for one in told.problems if words in one.what] == ["warning"]


async def test_segments_and_context_fields_that_are_not_there_are_named(
    unleash: Unleash, server: httpx.AsyncClient, key: str
) -> None:
    """The server takes a strategy with neither of them being there, and it then matches nobody."""
    rule = {"contextName": "userId", "operator": "IN", "values": ["u1"]}
    body = {"name": f"pilots-{key}", "constraints": [rule]}
    there = (await server.post("/api/admin/segments", json=body)).json()["id"]
    (await server.post("/api/admin/context", json={"name": f"tenant-{key}"})).raise_for_status()
    needs = FlagNeeds(
        segments=frozenset({there, there + 1000}), fields=frozenset({"userId", f"tenant-{key}", "contry"})
    )
    told = await surveyed(unleash, needs)
    said = {one.what: one.severity for one in told.problems if "admin token" not in one.what}
    assert said == {
        f"there is no segment {there + 1000}": "error",
        "the server knows no context field 'contry'": "warning",
    }


async def test_a_server_that_answers_nothing_is_one_problem(unleash: Unleash) -> None:
    async with proxy_of(unleash.url) as proxy:
        proxy.down()
        (problem,) = (await surveyed(Unleash(proxy.url, unleash.pid))).problems
        assert "no connection" in problem.what
        await proxy.up()
        proxy.freeze()
        (problem,) = (await surveyed(Unleash(proxy.url, unleash.pid), timeout=0.5)).problems
        assert "no answer within 0.5s" in problem.what
        proxy.thaw()
