"""What Amplify takes for granted of Unleash: one function a promise, for the bundled server and for a real one.

Each is `async def check(target)`, makes flags of its own names, and may run against a server that others use. CHECKS
has them all; a test parametrises over it with the server it has.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from UnleashClient import UnleashClient  # type: ignore[attr-defined]
from yggdrasil_engine.engine import UnleashEngine

from amplify_tui.drill.flagsdk import flag_client

P = "/api/admin/projects/default"
_numbers = itertools.count()
COUNTED_WITHIN = 45.0  # seconds; Unleash writes down each 20 s whom it heard of
VISIBLE_WITHIN = 10.0  # seconds until the client API must show a write; Unleash looks once a second


@dataclass(frozen=True)
class Target:
    url: str
    admin_token: str
    client_token: str
    environment: str

    def admin(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers={"Authorization": self.admin_token}, trust_env=False)

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": self.client_token, "Unleash-Client-Spec": "6.1.0"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False)

    def env(self, flag: str) -> str:
        return f"{P}/features/{flag}/environments/{self.environment}"


Check = Callable[[Target], Awaitable[None]]
CHECKS: list[Check] = []


def contract(check: Check) -> Check:
    CHECKS.append(check)
    return check


async def make(target: Target, http: httpx.AsyncClient, *strategies: dict[str, Any]) -> str:
    """A new flag, off, with these strategies; its name."""
    name = f"contract-{os.getpid()}-{next(_numbers)}"
    assert (await http.post(f"{P}/features", json={"name": name, "type": "release"})).status_code == 201
    for strategy in strategies:
        assert (await http.post(f"{target.env(name)}/strategies", json=strategy)).status_code == 200
    return name


def ramp(percent: int, **more: Any) -> dict[str, Any]:
    parameters = {"rollout": str(percent), "stickiness": "userId", "groupId": "g"}
    return {"name": "flexibleRollout", "parameters": parameters, "title": "ramp"} | more


async def env_of(target: Target, http: httpx.AsyncClient, flag: str) -> dict[str, Any]:
    found: dict[str, Any] = (await http.get(target.env(flag))).json()
    return found


async def events_of(http: httpx.AsyncClient, flag: str) -> list[dict[str, Any]]:
    """Oldest first."""
    page = (await http.get("/api/admin/search/events", params={"feature": f"IS:{flag}", "limit": 100})).json()
    return list(reversed(page["events"]))


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("feature-") for event in events]


async def client_flag(target: Target, flag: str, want: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The whole client payload, once its *flag* satisfies *want*."""
    async with target.client() as http, asyncio.timeout(VISIBLE_WITHIN):
        while True:
            answer: dict[str, Any] = (await http.get("/api/client/features")).json()
            if any(found["name"] == flag and want(found) for found in answer["features"]):
                return answer
            await asyncio.sleep(0.05)


@contract
async def a_new_flag_is_off_everywhere_and_has_no_strategy(target: Target) -> None:
    async with target.admin() as http:
        name = await make(target, http)
        flag = (await http.get(f"{P}/features/{name}")).json()
        assert [(e["name"], e["enabled"], e["strategies"]) for e in flag["environments"]] == [
            ("development", False, []),
            ("production", False, []),
        ]
        assert (flag["name"], flag["type"], flag["project"], flag["archived"]) == (name, "release", "default", False)
        lighter = await env_of(target, http, name)
        assert lighter == {"name": name, "environment": target.environment, "enabled": False, "strategies": []}


@contract
async def turning_on_a_flag_without_strategies_gives_it_to_everybody(target: Target) -> None:
    async with target.admin() as http:
        name = await make(target, http)
        answer = await http.post(f"{target.env(name)}/on")
        assert (answer.status_code, answer.content) == (200, b"")
        env = await env_of(target, http, name)
        assert env["enabled"]
        assert [s["parameters"] for s in env["strategies"]] == [
            {"groupId": name, "rollout": "100", "stickiness": "default"}
        ]
        assert types(await events_of(http, name)) == ["created", "strategy-add", "environment-enabled"]


