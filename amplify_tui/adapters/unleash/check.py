"""The live check of an Unleash source: reachable, right tokens of the right kind, project and environment there.

Every finding is a Problem with what to do, and what is well is told too; nothing raises for the world's faults. Each
later question needs the answer of the one before, so a server that does not answer gives one problem, not six. What a
token may do is unleash/rights.py's.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.http import Http
from amplify_tui.adapters.ports import (
    AdapterError,
    FlagNeeds,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    Survey,
    Unauthorized,
)
from amplify_tui.adapters.unleash.rights import may, rights

# `project:environment.secret` is a token for SDKs, `*:*.secret` the shared admin token, `user:secret` a person's own.
_SDK_TOKEN: Final = re.compile(r"(?P<project>[^:]*):(?P<env>[^.]*)\.")
WRONG_KIND: Final = "different token type"
KNOWN_MAJOR: Final = "8"  # what Amplify relies on was observed there
# Every server has these, though not every one lists them.
BUILT_IN: Final = frozenset({"appName", "currentTime", "environment", "sessionId", "userId", "remoteAddress"})


class Access(Struct, frozen=True, kw_only=True):
    """How one source reaches its server. `app` carries the client token, where there is one."""

    admin: Http
    app: Http | None
    token: str
    client_token: str
    project: str
    env: str


class Findings:
    """What was found so far, in its order."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.problems: list[Problem] = []
        self.good: list[str] = []

    def bad(self, what: str, fix: str = "", *, where: str = "") -> None:
        self.problems.append(Problem(what=what, where=where or self.where, fix=fix))

    def warn(self, what: str, fix: str = "") -> None:
        self.problems.append(Problem(what=what, where=self.where, fix=fix, severity="warning"))

    def broken(self, error: AdapterError) -> None:
        self.bad(error.what, error.fix, where=error.where)

    def told(self) -> Survey:
        return Survey(problems=tuple(self.problems), good=tuple(self.good))


async def survey(access: Access, needs: FlagNeeds) -> Survey:
    """All that is to be said of one source before a release that *needs* this."""
    found = Findings(access.admin.name)
    if not access.token:
        found.bad("no token for the flag server", "set `token` of the source")
        return found.told()
    try:
        names = _names(await access.admin.read("GET", "/api/admin/projects"), "projects", "id")
    except AdapterError as error:
        await _unusable(error, access, found)
        return found.told()
    await _version(access, found)
    if access.project not in names:
        found.bad(f"there is no project {access.project!r}", f"it has {', '.join(sorted(names))}")
    elif await _environment(access, found):
        await _rights(access, needs, found)
        await _named(access, needs, found)
    await _client(access, found)
    return found.told()


async def _unusable(error: AdapterError, access: Access, found: Findings) -> None:
    """Why the token does not open the Admin API; of what kind it is, where it is of another."""
    where = found.where
    if isinstance(error, Unauthorized):
        fix = "make a new personal access token there, and put it where `token` points"
        found.bad("the flag server does not know this token (wrong, revoked or expired)", fix)
    elif isinstance(error, Forbidden) and WRONG_KIND in error.what:
        kind = await _kind(access.admin, access.token)
        other = ", and this one for `client_token`" if kind == "a client token" else ""
        found.bad(
            f"`token` is {kind}: it can only read what applications read",
            f"use a user's personal access token for `token`{other}",
        )
    elif isinstance(error, NotFound):
        fix = "write the URL without /api" if where.rstrip("/").endswith("/api") else "is this an Unleash server?"
        found.bad("there is no Unleash Admin API", fix)
    else:
        found.broken(error)


async def _kind(http: Http, token: str) -> str:
    """What kind of token *http* carries, in words: its shape tells a person's, the server tells an SDK's."""
    if token.startswith("user:"):
        return "a user's token"
    if token.startswith("*:*."):
        return "an admin's token"
    if not _SDK_TOKEN.match(token):
        return "of the wrong kind"
    for path, kind in (("/api/client/features", "a client token"), ("/api/frontend", "a frontend token")):
        try:
            await http.read("GET", path)
        except AdapterError:
            continue
        return kind
    return "of the wrong kind"


async def _version(access: Access, found: Findings) -> None:
    where = f"at {access.admin.name}, project {access.project}, environment {access.env}"
    try:
        answer = (await access.admin.read("GET", "/api/admin/instance-admin/statistics")).json()
        version = clean(str(answer.get("versionEnterprise") or answer["versionOSS"]), 40)
    except (AdapterError, KeyError, TypeError, AttributeError):
        found.warn("the server does not say which version it is", "what Amplify relies on was observed on Unleash 8.2")
        found.good.append(f"Unleash {where}")
        return
    if version.split(".")[0] != KNOWN_MAJOR:
        fix = "rehearse the release against this server before you trust it"
        found.warn(f"the server is Unleash {version}, and what Amplify relies on was observed on 8.2", fix)
    found.good.append(f"Unleash {version} {where}")


