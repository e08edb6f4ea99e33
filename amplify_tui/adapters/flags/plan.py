"""Planning a change of one flag: from the state read to the state wanted. Pure, no I/O.

    expose    one percentage of one rollout          what a phased rollout does
    target    the fields of the `flag` verb          create, switch, replace, add, change, remove, archive
    switch_off                                       what a kill does
    widens    may anybody get the flag who did not have it?

Restoring is undo.py's, carrying a plan out each provider's. A plan that cannot be made raises Invalid or NotFound with
what to do. Plans never say "on" without an active strategy: Unleash would silently add one for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import UNSET, to_builtins

from amplify_tui.adapters.flags.port import ROLLOUT, FlagSpec, State, StrategyChange, StrategySpec, Where
from amplify_tui.adapters.flags.state import (
    EVERYBODY,
    active,
    canonical,
    exposure,
    normal,
    percent,
)
from amplify_tui.adapters.ports import FlagState, FlagWrite, Invalid, NotFound

SINGLE_VALUE: Final = frozenset(
    f"{kind}_{op}"
    for kind, ops in {
        "NUM": ("EQ", "GT", "GTE", "LT", "LTE"),
        "SEMVER": ("EQ", "GT", "GTE", "LT", "LTE"),
        "DATE": ("AFTER", "BEFORE"),
    }.items()
    for op in ops
) | {"REGEX"}


def write(state: FlagState, after: State) -> FlagWrite:
    """The planned change as data. Raises Invalid where it says "on" without anything that is active."""
    if after["exists"] and after["enabled"] and not active(after):
        raise Invalid(
            f"{state.key} would be on without an active strategy, which the flag server turns into 100 % for everybody",
            where=state.env,
            fix="add a strategy with a rollout, or leave the flag off",
        )
    return FlagWrite(key=state.key, env=state.env, before=state.raw, after=after, widens=widens(state.raw, after))


def expose(state: FlagState, share: float, strategy: str | None = None) -> FlagWrite:
    """The change that gives the flag to *share* percent: strategy at that rollout, then the environment on.

    strategy: a title or an id; without it the flag's only flexibleRollout. At 0 the environment stays as it is: the
    switch belongs to whoever set it. Raises NotFound or Invalid where the strategy is not there or not the only one.
    """
    rollout = whole_percent(share)
    if not state.exists:
        raise NotFound(f"there is no flag {state.key}", where=state.env, fix="create it with a `flag` step first")
    chosen = the_rollout(state, strategy)
    parameters = {**(chosen.get("parameters") or {}), "rollout": rollout}
    changed = {**chosen, "parameters": parameters, "disabled": bool(chosen.get("disabled")) and share == 0}
    strategies = [changed if one is chosen else one for one in state.raw["strategies"]]
    enabled = state.enabled if share == 0 else True
    return write(state, {**state.raw, "enabled": enabled, "strategies": strategies})


def switch_off(state: FlagState) -> FlagWrite:
    return write(state, {**state.raw, "enabled": False})


def target(state: FlagState, spec: FlagSpec) -> FlagWrite:
    """The change that makes the flag what *spec* asks. Raises NotFound, Invalid with what to write instead."""
    if spec.archive:
        return write(state, {**state.raw, "exists": False, "enabled": False})
    base = _base(state, spec)
    strategies = base["strategies"]
    if spec.strategies is not None:
        strategies = [_keep_id(built(one, state.key), strategies) for one in spec.strategies]
    for change in spec.change:
        chosen = find(strategies, change.id or change.title, state.key)
        strategies = [_changed(one, change) if one is chosen else one for one in strategies]
    gone = [find(strategies, name, state.key) for name in spec.remove]
    strategies = [one for one in strategies if not any(one is other for other in gone)]
    for one in spec.add:
        if one.title and any(other.get("title") == one.title for other in strategies):
            raise Invalid(
                f"{state.key} already has a strategy titled {one.title!r}", fix="use `change`, or a new title"
            )
        strategies = [*strategies, built(one, state.key)]
    enabled = base["enabled"] if spec.enabled is None else spec.enabled
    after: State = {**base, "enabled": enabled, "strategies": strategies}
    if spec.enabled is None and enabled and active(base) and not active(after):
        after["enabled"] = False  # the server switches off with the last active strategy; so the plan says so
    if spec.tags and not state.exists:
        after["tags"] = sorted(spec.tags)
    if spec.context:
        after["context"] = to_builtins(spec.context)
    return write(state, after)


def _base(state: FlagState, spec: FlagSpec) -> State:
    """What the spec starts from: the flag as it is, where it may be taken, or a new one."""
    if not state.exists:
        if spec.create is None:
            raise NotFound(f"there is no flag {state.key}", where=state.env, fix="add `create: release` to make it")
        state_type = spec.create
    elif spec.create is not None and (spec.reuse == "refuse" or (spec.reuse == "if_off" and state.enabled)):
        on = f"and is on in {state.env}" if state.enabled else f"(off in {state.env})"
        fix = "choose a new name" if state.enabled else "choose a new name, or say `reuse: if_off`"
        raise Invalid(f"the flag {state.key} exists already {on}", where=state.env, fix=fix)
    else:
        state_type = state.type
    raw = state.raw
    return {
        "exists": True,
        "enabled": bool(raw["enabled"]),
        "type": state_type,
        "description": raw["description"] if state.exists else spec.description or "",
        "impression_data": raw["impression_data"] if state.exists else bool(spec.impression_data),
        "strategies": list(raw["strategies"]),
    }


def built(spec: StrategySpec, key: str) -> dict[str, Any]:
    """The server's object for a strategy of the playbook, every field written out: what is omitted, it would widen."""
    parameters: dict[str, str] = {}
    if spec.name == ROLLOUT:
        if spec.rollout is None:
            fix = "write `rollout: 0` (the server would make it 100)"
            raise Invalid(f"the strategy {spec.title!r} of {key} names no rollout", fix=fix)
        parameters = {
            "rollout": whole_percent(spec.rollout),
            "stickiness": spec.stickiness,
            "groupId": spec.group or key,
        }
    return {
        "name": spec.name,
        "title": spec.title,
        "disabled": spec.disabled,
        "parameters": parameters,
        "constraints": [constraint(one) for one in spec.where],
        "segments": list(spec.segments),
        "variants": _variants(spec.variants, spec.stickiness),
    }