@contract
async def on_with_only_disabled_strategies_adds_one_unless_asked_to_enable_them(target: Target) -> None:
    async with target.admin() as http:
        trapped, asked = (
            await make(target, http, ramp(5, disabled=True)),
            await make(target, http, ramp(5, disabled=True)),
        )
        await http.post(f"{target.env(trapped)}/on")
        assert [s["disabled"] for s in (await env_of(target, http, trapped))["strategies"]] == [True, False]
        await http.post(f"{target.env(asked)}/on?shouldActivateDisabledStrategies=true")
        strategies = (await env_of(target, http, asked))["strategies"]
        assert [(s["parameters"]["rollout"], s["disabled"]) for s in strategies] == [("5", False)]


@contract
async def writes_that_change_nothing_leave_no_event(target: Target) -> None:
    async with target.admin() as http:
        name = await make(target, http, ramp(10))
        for _again in range(2):
            assert (await http.post(f"{target.env(name)}/off")).status_code == 200
        for _again in range(2):
            assert (await http.post(f"{target.env(name)}/on")).status_code == 200
        strategy = (await http.get(f"{target.env(name)}/strategies")).json()[0]
        assert (await http.put(f"{target.env(name)}/strategies/{strategy['id']}", json=strategy)).status_code == 200
        assert types(await events_of(http, name)) == ["created", "strategy-add", "environment-enabled"]


@contract
async def a_put_wipes_the_constraints_and_variants_it_omits_and_keeps_the_title(target: Target) -> None:
    rule = {"contextName": "tenantId", "operator": "IN", "values": ["t1"]}
    variants = [{"name": n, "weight": 1, "weightType": "variable", "stickiness": "userId"} for n in ("a", "b")]
    async with target.admin() as http:
        name = await make(target, http, ramp(10, constraints=[rule], variants=variants))
        before = (await http.get(f"{target.env(name)}/strategies")).json()[0]
        assert [v["weight"] for v in before["variants"]] == [500, 500]
        body = {"name": "flexibleRollout", "parameters": before["parameters"]}
        after = (await http.put(f"{target.env(name)}/strategies/{before['id']}", json=body)).json()
        assert (after["constraints"], after["variants"], after["title"]) == ([], [], "ramp")
        bare = (
            await http.put(f"{target.env(name)}/strategies/{before['id']}", json={"name": "flexibleRollout"})
        ).json()
        assert bare["parameters"] == {"groupId": name, "rollout": "100", "stickiness": "default"}


@contract
async def a_stale_test_in_a_patch_is_a_500_and_changes_nothing(target: Target) -> None:
    async with target.admin() as http:
        name = await make(target, http, ramp(25))
        url = f"{target.env(name)}/strategies/{(await http.get(f'{target.env(name)}/strategies')).json()[0]['id']}"

        def guarded(seen: str, wanted: Any) -> list[dict[str, Any]]:
            path = "/parameters/rollout"
            return [{"op": "test", "path": path, "value": seen}, {"op": "replace", "path": path, "value": wanted}]

        stale = await http.patch(url, json=guarded("10", "50"))
        assert (stale.status_code, stale.json()["name"]) == (500, "UnknownError")
        assert stale.json()["message"].startswith("Test operation failed")
        number = await http.patch(url, json=guarded("25", 50))
        assert (number.status_code, number.json()["name"]) == (400, "BadDataError")
        assert (await http.get(url)).json()["parameters"]["rollout"] == "25"
        assert (await http.patch(url, json=guarded("25", "50"))).json()["parameters"]["rollout"] == "50"


