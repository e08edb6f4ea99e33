"""The live check of an Unleash source: reachable, right tokens of the right kind, project and environment there.

Every finding is a Problem with what to do; nothing raises for the world's faults. Each later question needs the answer
of the one before, so a server that does not answer gives one problem, not six.
"""

from __future__ import annotations

import re
from typing import Any, Final

from amplify_tui.adapters.http import Http
from amplify_tui.adapters.ports import AdapterError, Forbidden, NotFound, Problem, Unauthorized

# `project:environment.secret` is a token for SDKs, `*:*.secret` the shared admin token, `user:secret` a person's own.
_SDK_TOKEN: Final = re.compile(r"(?P<project>[^:]*):(?P<env>[^.]*)\.")
WRONG_KIND: Final = "different token type"
NEEDED: Final = (
    "CREATE_FEATURE_STRATEGY",
    "UPDATE_FEATURE_STRATEGY",
    "DELETE_FEATURE_STRATEGY",
    "UPDATE_FEATURE_ENVIRONMENT",
)


async def check_access(admin: Http, app: Http | None, token: str, project: str, env: str) -> list[Problem]:
    """All problems of one source. *app* carries the client token, where there is one."""
    where = admin.name
    if not token:
        return [Problem(what="no token for the flag server", where=where, fix="set `token` of the source")]
    try:
        names = _names(await admin.read("GET", "/api/admin/projects"), "projects", "id")
    except AdapterError as error:
        return [_unusable(error, token, where)]
    problems: list[Problem] = []
    if project not in names:
        known = ", ".join(sorted(names))
        problems.append(Problem(what=f"there is no project {project!r}", where=where, fix=f"it has {known}"))
    else:
        problems += await _environment(admin, project, env)
        problems += await _rights(admin, token, project, env)
    if app is not None:
        problems += await _client(app, env)
    return problems


def _unusable(error: AdapterError, token: str, where: str) -> Problem:
    if isinstance(error, Unauthorized):
        return Problem(
            what="the flag server does not know this token (wrong, revoked or expired)",
            where=where,
            fix="make a new personal access token there, and put it where `token` points",
        )
    if isinstance(error, Forbidden) and WRONG_KIND in error.what:
        kind = "a client token" if _SDK_TOKEN.match(token) else "of the wrong kind"
        return Problem(
            what=f"`token` is {kind}: it can only read what applications read",
            where=where,
            fix="use a user's personal access token for `token`, and this one for `client_token`",
        )
    if isinstance(error, NotFound):
        fix = "write the URL without /api" if where.rstrip("/").endswith("/api") else "is this an Unleash server?"
        return Problem(what="there is no Unleash Admin API", where=where, fix=fix)
    return Problem(what=error.what, where=error.where or where, fix=error.fix)


async def _environment(admin: Http, project: str, env: str) -> list[Problem]:
    try:
        answer = await admin.read("GET", f"/api/admin/environments/project/{project}")
        environments = {str(one["name"]): bool(one.get("enabled", True)) for one in answer.json()["environments"]}
    except AdapterError as error:
        return [Problem(what=error.what, where=error.where, fix=error.fix)]
    except (KeyError, TypeError) as error:
        return [Problem(what=f"the list of environments is unreadable: {error}", where=admin.name)]
    if env not in environments:
        known = ", ".join(sorted(environments))
        what = f"the project {project} has no environment {env!r}"
        return [Problem(what=what, where=admin.name, fix=f"it has {known}; set `environment` of the source")]
    if not environments[env]:
        return [Problem(what=f"the environment {env} is switched off", where=admin.name, severity="warning")]
    return []


async def _rights(admin: Http, token: str, project: str, env: str) -> list[Problem]:
    try:
        data = (await admin.read("GET", "/api/admin/user")).json()
        permissions = [dict(one) for one in data["permissions"]]
    except (AdapterError, KeyError, TypeError, ValueError):
        return [Problem(what="the token's rights could not be read", where=admin.name, severity="warning")]
    if any(one.get("permission") == "ADMIN" for one in permissions):
        if token.startswith("*:"):
            fix = "use a user's personal access token, so that the audit trail shows who it was"
            return [Problem(what="this is the shared admin token", where=admin.name, fix=fix, severity="warning")]
        return []
    held = {
        str(one.get("permission"))
        for one in permissions
        if one.get("project") in (None, "", "*", project) and one.get("environment") in (None, "", "*", env)
    }
    lacking = [right for right in NEEDED if right not in held]
    if not lacking:
        return []
    fix = f"make its user Editor (or member) of the project {project}"
    return [Problem(what=f"the token lacks {', '.join(lacking)} in {env}", where=admin.name, fix=fix)]


async def _client(app: Http, env: str) -> list[Problem]:
    try:
        payload = (await app.read("GET", "/api/client/features")).json()
    except Unauthorized:
        fix = "make a client token for this environment"
        return [Problem(what="the flag server does not know `client_token`", where=app.name, fix=fix)]
    except Forbidden as error:
        if WRONG_KIND not in error.what:
            return [Problem(what=error.what, where=error.where, fix=error.fix)]
        fix = "`client_token` must be of type client (or backend), not an admin's or a user's"
        return [Problem(what="`client_token` is of the wrong kind", where=app.name, fix=fix)]
    except AdapterError as error:
        return [Problem(what=error.what, where=error.where, fix=error.fix)]
    theirs = environment_of(payload)
    if theirs is not None and theirs != env:
        fix = f"make a client token for {env}: the token alone picks the environment"
        return [Problem(what=f"`client_token` is of {theirs}, the release goes to {env}", where=app.name, fix=fix)]
    return []


def environment_of(payload: Any) -> str | None:
    """The environment that a client payload says it is of; None where it does not say."""
    query = payload.get("query") if isinstance(payload, dict) else None
    found = query.get("environment") if isinstance(query, dict) else None
    return found if isinstance(found, str) and found else None


def _names(answer: Any, plural: str, field: str) -> set[str]:
    data = answer.json()
    if not isinstance(data, dict) or not isinstance(data.get(plural), list):
        raise NotFound("the answer is not Unleash's", where=answer.where)
    return {str(one.get(field)) for one in data[plural] if isinstance(one, dict)}
