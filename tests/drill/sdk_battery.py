"""Flags of every kind that can decide about a user, and a thousand users they decide about.

The same flags can be made on several servers: an application has to give the same users the same answers on each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

from amplify_tui.drill.flagconstraints import OPERATORS
from tests.drill.flag_contract import VISIBLE_WITHIN, P, Target

AT_ONCE: Final = 8
USERS: Final = 1000
PAYLOAD: Final = {"type": "json", "value": '{"price": 3}'}

# A value for each operator that some users match and some do not; the field it looks at is one of `users`.
RULES: Final[dict[str, dict[str, Any]]] = {
    "IN": {"contextName": "country", "values": ["CH", "at"]},
    "NOT_IN": {"contextName": "country", "values": ["CH", "AT"]},
    "STR_CONTAINS": {"contextName": "email", "values": ["@b", "+test"]},
    "STR_STARTS_WITH": {"contextName": "email", "values": ["ann", "Bob"]},
    "STR_ENDS_WITH": {"contextName": "email", "values": [".org"]},
    "NUM_EQ": {"contextName": "age", "value": "40"},
    "NUM_GT": {"contextName": "age", "value": "40"},
    "NUM_GTE": {"contextName": "age", "value": "40.5"},
    "NUM_LT": {"contextName": "age", "value": "40"},
    "NUM_LTE": {"contextName": "age", "value": "40"},
    "DATE_AFTER": {"contextName": "currentTime", "value": "2026-03-01T12:00:00.000Z"},
    "DATE_BEFORE": {"contextName": "currentTime", "value": "2026-03-01T12:00:00.000Z"},
    "SEMVER_EQ": {"contextName": "version", "value": "2.3.0"},
    "SEMVER_GT": {"contextName": "version", "value": "2.3.0"},
    "SEMVER_GTE": {"contextName": "version", "value": "2.3.0"},
    "SEMVER_LT": {"contextName": "version", "value": "2.3.0"},
    "SEMVER_LTE": {"contextName": "version", "value": "2.3.0-rc.1"},
    "REGEX": {"contextName": "email", "value": "^[ab].*[0-9]@"},
}
CASELESS: Final = ("STR_CONTAINS", "STR_STARTS_WITH", "STR_ENDS_WITH")


def users() -> list[dict[str, Any]]:
    """Always the same ones. A fifth lacks the custom fields, another has nonsense in them."""
    draw = Random(7)
    found = []
    for number in range(USERS):
        user: dict[str, Any] = {
            "userId": f"user-{number}",
            "sessionId": f"session-{draw.randrange(10**6)}",
            "remoteAddress": f"10.0.0.{number % 7}",
            "currentTime": f"2026-{1 + number % 6:02}-01T12:00:00.000Z",
        }
        kind = number % 5
        name = draw.choice(("ann", "Ann", "bob", "eve"))
        host = draw.choice(("a.org", "b.com", "B.ORG"))
        fields = {
            "country": draw.choice(("CH", "AT", "at", "DE", "")),
            "tenantId": f"t{draw.randrange(60)}",
            "email": f"{name}{draw.choice(('', '+test', '7'))}@{host}",
            "age": draw.choice(("18", "40", "40.5", "77")),
            "version": draw.choice(("2.2.9", "2.3.0", "2.3.0-rc.1", "2.10.0")),
        }
        if kind == 1:
            fields |= {"age": "old", "version": "v2", "email": "nobody"}
        found.append(user if kind == 0 else user | {"properties": fields})
    return found


def ramp(percent: int, stickiness: str = "userId", group: str = "battery", **more: Any) -> dict[str, Any]:
    parameters = {"rollout": str(percent), "stickiness": stickiness, "groupId": group}
    return {"name": "flexibleRollout", "parameters": parameters} | more


def flags(segments: Sequence[int]) -> dict[str, list[dict[str, Any]]]:
    """Each flag's strategies by what it is about; *segments* are the ids of `SEGMENTS` on that server."""
    kinds: dict[str, list[dict[str, Any]]] = {
        f"share-{stickiness}-{percent}": [ramp(percent, stickiness)]
        for stickiness in ("default", "userId", "sessionId", "tenantId")
        for percent in (0, 1, 25, 100)
    }
    kinds |= {"share-of-another-group": [ramp(25, group="other")]}
    for operator in OPERATORS:
        rule = RULES[operator] | {"operator": operator}
        kinds[f"rule-{operator}"] = [ramp(100, constraints=[rule])]
        if operator != "REGEX":  # which cannot be inverted
            kinds[f"rule-not-{operator}"] = [ramp(100, constraints=[rule | {"inverted": True}])]
    for operator in CASELESS:
        rule = RULES[operator] | {"operator": operator, "caseInsensitive": True}
        kinds[f"rule-caseless-{operator}"] = [ramp(100, constraints=[rule])]
    both = [RULES[operator] | {"operator": operator} for operator in ("NUM_GT", "IN")]
    kinds |= {
        "two-rules": [ramp(50, constraints=both)],
        "two-strategies": [ramp(10), ramp(100, constraints=both)],
        "a-strategy-that-is-off": [ramp(10), ramp(100, disabled=True)],
        "addresses": [{"name": "remoteAddress", "parameters": {"IPs": "10.0.0.1, 10.0.0.4"}}],
        "everybody": [{"name": "default"}],
        "segment": [ramp(100, segments=[segments[0]])],
        "two-segments": [ramp(50, segments=list(segments), constraints=both[1:])],
        "no-strategy": [],
    }
    return kinds