@contract
async def losing_the_last_active_strategy_turns_the_environment_off(target: Target) -> None:
    async with target.admin() as http:
        for act in ("disable", "delete"):
            name = await make(target, http, ramp(25), ramp(5, disabled=True))
            await http.post(f"{target.env(name)}/on")
            url = f"{target.env(name)}/strategies/{(await http.get(f'{target.env(name)}/strategies')).json()[0]['id']}"
            if act == "delete":
                assert (await http.delete(url)).status_code == 200
            else:
                disable = [{"op": "replace", "path": "/disabled", "value": True}]
                assert (await http.patch(url, json=disable)).status_code == 200
            assert not (await env_of(target, http, name))["enabled"], act
            assert "environment-disabled" in types(await events_of(http, name)), act


@contract
async def bulk_off_with_one_unknown_name_changes_nothing(target: Target) -> None:
    async with target.admin() as http:
        name = await make(target, http, ramp(25))
        await http.post(f"{target.env(name)}/on")
        url = f"{P}/bulk_features/environments/{target.environment}/off"
        refused = await http.post(url, json={"features": [name, "no-such-flag"]})
        assert (refused.status_code, refused.json()["name"]) == (404, "NotFoundError")
        assert (await env_of(target, http, name))["enabled"]
        assert (await http.post(url, json={"features": [name]})).status_code == 200
        assert not (await env_of(target, http, name))["enabled"]


@contract
async def names_are_taken_once_and_stay_taken_in_the_archive(target: Target) -> None:
    async with target.admin() as http:
        name = await make(target, http)
        again = await http.post(f"{P}/features", json={"name": name, "type": "release"})
        assert (again.status_code, again.json()["name"]) == (409, "NameExistsError")
        assert (await http.post("/api/admin/features/validate", json={"name": name})).status_code == 409
        assert (await http.delete(f"{P}/features/{name}")).status_code == 202
        assert (await http.get(f"{P}/features/{name}")).status_code == 404
        assert (await http.post(f"{P}/features", json={"name": name})).status_code == 409
        refused = await http.post(f"{target.env(name)}/on")
        assert (refused.status_code, refused.json()["name"]) == (400, "ArchivedFeatureError")
        assert (await http.delete(f"/api/admin/archive/{name}")).status_code == 200
        assert (await http.post(f"{P}/features", json={"name": name})).status_code == 201


@contract
async def events_say_who_what_before_and_after(target: Target) -> None:
    async with target.admin() as http:
        name = await make(target, http, ramp(25))
        strategy = (await http.get(f"{target.env(name)}/strategies")).json()[0]
        change = [{"op": "replace", "path": "/parameters/rollout", "value": "30"}]
        await http.patch(f"{target.env(name)}/strategies/{strategy['id']}", json=change)
        await http.post(f"{target.env(name)}/on")
        created, added, updated, enabled = await events_of(http, name)
        assert (created["data"]["name"], created["preData"], created["environment"]) == (name, None, None)
        assert (added["data"]["id"], added["preData"]) == (strategy["id"], None)
        assert updated["preData"]["parameters"]["rollout"] == "25"
        assert updated["data"]["parameters"]["rollout"] == "30"
        assert (enabled["type"], enabled["environment"]) == ("feature-environment-enabled", target.environment)
        assert (enabled["data"], enabled["preData"]) == (None, None)
        ids = [event["id"] for event in (created, added, updated, enabled)]
        assert ids == sorted(ids)
        assert len({(event["createdBy"], event["createdByUserId"]) for event in (created, enabled)}) == 1


@contract
async def an_unchanged_client_payload_is_a_304_and_the_revision_is_per_environment(target: Target) -> None:
    async with target.admin() as http, target.client() as client:
        name = await make(target, http, ramp(25))
        before = await client_flag(target, name, lambda f: len(f["strategies"]) == 1)
        other = "production" if target.environment == "development" else "development"
        await http.post(f"{P}/features/{name}/environments/{other}/on")
        mine = await client.get("/api/client/features", headers={"If-None-Match": before["meta"]["etag"]})
        assert (mine.status_code, mine.content) == (304, b"")
        await http.post(f"{target.env(name)}/on")
        after = await client_flag(target, name, lambda f: bool(f["enabled"]))
        assert after["meta"]["revisionId"] > before["meta"]["revisionId"]
        assert after["version"] == 2
        kept = next(f for f in after["features"] if f["name"] == name)["strategies"][0]
        assert {"id", "title", "disabled"} & set(kept) == set()


