"""The flag server's admin API: one function a call, and the table that names them.

Each takes the server and a call that is already authorised and parsed, and gives JSON, a response, or None for an empty
200. Refusals are raised as FlagError.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct
from starlette.responses import JSONResponse, PlainTextResponse, Response

from amplify_tui.drill import flagviews
from amplify_tui.drill.flagcontext import ContextFields
from amplify_tui.drill.flagevents import Actor
from amplify_tui.drill.flagrules import INVALID, FlagError, patched, required
from amplify_tui.drill.flagsegments import Segments, Token, Tokens
from amplify_tui.drill.flagstore import ENVIRONMENTS, PROJECT, FlagStore
from amplify_tui.drill.flagstrategies import Strategies
from amplify_tui.drill.flagusage import Usage

API = "/api/admin"
P = f"{API}/projects/{{project}}"
F = f"{P}/features/{{name}}"
E = f"{F}/environments/{{env}}"
SEARCHES_A_MINUTE = 15

Answer: TypeAlias = Response | dict[str, Any] | list[Any] | None
Handler: TypeAlias = "Callable[[Server, Call], Answer]"


class Call(Struct, frozen=True):
    """One admin request, authorised and parsed."""

    by: Actor
    path: dict[str, str]
    query: dict[str, str]
    body: Any

    def names(self) -> list[str]:
        return [str(name) for name in required(self.body, "features")]


class Server:
    """All state of one flag server."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self.store = FlagStore()
        self.strategies = Strategies(self.store)
        self.segments = Segments(self.store)
        self.context = ContextFields(self.store)
        self.tokens = Tokens(tokens)
        self.usage = Usage()
        self.searches: deque[float] = deque(maxlen=SEARCHES_A_MINUTE)


def _project(call: Call) -> None:
    if call.path["project"] != PROJECT:
        raise FlagError(404, "NotFoundError", f"Active project with id {call.path['project']} does not exist")


def _projects(server: Server, call: Call) -> Answer:
    return flagviews.projects(server.store)


def _overview(server: Server, call: Call) -> Answer:
    _project(call)
    return flagviews.overview(server.store)


def _environments(server: Server, call: Call) -> Answer:
    return flagviews.environments(server.store, "project" in call.path)


def _features(server: Server, call: Call) -> Answer:
    known = call.path["project"] == PROJECT
    return {"version": 2, "features": [flagviews.listed(flag) for flag in server.store.live()] if known else []}


def _create(server: Server, call: Call) -> Answer:
    _project(call)
    return JSONResponse(server.store.create(call.body, call.by).meta(), 201)


def _validate(server: Server, call: Call) -> Answer:
    server.store.check_name(str(required(call.body, "name")))
    return None


def _feature(server: Server, call: Call) -> Answer:
    flag = server.store.flag(call.path["name"])
    if flag.archived_at is not None:
        raise FlagError(404, "NotFoundError", f"Could not find feature flag with name {flag.name}")
    return flagviews.feature(flag, server.usage.last_hour(flag.name))


def _patch_feature(server: Server, call: Call) -> Answer:
    meta = server.store.flag(call.path["name"]).meta()
    return server.store.change_meta(call.path["name"], patched(meta, call.body), call.by).meta()


def _put_feature(server: Server, call: Call) -> Answer:
    return server.store.change_meta(call.path["name"], call.body, call.by).meta()


def _archive(server: Server, call: Call) -> Answer:
    server.store.archive(server.store.flag(call.path["name"]).name, call.by)
    return Response(status_code=202)


def _archive_all(server: Server, call: Call) -> Answer:
    for name in call.names():
        if name in server.store.flags:
            server.store.archive(name, call.by)
    return Response(status_code=202)


def _delete_all(server: Server, call: Call) -> Answer:
    for name in call.names():
        server.store.purge(name, call.by)
    return None


def _revive(server: Server, call: Call) -> Answer:
    server.store.revive(call.path["name"], call.by)
    return None


def _purge(server: Server, call: Call) -> Answer:
    server.store.purge(call.path["name"], call.by)
    return None


def _tags(server: Server, call: Call) -> Answer:
    tags = server.store.flag(call.path["name"]).tags
    return {"version": 1, "tags": [tag | {"color": "#FFFFFF"} for tag in tags]}


def _tag(server: Server, call: Call) -> Answer:
    flag, tag = server.store.flag(call.path["name"]), {key: str(required(call.body, key)) for key in ("type", "value")}
    if tag not in flag.tags:
        flag.tags.append(tag)
    server.store.log.add("feature-tagged", call.by, flag=flag.name, data=tag)
    return JSONResponse(tag, 201)


def _untag(server: Server, call: Call) -> Answer:
    flag, tag = server.store.flag(call.path["name"]), {"type": call.path["type"], "value": call.path["value"]}
    if tag in flag.tags:
        flag.tags.remove(tag)
        server.store.log.add("feature-untagged", call.by, flag=flag.name, pre=tag)
    return None