def _variants(given: Sequence[dict[str, Any]], stickiness: str) -> list[dict[str, Any]]:
    """With what the server insists on, and what a strategy's own stickiness decides."""
    return [{"weightType": "variable", "stickiness": stickiness, **one} for one in given]


def _changed(raw: dict[str, Any], change: StrategyChange) -> dict[str, Any]:
    parameters = dict(raw.get("parameters") or {})
    if change.rollout is not UNSET:
        parameters["rollout"] = whole_percent(change.rollout)
    if change.stickiness is not UNSET:
        parameters["stickiness"] = change.stickiness
    if change.group is not UNSET:
        parameters["groupId"] = change.group
    changed = {**raw, "parameters": parameters}
    if change.id and change.title:
        changed["title"] = change.title
    if change.where is not UNSET:
        changed["constraints"] = [constraint(one) for one in change.where]
    if change.variants is not UNSET:
        changed["variants"] = _variants(change.variants, str(parameters.get("stickiness") or "default"))
    for name in ("segments", "disabled"):
        value = getattr(change, name)
        if value is not UNSET:
            changed[name] = to_builtins(value)
    return changed


def constraint(where: Where) -> dict[str, Any]:
    raw: dict[str, Any] = {
        "contextName": where.field,
        "operator": where.op,
        "inverted": where.inverted,
        "caseInsensitive": False,
    }
    if where.op in SINGLE_VALUE:
        if where.value is None:
            raise Invalid(f"{where.field} {where.op} needs one `value`")
        if where.op == "REGEX" and where.inverted:
            fix = "write a regular expression of those who shall match"
            raise Invalid(f"{where.field} REGEX cannot be inverted: the flag server refuses it", fix=fix)
        return raw | {"value": str(where.value), "values": []}
    values = where.values or (() if where.value is None else (where.value,))
    if not values:
        raise Invalid(f"{where.field} {where.op} needs `values`", fix="an empty list is refused by the flag server")
    return raw | {"values": [str(one) for one in values]}