async def _environment(access: Access, found: Findings) -> bool:
    """Whether the project has the environment."""
    try:
        answer = await access.admin.read("GET", f"/api/admin/environments/project/{quote(access.project, safe='')}")
        # One that was taken from the project is listed all the same, as not visible.
        there = [one for one in answer.json()["environments"] if one.get("visible", True)]
        environments = {str(one["name"]): bool(one.get("enabled", True)) for one in there}
    except AdapterError as error:
        found.broken(error)
        return False
    except (KeyError, TypeError) as error:
        found.bad(f"the list of environments is unreadable: {error}")
        return False
    if access.env not in environments:
        known = ", ".join(sorted(environments))
        what = f"the project {access.project} has no environment {access.env!r}"
        found.bad(what, f"it has {known}; set `environment` of the source")
        return False
    if not environments[access.env]:
        found.warn(f"the environment {access.env} is switched off")
    return True


async def _rights(access: Access, needs: FlagNeeds, found: Findings) -> None:
    try:
        answer = (await access.admin.read("GET", "/api/admin/user")).json()
        held, who = rights(answer, access.project, access.env)
    except (AdapterError, KeyError, TypeError, ValueError):
        found.warn("the token's rights could not be read")
        return
    if access.token.startswith("*:"):
        fix = "use a user's personal access token, so that the audit trail shows who it was"
        found.warn("this is the shared admin token", fix)
    allowed, lacking = may(needs.acts, held)
    if allowed:
        found.good.append(f"{who} may {', '.join(allowed)}")
    if lacking:
        fix = f"make its user Editor (or member) of the project {access.project}"
        listed = "; ".join(f"{what} ({', '.join(names)})" for what, names in lacking.items())
        found.bad(f"{who} may not {listed} in {access.env}", fix)


async def _named(access: Access, needs: FlagNeeds, found: Findings) -> None:
    """Segments and context fields that the playbook names: the server takes a strategy with neither being there."""
    for one in sorted(needs.segments):
        try:
            await access.admin.read("GET", f"/api/admin/segments/{one}")
        except NotFound:
            found.bad(f"there is no segment {one}", "segments are named by their number at the flag server")
        except AdapterError as error:
            found.broken(error)
            return
    wanted = needs.fields - BUILT_IN
    if not wanted:
        return
    try:
        known = {str(one["name"]) for one in (await access.admin.read("GET", "/api/admin/context")).json()}
    except NotFound:
        return  # a server without a list of fields takes any
    except (AdapterError, KeyError, TypeError) as error:
        found.warn(f"the context fields could not be read: {error}")
        return
    for name in sorted(wanted - known):
        fix = "check its spelling against what the applications send: a field that none sends matches nobody"
        found.warn(f"the server knows no context field {clean(name, 80)!r}", fix)


async def _client(access: Access, found: Findings) -> None:
    """The client token, where there is one: known, of its kind, of this environment and this project."""
    if access.app is None:
        found.good.append("no client_token: each flag is read each second")
        return
    try:
        payload = (await access.app.read("GET", "/api/client/features")).json()
        if not isinstance(payload, dict) or "features" not in payload:
            raise Invalid("the answer is no client payload", where=access.app.name)
    except Unauthorized:
        found.bad("the flag server does not know `client_token`", "make a client token for this environment")
        return
    except Forbidden as error:
        if WRONG_KIND not in error.what:
            found.broken(error)
            return
        kind = await _kind(access.app, access.client_token)
        fix = "`client_token` must be of type client (or backend), not an admin's, a user's or a frontend's"
        found.bad(f"`client_token` is of the wrong kind: it is {kind}", fix)
        return
    except AdapterError as error:
        found.broken(error)
        return
    theirs, projects = environment_of(payload), projects_of(payload)
    if theirs is not None and theirs != access.env:
        fix = f"make a client token for {access.env}: the token alone picks the environment"
        found.bad(f"`client_token` is of {theirs}, the release goes to {access.env}", fix)
    elif projects and access.project not in projects and "*" not in projects:
        what = f"`client_token` does not see the project {access.project}, only {', '.join(sorted(projects))}"
        found.bad(what, f"make a client token for {access.project}")
    else:
        found.good.append(f"client_token of {theirs or access.env}")


def environment_of(payload: Any) -> str | None:
    """The environment that a client payload says it is of; None where it does not say."""
    query = payload.get("query") if isinstance(payload, dict) else None
    found = query.get("environment") if isinstance(query, dict) else None
    return found if isinstance(found, str) and found else None


def projects_of(payload: Any) -> frozenset[str]:
    """The projects that a client payload says it is of; empty where it does not say, or is of all."""
    query = payload.get("query") if isinstance(payload, dict) else None
    found = query.get("project") if isinstance(query, dict) else None
    return frozenset(clean(str(one), 80) for one in found) if isinstance(found, list) else frozenset()


def _names(answer: Any, plural: str, field: str) -> set[str]:
    data = answer.json()
    if not isinstance(data, dict) or not isinstance(data.get(plural), list):
        raise NotFound("the answer is not Unleash's", where=answer.where)
    return {str(one.get(field)) for one in data[plural] if isinstance(one, dict)}