@contract
async def disabled_strategies_do_not_reach_clients(target: Target) -> None:
    async with target.admin() as http:
        name = await make(target, http, ramp(25), ramp(5, disabled=True))
        await http.post(f"{target.env(name)}/on")
        answer = await client_flag(target, name, lambda f: bool(f["enabled"]))
        strategies = next(f for f in answer["features"] if f["name"] == name)["strategies"]
        assert [s["parameters"]["rollout"] for s in strategies] == ["25"]


@contract
async def tokens_open_only_their_own_door(target: Target) -> None:
    admin, client = f"{P}/features", "/api/client/features"
    async with httpx.AsyncClient(base_url=target.url, trust_env=False) as http:

        async def ask(path: str, token: str | None) -> tuple[int, str | None]:
            answer = await http.get(path, headers={"Authorization": token} if token else {})
            return answer.status_code, answer.json().get("name")

        assert await ask(admin, None) == (401, "AuthenticationRequired")
        assert await ask(admin, "wrong") == (401, "UnauthorizedError")
        assert await ask(admin, target.client_token) == (403, None)
        assert await ask(client, None) == (401, None)
        assert await ask(client, "wrong") == (401, None)
        assert await ask(client, target.admin_token) in ((403, None), (401, None))
        assert (await ask(admin, f"Bearer {target.admin_token}"))[0] == 200


@contract
async def what_is_not_there_says_so_except_the_flags_of_an_unknown_project(target: Target) -> None:
    async with target.admin() as http:
        name = await make(target, http)
        for path in (f"{P}/features/nope", f"{P}/features/{name}/environments/nope", P, "/api/admin/nope"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["name"]) == (404, "NotFoundError"), path
        assert (await http.get(f"{target.env(name)}/strategies/nope")).status_code == 404
        assert (await http.get("/api/admin/projects/nope/features")).json() == {"version": 2, "features": []}


@contract
async def what_is_wrong_is_refused_with_bad_data(target: Target) -> None:
    async with target.admin() as http:
        name = await make(target, http)
        url = f"{target.env(name)}/strategies"
        empty = {"contextName": "t", "operator": "IN", "values": []}
        unknown = {"contextName": "t", "operator": "ZZ", "values": ["a"]}
        for path, body in (
            (f"{P}/features", {"name": "a b"}),
            (f"{P}/features", {}),
            (f"{P}/features", {"name": f"{name}-x", "type": "zz"}),
            (url, {}),
            (url, {"name": "nope"}),
            (url, ramp(5, constraints=[empty])),
            (url, ramp(5, constraints=[unknown])),
        ):
            answer = await http.post(path, json=body)
            assert (answer.status_code, answer.json()["name"]) == (400, "BadDataError"), body
        kind = {"content-type": "text/plain"}
        assert (await http.post(f"{P}/features", content="{}", headers=kind)).status_code == 415


