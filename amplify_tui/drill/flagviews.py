"""How the flag server shows its state: the admin API's JSON, read only."""

from __future__ import annotations

import re
from typing import Any

from amplify_tui.drill import flagclient
from amplify_tui.drill.flagsegments import Segments
from amplify_tui.drill.flagstore import ENVIRONMENTS, ORDER, PROJECT, Flag, FlagStore

PAGE = 50
MOST = 100


def projects(store: FlagStore) -> dict[str, Any]:
    one = {
        "name": "Default",
        "id": PROJECT,
        "description": "Default project",
        "health": 100,
        "featureCount": len(store.live()),
        "mode": "open",
        "archivedAt": None,
    }
    return {"version": 1, "projects": [one]}


def overview(store: FlagStore) -> dict[str, Any]:
    return {
        "name": "Default",
        "description": "Default project",
        "mode": "open",
        "defaultStickiness": "default",
        "health": 100,
        "environments": [{"environment": name} for name in ENVIRONMENTS],
        "featureTypeCounts": [],
        "members": 0,
        "version": 1,
    }


def environments(store: FlagStore, of_project: bool) -> dict[str, Any]:
    enabled = {name: sum(flag.envs[name].enabled for flag in store.live()) for name in ENVIRONMENTS}
    key = "projectEnabledToggleCount" if of_project else "enabledToggleCount"
    shown = [_base(name) | {"enabled": True, "protected": False, key: enabled[name]} for name in ENVIRONMENTS]
    return {"version": 1, "environments": shown}


def listed(flag: Flag) -> dict[str, Any]:
    """A flag of `GET features`: no strategies, but whether there are any."""
    shown = [
        _base(name)
        | {
            "enabled": env.enabled,
            "variantCount": 0,
            "lastSeenAt": None,
            "hasStrategies": bool(env.strategies),
            "hasEnabledStrategies": any(not strategy["disabled"] for strategy in env.strategies),
        }
        for name, env in flag.envs.items()
    ]
    return {
        "type": flag.type,
        "description": flag.description,
        "favorite": False,
        "name": flag.name,
        "createdAt": flag.created_at,
        "stale": flag.stale,
        "impressionData": flag.impression_data,
        "environments": shown,
    } | ({"tags": flag.tags} if flag.tags else {})


def feature(flag: Flag, usage: list[dict[str, Any]]) -> dict[str, Any]:
    """`GET features/NAME`: every environment with its strategies."""
    seen = {row["environment"]: row for row in usage}
    shown = [
        _base(name)
        | {
            "lastSeenAt": None,
            "enabled": env.enabled,
            "yes": seen.get(name, {}).get("yes", 0),
            "no": seen.get(name, {}).get("no", 0),
            "strategies": env.strategies,
        }
        for name, env in flag.envs.items()
    ]
    by = {"id": flag.created_by.id, "name": flag.created_by.name}
    return {"environments": shown} | flag.meta() | {"createdBy": by, "dependencies": [], "children": [], "links": []}


def environment(flag: Flag, name: str) -> dict[str, Any]:
    """`GET features/NAME/environments/ENV`: lighter, and without segments."""
    env = flag.envs[name]
    strategies = [
        {key: value for key, value in strategy.items() if key != "segments"} | {"featureName": flag.name}
        for strategy in env.strategies
    ]
    return {"name": flag.name, "environment": name, "enabled": env.enabled, "strategies": strategies}


def search(store: FlagStore, query: dict[str, str]) -> dict[str, Any]:
    archived = query.get("archived") == "IS:true"
    words = [word for word in query.get("query", "").split(",") if word]
    found = [
        flag
        for flag in store.flags.values()
        if (flag.archived_at is not None) == archived and (not words or any(word in flag.name for word in words))
    ]
    limit, offset = int(query.get("limit", PAGE)), int(query.get("offset", 0))
    page = found[offset : offset + (limit if limit <= MOST else PAGE)]
    rows = [listed(flag) | {"project": PROJECT, "archivedAt": flag.archived_at, "segments": []} for flag in page]
    return {"features": rows, "total": len(found)}


def playground(store: FlagStore, segments: Segments, asked: dict[str, Any]) -> dict[str, Any]:
    """Every flag's answer for one context. An unknown environment answers false for all, as Unleash does."""
    name = asked.get("environment")
    answers = {}
    if name in ENVIRONMENTS:
        answers = flagclient.evaluate(flagclient.payload(store, segments, name), asked.get("context", {}))
    off = (False, {"name": "disabled", "enabled": False, "feature_enabled": False})
    features = [
        {
            "name": flag.name,
            "projectId": PROJECT,
            "isEnabled": answers.get(flag.name, off)[0],
            "isEnabledInCurrentEnvironment": name in ENVIRONMENTS and flag.envs[name].enabled,
            "variant": answers.get(flag.name, off)[1],
        }
        for flag in store.live()
    ]
    return {"input": asked, "features": features}


def context_of(query: dict[str, str]) -> dict[str, Any]:
    """A context from a query string: `userId=1&properties[tenantId]=t1`."""
    properties, plain = {}, {}
    for key, value in query.items():
        named = re.fullmatch(r"properties\[(.+)\]", key)
        if named:
            properties[named[1]] = value
        else:
            plain[key] = value
    return plain | {"properties": properties}


def _base(name: str) -> dict[str, Any]:
    return {"name": name, "type": name, "sortOrder": ORDER[name]}
