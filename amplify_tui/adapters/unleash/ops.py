"""The calls that bring one Unleash flag from one state to another, in the order that never exposes more than either.

    to on     create, strategies (adds, then changes, then removals), `on` last
    to off    `off` first, then the strategies

Adds come before removals because removing or disabling the last active strategy turns the environment off (Unleash 8.2,
observed), and `on` without an active strategy adds one for everybody. Whole objects always: what a PUT omits is wiped.
Changes are JSON-Patches whose `test` operations refuse a strategy that somebody changed meanwhile. Pure, no I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import quote

from msgspec import Struct

from amplify_tui.adapters.flags.port import State
from amplify_tui.adapters.flags.state import identity, same
from amplify_tui.adapters.flags.undo import Raws, matched

COMPARED = ("parameters", "constraints", "segments", "variants", "title", "disabled")
TESTED = ("parameters", "constraints")
STALE = "Test operation failed"
Pairs = list[tuple[dict[str, Any], dict[str, Any]]]


class Op(Struct, frozen=True, kw_only=True):
    """One call; `what` is the line for the log. A `guarded` one answers 500 with STALE where somebody was faster.

    may_exist: that it is there already is no failure. event: the type of the event that it leaves in the audit trail,
    "" for one that does not matter. was, becomes: the strategy before and after it, where it is about one.
    """

    method: Literal["POST", "PATCH", "DELETE"]
    path: str
    what: str
    body: Any = None
    guarded: bool = False
    may_exist: bool = False
    event: str = ""
    was: dict[str, Any] | None = None
    becomes: dict[str, Any] | None = None


def segment(text: str) -> str:
    """*text* as one segment of a path."""
    return quote(text, safe="")


def flag_path(project: str, key: str) -> str:
    return f"/api/admin/projects/{segment(project)}/features/{segment(key)}"


def env_path(project: str, key: str, env: str) -> str:
    return f"{flag_path(project, key)}/environments/{segment(env)}"


def operations(project: str, key: str, env: str, now: State, after: State) -> list[Op]:
    """The calls from *now* to *after*; none where they are the same."""
    base = env_path(project, key, env)
    if not after["exists"]:
        return _gone(project, key, env, now)
    ops = list(_defined(after))
    ops += [] if now["exists"] else [_created(project, key, after)]
    ops.extend(_tagged(key, after))
    going_off = now["enabled"] and not after["enabled"]
    if going_off:
        ops.append(switch_off(base, key, env))
    ops.extend(_strategies(base, now, after))
    if after["enabled"] and not now["enabled"]:
        ops.append(switch_on(base, key, env))
    return ops


def half_done(before: State, after: State) -> list[State]:
    """The states that the calls of `operations` leave on their way, in their order; neither end is among them."""
    if not after["exists"]:
        stages = [{**before, "enabled": False}]
    else:
        now = before if before["exists"] else {**after, "enabled": False, "strategies": []}
        now = {**now, "enabled": now["enabled"] and after["enabled"]}
        stages = [now, *({**now, "strategies": held} for held in _on_the_way(now["strategies"], after["strategies"]))]
    return [state for state in stages if not same(state, before) and not same(state, after)]


def _on_the_way(old: Raws, new: Raws) -> Iterator[list[dict[str, Any]]]:
    """The strategies after each call that `_strategies` lists."""
    pairs, gone, added = matched(old, new)
    held = list(old)
    for one in added:
        held = [*held, one]
        yield held
    for was, wanted in _changes(pairs):
        held = [wanted if one is was else one for one in held]
        yield held
    for lost in gone:
        held = [one for one in held if one is not lost]
        yield held


def revive(key: str) -> Op:
    path = f"/api/admin/archive/revive/{segment(key)}"
    return Op(method="POST", path=path, what=f"take {key} out of the archive", event="feature-revived")


def switch_on(base: str, key: str, env: str) -> Op:
    return Op(method="POST", path=f"{base}/on", what=f"switch {key} on in {env}", event="feature-environment-enabled")


def switch_off(base: str, key: str, env: str) -> Op:
    what = f"switch {key} off in {env}"
    return Op(method="POST", path=f"{base}/off", what=what, event="feature-environment-disabled")


def _gone(project: str, key: str, env: str, now: State) -> list[Op]:
    if not now["exists"]:
        return []
    path = flag_path(project, key)
    archive = Op(method="DELETE", path=path, what=f"archive {key}", event="feature-archived")
    return [switch_off(env_path(project, key, env), key, env), archive] if now["enabled"] else [archive]


def _created(project: str, key: str, after: State) -> Op:
    body = {
        "name": key,
        "type": after.get("type") or "release",
        "description": after.get("description", ""),
        "impressionData": bool(after.get("impression_data")),
    }
    path = f"/api/admin/projects/{segment(project)}/features"
    return Op(method="POST", path=path, body=body, what=f"create {key}", event="feature-created")


def _defined(after: State) -> Iterator[Op]:
    """Context fields first: a rule on a field that the server does not know is taken, and nobody can edit it there."""
    for one in after.get("context", ()):
        values = [{"value": value} for value in one["values"]]
        body = {
            "name": one["name"],
            "description": one["description"],
            "stickiness": one["stickiness"],
            "legalValues": values,
        }
        what = f"define the context field {one['name']}"
        yield Op(method="POST", path="/api/admin/context", body=body, what=what, may_exist=True)


def _tagged(key: str, after: State) -> Iterator[Op]:
    for tag in after.get("tags", ()):
        kind, _, value = tag.rpartition(":")
        body = {"type": kind or "simple", "value": value}
        yield Op(method="POST", path=f"/api/admin/features/{segment(key)}/tags", body=body, what=f"tag {key} {tag}")


def _strategies(base: str, now: State, after: State) -> list[Op]:
    pairs, gone, new = matched(now["strategies"], after["strategies"])
    ops = [_added(base, one) for one in new]
    ops += [_updated(base, old, wanted) for old, wanted in _changes(pairs)]
    ops += [_removed(base, one) for one in gone]
    return ops


def _added(base: str, one: dict[str, Any]) -> Op:
    path, body = f"{base}/strategies", whole(one)
    return Op(method="POST", path=path, body=body, what=f"add {_name(one)}", event="feature-strategy-add", becomes=body)


def _updated(base: str, old: dict[str, Any], wanted: dict[str, Any]) -> Op:
    return Op(
        method="PATCH",
        path=f"{base}/strategies/{segment(old['id'])}",
        body=patch(old, wanted),
        what=f"change {_name(old)}",
        guarded=True,
        event="feature-strategy-update",
        was=old,
        becomes=wanted,
    )


def _removed(base: str, one: dict[str, Any]) -> Op:
    path = f"{base}/strategies/{segment(one['id'])}"
    return Op(method="DELETE", path=path, what=f"remove {_name(one)}", event="feature-strategy-remove", was=one)


def _changes(pairs: Pairs) -> Pairs:
    """What becomes active goes before what becomes inactive: there is never a moment with nothing active."""
    changes = [(old, wanted) for old, wanted in pairs if identity(old) != identity(wanted)]
    return sorted(changes, key=lambda pair: bool(pair[1].get("disabled")))


def whole(raw: dict[str, Any]) -> dict[str, Any]:
    """The body of a new strategy: every field that widens when it is omitted, and no server id."""
    empty: dict[str, Any] = {"title": "", "disabled": False, "constraints": [], "segments": [], "variants": []}
    kept = {name: value for name, value in raw.items() if name not in ("id", "milestoneId") and value is not None}
    parameters = {name: str(value) for name, value in (raw.get("parameters") or {}).items()}
    return {**empty, **kept, "parameters": parameters}


def patch(old: dict[str, Any], wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """The JSON-Patch from *old*, refused by the server where what decides exposure is no longer as in *old*."""
    tests = [{"op": "test", "path": f"/{name}", "value": old[name]} for name in TESTED if name in old]
    target = whole(wanted)
    changed = [name for name in COMPARED if whole(old)[name] != target[name]]
    return [*tests, *({"op": "replace" if n in old else "add", "path": f"/{n}", "value": target[n]} for n in changed)]


def _name(raw: dict[str, Any]) -> str:
    return f"strategy {raw.get('title') or raw['name']!r}"