def _keep_id(raw: dict[str, Any], pool: list[dict[str, Any]]) -> dict[str, Any]:
    """*raw* under the id of the strategy of the same title and name, which is then updated and not made anew."""
    if raw["title"]:
        for one in pool:
            if one.get("title") == raw["title"] and one["name"] == raw["name"] and "id" in one:
                return {**one, **raw}
    return raw


def find(strategies: list[dict[str, Any]], name: str, key: str) -> dict[str, Any]:
    """The strategy of that id or title. Raises NotFound, Invalid where several have the title."""
    found = [one for one in strategies if name and name in (one.get("id"), one.get("title"))]
    if len(found) == 1:
        return found[0]
    titles = ", ".join(repr(one.get("title") or one.get("id") or one["name"]) for one in strategies) or "none"
    if not found:
        raise NotFound(f"{key} has no strategy {name!r}", fix=f"it has {titles}")
    raise Invalid(f"{key} has {len(found)} strategies {name!r}", fix="name it by its id")


def the_rollout(state: FlagState, strategy: str | None) -> dict[str, Any]:
    strategies = state.raw["strategies"]
    if strategy:
        chosen = find(strategies, strategy, state.key)
        if chosen["name"] != ROLLOUT:
            raise Invalid(f"the strategy {strategy!r} of {state.key} is a {chosen['name']}, which has no percentage")
        return chosen
    rollouts = [one for one in strategies if one["name"] == ROLLOUT]
    if len(rollouts) == 1:
        chosen_one: dict[str, Any] = rollouts[0]
        return chosen_one
    if not rollouts:
        fix = "add one at 0 with a `flag` step before the rollout"
        raise NotFound(f"{state.key} has no flexibleRollout", where=state.env, fix=fix)
    raise Invalid(f"{state.key} has {len(rollouts)} rollouts", where=state.env, fix="name one with `strategy`")


def whole_percent(share: float) -> str:
    """The share as the server wants it. It would take 150, 12.5 or "abc" too, and SDKs then give the flag to nobody."""
    if isinstance(share, bool) or share != int(share) or not 0 <= share <= 100:
        raise Invalid(f"a rollout of {share:g} % is none", fix="Unleash takes whole percents from 0 to 100")
    return str(int(share))


def widens(before: State, after: State) -> bool:
    """Whether anybody may get the flag who did not have it; where it cannot be told, yes.

    A strategy is no wider where one from before had the same users (name, stickiness, group) at the same or a higher
    share and no further condition.
    """
    if exposure(after) == 0:
        return False
    if exposure(before) == 0:
        return True
    had = active(before)
    if not had:  # it was on for everybody
        return False
    now = active(after)
    if not now:
        return True
    return any(percent(one) != 0 and not any(_covers(other, one) for other in had) for one in now)


def _covers(wide: dict[str, Any], narrow: dict[str, Any]) -> bool:
    """Whether everybody whom *narrow* means is meant by *wide*."""
    fewer = _conditions(wide) <= _conditions(narrow)
    share = percent(wide)
    if share == EVERYBODY and fewer:
        return True
    one, other = normal(wide), normal(narrow)
    parameters = [dict(raw.get("parameters", {})) for raw in (one, other)]
    if share is None:  # an unknown strategy covers only what is exactly itself
        return wide["name"] == narrow["name"] and parameters[0] == parameters[1] and fewer
    at_most = percent(narrow)
    for raw in parameters:
        raw.pop("rollout", None)
        raw.pop("percentage", None)
    alike = wide["name"] == narrow["name"] and parameters[0] == parameters[1]
    return alike and fewer and at_most is not None and at_most <= share


def _conditions(raw: dict[str, Any]) -> set[str]:
    """What a user must meet for the strategy to look at their share."""
    kept = normal(raw)
    return {canonical(one) for one in kept.get("constraints", [])} | {
        f"segment {one}" for one in kept.get("segments", [])
    }