def _env(server: Server, call: Call) -> Answer:
    flag = server.store.flag(call.path["name"])
    if call.path["env"] not in ENVIRONMENTS:
        raise FlagError(404, "NotFoundError", f"Could not find {flag.name} in {call.path['env']}")
    return flagviews.environment(flag, call.path["env"])


def _on(server: Server, call: Call) -> Answer:
    activate = call.query.get("shouldActivateDisabledStrategies") == "true"
    server.strategies.turn_on(call.path["name"], call.path["env"], call.by, activate=activate)
    return None


def _off(server: Server, call: Call) -> Answer:
    server.strategies.turn_off(call.path["name"], call.path["env"], call.by)
    return None


def _all_on(server: Server, call: Call) -> Answer:
    server.strategies.turn_all(call.names(), call.path["env"], call.by, on=True)
    return None


def _all_off(server: Server, call: Call) -> Answer:
    server.strategies.turn_all(call.names(), call.path["env"], call.by, on=False)
    return None


def _strategies(server: Server, call: Call) -> Answer:
    return [s | {"milestoneId": None} for s in server.store.env(call.path["name"], call.path["env"])[1].strategies]


def _add_strategy(server: Server, call: Call) -> Answer:
    return server.strategies.add(call.path["name"], call.path["env"], call.body, call.by)


def _strategy(server: Server, call: Call) -> Answer:
    return server.strategies.get(call.path["name"], call.path["env"], call.path["id"])


def _put_strategy(server: Server, call: Call) -> Answer:
    return server.strategies.put(call.path["name"], call.path["env"], call.path["id"], call.body, call.by)


def _patch_strategy(server: Server, call: Call) -> Answer:
    if not isinstance(call.body, list):
        raise FlagError(400, "BadDataError", INVALID, "The `/body` property must be array.", "/body")
    return server.strategies.patch(call.path["name"], call.path["env"], call.path["id"], call.body, call.by)


def _delete_strategy(server: Server, call: Call) -> Answer:
    server.strategies.delete(call.path["name"], call.path["env"], call.path["id"], call.by)
    return None


def _sort(server: Server, call: Call) -> Answer:
    server.strategies.sort(call.path["name"], call.path["env"], call.body, call.by)
    return None


def _default_strategy(server: Server, call: Call) -> Answer:
    server.strategies.defaults[call.path["env"]] = call.body
    server.store.log.add("default-strategy-updated", call.by, environment=call.path["env"], data=call.body)
    return call.body if isinstance(call.body, dict) else None


def _no_variants(server: Server, call: Call) -> Answer:
    words = f"Environment variants deprecated for feature: {call.path['name']}. Use strategy variants instead."
    raise FlagError(403, "InvalidOperationError", words)


def _search(server: Server, call: Call) -> Answer:
    now = time.monotonic()
    if len(server.searches) == SEARCHES_A_MINUTE and now - server.searches[0] < 60:
        return PlainTextResponse("Too many requests, please try again later.", 429, {"Retry-After": "60"})
    server.searches.append(now)
    return flagviews.search(server.store, call.query)


def _events(server: Server, call: Call) -> Answer:
    return server.store.log.search(call.query)


def _context(server: Server, call: Call) -> Answer:
    return server.context.all()


def _add_context(server: Server, call: Call) -> Answer:
    return JSONResponse(server.context.create(call.body, call.by), 201)


def _context_field(server: Server, call: Call) -> Answer:
    return server.context.get(call.path["name"])


def _segments(server: Server, call: Call) -> Answer:
    return {"segments": server.segments.all()}


def _add_segment(server: Server, call: Call) -> Answer:
    return JSONResponse(server.segments.create(call.body, call.by), 201)


def _segment(server: Server, call: Call) -> Answer:
    return server.segments.get(int(call.path["id"]))


def _put_segment(server: Server, call: Call) -> Answer:
    server.segments.update(int(call.path["id"]), call.body, call.by)
    return Response(status_code=204)


def _delete_segment(server: Server, call: Call) -> Answer:
    return Response(status_code=204 if server.segments.delete(int(call.path["id"]), call.by) else 409)


def _segment_use(server: Server, call: Call) -> Answer:
    return {"strategies": server.segments.used_by(int(call.path["id"])), "changeRequestStrategies": []}


def _tokens(server: Server, call: Call) -> Answer:
    return {"tokens": [token.shown() for token in server.tokens.all()]}


def _add_token(server: Server, call: Call) -> Answer:
    token = server.tokens.create(call.body)
    data = {key: value for key, value in token.shown().items() if key != "secret"}
    server.store.log.add("api-token-created", call.by, environment=token.environment, data=data)
    return JSONResponse(token.shown(), 201)