SEGMENTS: Final[tuple[list[dict[str, Any]], ...]] = (
    [RULES["STR_ENDS_WITH"] | {"operator": "STR_ENDS_WITH", "caseInsensitive": True}],
    [
        RULES["NUM_LTE"] | {"operator": "NUM_LTE"},
        RULES["STR_STARTS_WITH"] | {"operator": "STR_STARTS_WITH", "inverted": True},
    ],
)


def _variant(name: str, stickiness: str = "userId", **more: Any) -> dict[str, Any]:
    return {"name": name, "weight": 1, "weightType": "variable", "stickiness": stickiness} | more


_THIRDS: Final = [_variant(name) for name in ("red", "green", "blue")]
_SESSIONS: Final = [_variant(name, "sessionId") for name in ("left", "right")]
_FIXED: Final = [_variant("rare", weight=100, weightType="fix"), _variant("paid", payload=PAYLOAD), _variant("plain")]
VARIANTS: Final[dict[str, list[dict[str, Any]]]] = {
    "thirds": [ramp(100, variants=_THIRDS)],
    "fixed-and-paid": [ramp(50, variants=_FIXED)],
    "of-sessions": [ramp(50, "sessionId", variants=_SESSIONS)],
    "by-session": [ramp(100, variants=_SESSIONS)],
    "two-strategies-of-variants": [ramp(30, variants=_THIRDS), ramp(100, variants=_SESSIONS)],
    "no-variants": [ramp(50)],
}


async def make_all(target: Target, prefix: str) -> dict[str, str]:
    """Make all of them on *target*, on; comes back when an application would see them. Flag names by what they are about.

    Those of VARIANTS have variants. The flag `off` is not on.
    """
    async with target.admin() as http:
        segments = []
        for number, rules in enumerate(SEGMENTS):
            body = {"name": f"{prefix}-{number}", "constraints": rules}
            made = await http.post("/api/admin/segments", json=body)
            assert made.status_code == 201, made.text
            segments.append(made.json()["id"])
        wanted = flags(segments) | VARIANTS
        gate = asyncio.Semaphore(AT_ONCE)

        async def make(kind: str, strategies: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
            name = f"{prefix}-{kind}"
            async with gate:
                (await http.post(f"{P}/features", json={"name": name, "type": "release"})).raise_for_status()
                for strategy in strategies:
                    added = await http.post(f"{target.env(name)}/strategies", json=strategy)
                    assert added.status_code == 200, (kind, added.text)
                (await http.post(f"{target.env(name)}/on")).raise_for_status()
            return kind, name

        names = dict(await asyncio.gather(*(make(kind, strategies) for kind, strategies in wanted.items())))
        last = await make("off", [ramp(100)])
        (await http.post(f"{target.env(last[1])}/off")).raise_for_status()
    await _arrived(target, {*names.values()}, last[1])
    return names | dict([last])


async def _arrived(target: Target, names: set[str], off: str) -> None:
    async with target.client() as http, asyncio.timeout(2 * VISIBLE_WITHIN):
        while True:
            found: list[dict[str, Any]] = (await http.get("/api/client/features")).json()["features"]
            on = {one["name"] for one in found if one["enabled"]}
            if names <= on and off in {one["name"] for one in found} - on:
                return
            await asyncio.sleep(0.05)