UNDECIDABLE: list[dict[str, Any]] = [
    {"operator": "IN", "value": "a"},
    {"operator": "IN", "values": [""]},
    {"operator": "IN", "values": ["a" * 101]},
    {"operator": "IN", "values": ["a"], "contextName": ""},
    {"operator": "IN", "values": ["a"], "inverted": "yes"},
    {"operator": "IN", "values": ["a"], "more": 1},
    {"operator": "NUM_GT", "values": ["4"]},
    {"operator": "NUM_GT", "value": ""},
    {"operator": "NUM_GT", "value": "four"},
    {"operator": "NUM_GT", "value": "0x10"},
    {"operator": "NUM_GT", "value": "1e400"},
    {"operator": "SEMVER_EQ", "value": "2.3"},
    {"operator": "SEMVER_EQ", "value": "v2.3.0"},
    {"operator": "SEMVER_EQ", "value": "02.3.0"},
    {"operator": "DATE_AFTER", "value": "soon"},
    {"operator": "REGEX", "values": ["^a"]},
    {"operator": "REGEX", "value": "("},
    {"operator": "REGEX", "value": "(?=a)"},
    {"operator": "REGEX", "value": "^a", "inverted": True},
]
KEPT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"operator": "IN", "values": [4, "a"]}, {"values": ["4", "a"]}),
    ({"operator": "NUM_GT", "value": 4, "inverted": True}, {"value": "4", "values": []}),
    ({"operator": "NUM_LT", "value": "-1.5e3"}, {"values": []}),
    ({"operator": "SEMVER_EQ", "value": "2.3.0-rc.1+b.7"}, {"values": []}),
    ({"operator": "DATE_AFTER", "value": "2026-01-05"}, {"values": []}),
    ({"operator": "STR_CONTAINS", "values": ["a"], "caseInsensitive": True, "inverted": True}, {}),
]


@contract
async def a_rule_that_no_application_could_decide_is_refused_and_others_are_kept_as_text(target: Target) -> None:
    field = {"contextName": "age"}
    async with target.admin() as http:
        name = await make(target, http)
        strategies = f"{target.env(name)}/strategies"
        for rule in UNDECIDABLE:
            for path, more in ((strategies, {}), ("/api/admin/segments", {"name": f"never-{name}"})):
                body = {"name": "flexibleRollout", "constraints": [field | rule]} | more
                answer = await http.post(path, json=body)
                assert (answer.status_code, answer.json()["name"]) == (400, "BadDataError"), (path, rule)
        for rule, changed in KEPT:
            added = await http.post(strategies, json=ramp(5, constraints=[field | rule]))
            assert added.json()["constraints"] == [field | rule | changed]


def variant(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "weight": 1, "weightType": "variable", "stickiness": "userId"} | more


@contract
async def variants_are_kept_by_name_and_share_what_the_fixed_ones_leave(target: Target) -> None:
    """Which user gets which depends on that order."""
    rare = variant("Rare", weightType="fix", weight=99)
    async with target.admin() as http:
        name = await make(target, http)
        strategies = f"{target.env(name)}/strategies"
        body = ramp(50, variants=[variant("red"), variant("green"), rare, variant("Blue")])
        kept = (await http.post(strategies, json=body)).json()["variants"]
        assert [(one["name"], one["weight"]) for one in kept] == [
            ("Blue", 300), ("green", 300), ("Rare", 99), ("red", 301),
        ]  # fmt: skip
        for refused in (
            [variant("a"), variant("a")],
            [variant("a", weightType="fix")],
            [variant("a"), variant("b", weightType="fix", weight=600), variant("c", weightType="fix", weight=600)],
            [variant("a", weight=1.5)],
            [variant("a b")],
            [variant("a", weightType="most")],
            [variant("a", stickiness="")],
            [variant("a", more=1)],
            [variant("a", payload={"type": "string"})],
            [variant("a", payload={"type": "json", "value": "{"})],
            [{key: value for key, value in variant("a").items() if key != "stickiness"}],
        ):
            answer = await http.post(strategies, json=ramp(5, variants=refused))
            assert (answer.status_code, answer.json()["name"]) == (400, "BadDataError"), refused


@contract
async def a_segment_in_use_stays_and_reaches_clients(target: Target) -> None:
    rule = {"contextName": "tenantId", "operator": "IN", "values": ["t1"]}
    async with target.admin() as http:
        made = await http.post(
            "/api/admin/segments", json={"name": f"seg-{os.getpid()}-{next(_numbers)}", "constraints": [rule]}
        )
        assert made.status_code == 201
        key = made.json()["id"]
        name = await make(target, http, ramp(100, segments=[key]))
        await http.post(f"{target.env(name)}/on")
        answer = await client_flag(target, name, lambda f: bool(f["enabled"]))
        assert next(s for s in answer["segments"] if s["id"] == key)["constraints"] == [rule]
        assert (await http.delete(f"/api/admin/segments/{key}")).status_code == 409
        strategy = (await http.get(f"{target.env(name)}/strategies")).json()[0]["id"]
        await http.delete(f"{target.env(name)}/strategies/{strategy}")
        assert (await http.delete(f"/api/admin/segments/{key}")).status_code == 204


