"""What a real application relies on, whichever server it talks to: one function a promise, for each official SDK.

Each is `async def check(target, sdk)`, on the bundled server and on a real one alike. CHECKS has them all.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx

from tests.drill.flag_contract import Target, make, ramp
from tests.drill.sdk_battery import USERS, users
from tests.real.apps import Application, Sdk, application
from tests.real.tap import Seen, tap

Check = Callable[[Target, Sdk], Awaitable[None]]
CHECKS: list[Check] = []
WITHIN: Final = 30.0  # seconds; a real server writes applications down every 20 s
SPEC: Final = "unleash-client-spec"
_numbers = itertools.count(1)


def contract(check: Check) -> Check:
    CHECKS.append(check)
    return check


def fresh(word: str) -> str:
    """A name that nobody had."""
    return f"{word}-{os.getpid()}-{next(_numbers)}"


@contract
async def an_application_is_told_of_a_change_and_otherwise_that_nothing_changed(target: Target, sdk: Sdk) -> None:
    user = {"userId": "1"}
    async with target.admin() as http, tap(target.url) as wire:
        name = await make(target, http, ramp(100))
        async with application(sdk, wire.url, target.client_token, target.environment, fresh("shop")) as shop:
            assert (shop.problem, await shop.ask([name], [user])) == ("", [[False]])
            await wire.until(lambda: wire.polls()[-1].status == 304, WITHIN)
            assert (await http.post(f"{target.env(name)}/on")).status_code == 200
            await shop.until(name, user, on=True, within=WITHIN)
            answered = len(wire.polls())
            await wire.until(lambda: len(wire.polls()) > answered and wire.polls()[-1].status == 304, WITHIN)
    first, *later = wire.polls()
    assert (first.status, "if-none-match" in first.sent) == (200, False)
    holding = first.headers["etag"]
    for poll in later:
        assert poll.sent["if-none-match"] == holding
        assert (poll.status == 304) == (poll.answer == b"")
        holding = poll.headers.get("etag", holding)
    assert holding != first.headers["etag"]


@contract
async def segments_decide_alike_whether_a_client_resolves_them_or_the_server(target: Target, sdk: Sdk) -> None:
    rule = {"contextName": "tenantId", "operator": "IN", "values": ["t1", "t2"]}
    people = [{"userId": str(n), "properties": {"tenantId": f"t{n % 4}"}} for n in range(200)]
    async with target.admin() as http:
        made = await http.post("/api/admin/segments", json={"name": fresh("seg"), "constraints": [rule]})
        name = await make(target, http, ramp(60, segments=[made.json()["id"]]))
        await http.post(f"{target.env(name)}/on")
        answers = []
        for dropped in ((), (SPEC,)):
            async with (
                tap(target.url, drop=dropped) as wire,
                application(sdk, wire.url, target.client_token, target.environment, fresh("shop")) as shop,
            ):
                await _until_some(shop, name, people)
                answers += await shop.ask([name], people)
                kept = _strategy(wire.polls(), name)
            assert ("segments" in kept, rule in kept["constraints"]) == (not dropped, bool(dropped))
    assert answers[0] == answers[1]
    assert {n % 4 for n, is_on in enumerate(answers[0]) if is_on} == {1, 2}


@contract
async def an_application_is_known_with_its_sdk_and_what_it_asked_is_counted(target: Target, sdk: Sdk) -> None:
    scout, shop_name = fresh("scout"), fresh("shop")
    people = users()
    async with target.admin() as http:
        variants = [{"name": n, "weight": 1, "weightType": "variable", "stickiness": "userId"} for n in ("a", "b")]
        name = await make(target, http, ramp(40, variants=variants))
        await http.post(f"{target.env(name)}/on")
        # A real server knows the names of flags up to 10 s late, and forgets the counts of those that it does not.
        async with application(sdk, target.url, target.client_token, target.environment, scout) as early:
            async with asyncio.timeout(WITHIN):
                while not await _row(http, name, scout):
                    await _until_some(early, name, people)
                    await asyncio.sleep(0.1)
        async with application(sdk, target.url, target.client_token, target.environment, shop_name) as shop:
            [plain] = await shop.ask([name], people)
            [varied] = await shop.variants([name], people)
        yes = sum(plain)
        assert [one[2] for one in varied] == plain
        async with asyncio.timeout(WITHIN):
            while (await _row(http, name, shop_name)).get("yes", 0) < 2 * yes:
                await asyncio.sleep(0.1)
        row = await _row(http, name, shop_name)
        assert (row["environment"], row["yes"], row["no"]) == (target.environment, 2 * yes, 2 * (USERS - yes))
        names = [one[0] for one in varied]
        assert row["variants"] == {key: names.count(key) for key in set(names)}
        usage = (await http.get(f"/api/admin/client-metrics/features/{name}")).json()
        assert {scout, shop_name} <= set(usage["seenApplications"])
        await _is_registered(http, target, shop_name, sdk)


async def _is_registered(http: httpx.AsyncClient, target: Target, app: str, sdk: Sdk) -> None:
    async with asyncio.timeout(WITHIN):
        while app not in (known := {one["appName"]: one for one in await _applications(http)}):
            await asyncio.sleep(0.1)
    assert [one["environments"] for one in known[app]["usage"]] == [[target.environment]]
    path = f"/api/admin/metrics/instances/{app}/environment/{target.environment}"
    [instance] = (await http.get(path)).json()["instances"]
    assert instance["instanceId"] == f"{app}-1"
    assert instance["sdkVersion"].startswith(f"unleash-{sdk.__name__.removesuffix('_sdk')}-sdk:")


@contract
async def a_wrong_token_gives_an_application_no_flag_and_it_lives_on(target: Target, sdk: Sdk) -> None:
    async with target.admin() as http, tap(target.url) as wire:
        name = await make(target, http, ramp(100))
        await http.post(f"{target.env(name)}/on")
        async with application(sdk, wire.url, "default:production.nobody", target.environment, fresh("shop")) as shop:
            assert await shop.ask([name], [{"userId": "1"}]) == [[False]]
            assert shop.problem
    assert {one.status for one in wire.polls()} == {401}


async def _until_some(app: Application, name: str, people: list[dict[str, Any]]) -> None:
    """Ask until somebody gets the flag: the application has seen the change."""
    async with asyncio.timeout(WITHIN):
        while not any((await app.ask([name], people))[0]):
            await asyncio.sleep(0.05)


def _strategy(polls: list[Seen], flag: str) -> dict[str, Any]:
    """The one strategy of a flag as the last answer with flags had it."""
    features = next(poll for poll in reversed(polls) if poll.status == 200).flags()
    found: dict[str, Any] = next(one for one in features if one["name"] == flag)["strategies"][0]
    return found


async def _row(http: httpx.AsyncClient, flag: str, app: str) -> dict[str, Any]:
    """The counts of one application this hour and the last, summed; empty where there are none."""
    path = f"/api/admin/client-metrics/features/{flag}/raw"
    rows = (await http.get(path, params={"hoursBack": "1"})).json()["data"]
    mine = [one for one in rows if one["appName"] == app and one["yes"] + one["no"]]
    if not mine:
        return {}
    keys = {key for one in mine for key in one["variants"]}
    return {
        "environment": mine[0]["environment"],
        "yes": sum(one["yes"] for one in mine),
        "no": sum(one["no"] for one in mine),
        "variants": {key: sum(one["variants"].get(key, 0) for one in mine) for key in keys},
    }


async def _applications(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get("/api/admin/metrics/applications")).json()["applications"]
    return found