def _usage_raw(server: Server, call: Call) -> Answer:
    hours = call.query.get("hoursBack", "24")
    rows = server.usage.raw(call.path["name"], int(hours) if hours.isdecimal() and 1 <= int(hours) <= 48 else 24)
    return {"version": 1, "maturity": "stable", "data": rows}


def _usage(server: Server, call: Call) -> Answer:
    name = call.path["name"]
    seen = sorted({row["appName"] for row in server.usage.raw(name)})
    rows = server.usage.last_hour(name)
    return {"version": 1, "maturity": "stable", "featureName": name, "lastHourUsage": rows, "seenApplications": seen}


def _applications(server: Server, call: Call) -> Answer:
    found = server.usage.applications()
    return {"applications": found, "total": len(found)}


def _instances(server: Server, call: Call) -> Answer:
    return {"instances": server.usage.instances(call.path["app"], call.path["env"])}


def _user(server: Server, call: Call) -> Answer:
    user = {"id": call.by.id, "username": call.by.name, "permissions": ["ADMIN"]}
    return {"user": user, "permissions": [{"permission": "ADMIN"}], "feedback": [], "splash": {}}


def _statistics(server: Server, call: Call) -> Answer:
    return {"instanceId": "amplify-sandbox", "versionOSS": "8.2.0", "featureToggles": len(server.store.live())}


def _playground(server: Server, call: Call) -> Answer:
    return flagviews.playground(server.store, server.segments, call.body)


ADMIN: tuple[tuple[str, str, Handler], ...] = (
    ("GET", f"{API}/projects", _projects),
    ("GET", f"{P}/overview", _overview),
    ("GET", f"{API}/environments", _environments),
    ("GET", f"{API}/environments/project/{{project}}", _environments),
    ("GET", f"{P}/features", _features),
    ("POST", f"{P}/features", _create),
    ("POST", f"{API}/features/validate", _validate),
    ("GET", F, _feature),
    ("PATCH", F, _patch_feature),
    ("PUT", F, _put_feature),
    ("DELETE", F, _archive),
    ("POST", f"{P}/archive", _archive_all),
    ("POST", f"{P}/delete", _delete_all),
    ("POST", f"{API}/archive/revive/{{name}}", _revive),
    ("DELETE", f"{API}/archive/{{name}}", _purge),
    ("GET", f"{API}/features/{{name}}/tags", _tags),
    ("POST", f"{API}/features/{{name}}/tags", _tag),
    ("DELETE", f"{API}/features/{{name}}/tags/{{type}}/{{value}}", _untag),
    ("GET", E, _env),
    ("POST", f"{E}/on", _on),
    ("POST", f"{E}/off", _off),
    ("POST", f"{P}/bulk_features/environments/{{env}}/on", _all_on),
    ("POST", f"{P}/bulk_features/environments/{{env}}/off", _all_off),
    ("GET", f"{E}/strategies", _strategies),
    ("POST", f"{E}/strategies", _add_strategy),
    ("POST", f"{E}/strategies/set-sort-order", _sort),
    ("GET", f"{E}/strategies/{{id}}", _strategy),
    ("PUT", f"{E}/strategies/{{id}}", _put_strategy),
    ("PATCH", f"{E}/strategies/{{id}}", _patch_strategy),
    ("DELETE", f"{E}/strategies/{{id}}", _delete_strategy),
    ("POST", f"{P}/environments/{{env}}/default-strategy", _default_strategy),
    ("PUT", f"{E}/variants", _no_variants),
    ("GET", f"{API}/search/features", _search),
    ("GET", f"{API}/search/events", _events),
    ("GET", f"{API}/context", _context),
    ("POST", f"{API}/context", _add_context),
    ("GET", f"{API}/context/{{name}}", _context_field),
    ("GET", f"{API}/segments", _segments),
    ("POST", f"{API}/segments", _add_segment),
    ("GET", f"{API}/segments/{{id:int}}", _segment),
    ("PUT", f"{API}/segments/{{id:int}}", _put_segment),
    ("DELETE", f"{API}/segments/{{id:int}}", _delete_segment),
    ("GET", f"{API}/segments/{{id:int}}/strategies", _segment_use),
    ("GET", f"{API}/api-tokens", _tokens),
    ("POST", f"{API}/api-tokens", _add_token),
    ("GET", f"{API}/client-metrics/features/{{name}}/raw", _usage_raw),
    ("GET", f"{API}/client-metrics/features/{{name}}", _usage),
    ("GET", f"{API}/metrics/applications", _applications),
    ("GET", f"{API}/metrics/instances/{{app}}/environment/{{env}}", _instances),
    ("GET", f"{API}/user", _user),
    ("GET", f"{API}/instance-admin/statistics", _statistics),
    ("POST", f"{API}/playground", _playground),
)