@contract
async def both_environments_and_the_one_project_are_there(target: Target) -> None:
    async with target.admin() as http:
        environments = (await http.get("/api/admin/environments")).json()["environments"]
        assert [one["name"] for one in environments] == ["development", "production"]
        assert [p["id"] for p in (await http.get("/api/admin/projects")).json()["projects"]] == ["default"]


@contract
async def tags_and_metadata_can_be_changed(target: Target) -> None:
    async with target.admin() as http:
        name = await make(target, http)
        tag = await http.post(f"/api/admin/features/{name}/tags", json={"type": "simple", "value": "checkout"})
        assert tag.status_code == 201
        patch = [{"op": "replace", "path": "/description", "value": "the new way to pay"}]
        assert (await http.patch(f"{P}/features/{name}", json=patch)).json()["description"] == "the new way to pay"
        tags = (await http.get(f"/api/admin/features/{name}/tags")).json()["tags"]
        assert [(t["type"], t["value"]) for t in tags] == [("simple", "checkout")]


@contract
async def reports_that_no_sdk_would_send_are_refused_and_count_nothing(target: Target) -> None:
    now = "2026-01-05T08:10:00Z"

    def bucket(toggles: Any) -> dict[str, Any]:
        return {"appName": "shop", "instanceId": "i", "bucket": {"start": now, "stop": now, "toggles": toggles}}

    async with target.admin() as http, target.client() as client:
        name = await make(target, http)
        for path, body, status in (
            ("metrics", {}, 400),
            ("metrics", [1], 400),
            ("metrics", {"bucket": bucket({})["bucket"]}, 400),
            ("metrics", {"appName": "shop", "bucket": {}}, 400),
            ("metrics", bucket({name: {"yes": "many", "no": 1}}), 400),
            ("metrics", {"appName": "shop", "bucket": None}, 202),  # an SDK that has other numbers to report
            ("metrics", bucket({"a-flag-that-nobody-made": {"yes": 1, "no": 0}}), 202),
            ("register", {}, 400),
            ("register", {"appName": "shop"}, 400),
            ("register", {"appName": "shop", "strategies": [], "started": now, "interval": 1}, 202),
        ):
            answer = await client.post(f"/api/client/{path}", json=body)
            assert answer.status_code == status, (path, body)
            assert status == 202 or answer.json()["name"] == "BadDataError", body
        for flag in (name, "a-flag-that-nobody-made"):
            usage = (await http.get(f"/api/admin/client-metrics/features/{flag}")).json()
            assert (usage["lastHourUsage"], usage["seenApplications"]) == ([], [])


@contract
async def a_client_specification_that_is_no_version_is_refused(target: Target) -> None:
    async with target.client() as client:
        for said, status in (("newest", 400), ("6", 400), ("6.1", 400), ("", 200), ("4.1.0", 200), ("6.1.0-rc.1", 200)):
            answer = await client.get("/api/client/features", headers={"Unleash-Client-Spec": said})
            assert answer.status_code == status, said
            assert status == 200 or answer.json()["name"] == "BadDataError"


@contract
async def an_sdk_sees_a_change_and_picks_the_users_the_engine_picks(target: Target) -> None:
    async with target.admin() as http:
        name = await make(target, http, ramp(25))
        client = sdk(target, name)
        try:
            await asyncio.to_thread(client.initialize_client)
            assert not client.is_enabled(name, {"userId": "1"})
            await http.post(f"{target.env(name)}/on")
            people = [str(number) for number in range(2000)]
            async with asyncio.timeout(VISIBLE_WITHIN):
                while not any(client.is_enabled(name, {"userId": one}) for one in people[:50]):
                    await asyncio.sleep(0.05)
            mine = {one for one in people if client.is_enabled(name, {"userId": one})}
        finally:
            await asyncio.to_thread(client.destroy)
        async with target.client() as reader:
            engine = UnleashEngine()
            engine.take_state((await reader.get("/api/client/features")).text)
        assert mine == {one for one in people if engine.is_enabled(name, {"userId": one}).is_enabled}
        assert 0.21 < len(mine) / len(people) < 0.29  # four sigmas around a quarter


@contract
async def a_context_field_is_made_once_and_listed(target: Target) -> None:
    async with target.admin() as http:
        name = f"field-{os.getpid()}-{next(_numbers)}"
        body = {"name": name, "description": "d", "stickiness": True, "legalValues": [{"value": "CH"}]}
        assert (await http.get(f"/api/admin/context/{name}")).status_code == 404
        assert (await http.post("/api/admin/context", json=body)).status_code == 201
        assert (await http.post("/api/admin/context", json=body)).status_code == 409
        made = (await http.get(f"/api/admin/context/{name}")).json()
        assert (made["description"], made["stickiness"]) == ("d", True)
        assert [one["value"] for one in made["legalValues"]] == ["CH"]
        listed = {one["name"] for one in (await http.get("/api/admin/context")).json()}
        assert {name, "userId", "environment", "currentTime"} <= listed


def sdk(target: Target, app: str) -> UnleashClient:
    return flag_client(target.url, target.client_token, target.environment, app)


@contract
async def what_applications_report_is_summed_by_application_environment_and_hour(target: Target) -> None:
    async with target.admin() as http, target.client() as app:
        name = await make(target, http)
        begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        before = f"{begin - timedelta(minutes=30):%Y-%m-%dT%H:%M:%S}Z"
        bucket = {"start": before, "stop": before, "toggles": {name: {"yes": 1, "no": 3}}}
        body = {"appName": f"{name}-app", "instanceId": "one", "bucket": bucket}
        path = f"/api/admin/client-metrics/features/{name}/raw"
        async with asyncio.timeout(COUNTED_WITHIN):
            # Unleash drops the counts of a flag for the first seconds of its life.
            while not (rows := (await http.get(path, params={"hoursBack": "2"})).json()["data"]):
                assert (await app.post("/api/client/metrics", json=body)).status_code == 202
                await asyncio.sleep(0.5)
        told = [row for row in rows if row["yes"] + row["no"]]
        assert {(row["appName"], row["environment"]) for row in told} == {(f"{name}-app", target.environment)}
        assert [datetime.fromisoformat(row["timestamp"]) for row in told] == [begin - timedelta(hours=1)]
        assert told[0]["no"] == 3 * told[0]["yes"]
        # This hour alone: nothing of the one before.
        assert not any(r["yes"] for r in (await http.get(path, params={"hoursBack": "1"})).json()["data"])


@contract
async def when_an_application_was_last_heard_of_is_told_by_environment(target: Target) -> None:
    async with target.admin() as http, target.client() as app:
        name = f"{await make(target, http)}-app"
        stop = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}Z"
        body = {"appName": name, "instanceId": "one", "bucket": {"start": stop, "stop": stop, "toggles": {}}}
        assert (await app.post("/api/client/metrics", json=body)).status_code == 202
        path = f"/api/admin/metrics/instances/{name}/environment"
        async with asyncio.timeout(COUNTED_WITHIN):
            while not (found := (await http.get(f"{path}/{target.environment}")).json()["instances"]):
                await asyncio.sleep(0.2)
        assert [one["instanceId"] for one in found] == ["one"]
        passed = datetime.now(UTC) - datetime.fromisoformat(found[0]["lastSeen"])
        assert timedelta(minutes=-1) < passed < timedelta(minutes=1)
        assert (await http.get(f"{path}/nowhere")).json() == {"instances": []}
