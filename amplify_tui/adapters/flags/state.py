"""What a flag is in one environment, as every kind's rules compare and measure it: normalised. Pure, no I/O.

A flag's *state* is plain data that a journal can hold, and the whole truth that a restore needs:

    {"exists": bool, "enabled": bool, "type": str, "description": str, "impression_data": bool,
     "strategies": [objects as Unleash has them, ids included where the provider gives any]}

Two states are the same when their fingerprints are: ids and sort order do not count, weights are per mille, and what a
server fills in by itself is filled in. Facts about Unleash 8.2 are observed on a real server.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.flags.meaning import SEGMENT_NAMES, meaning
from amplify_tui.adapters.flags.port import ROLLOUT, State
from amplify_tui.adapters.ports import FlagState, Strategy

SEGMENT_RULES: Final = "segmentConstraints"  # what the segments of a strategy hold, for evaluation only
EVERYBODY: Final = 100.0
NAMED_USERS: Final = 1.0  # a list of user ids is some users, and no share of all of them
_PERSONAL: Final = frozenset({"userId", "sessionId"})
# Strategies of older servers that carry a percentage of their own.
_PERCENT_KEYS: Final = {
    "flexibleRollout": "rollout",
    "gradualRolloutRandom": "percentage",
    "gradualRolloutSessionId": "percentage",
    "gradualRolloutUserId": "percentage",
}
_KEPT: Final = ("name", "title", "disabled", "parameters", "constraints", "segments", "variants")
_CONSTRAINT_DEFAULTS: Final = {"inverted": False, "caseInsensitive": False}


def missing(key: str, env: str) -> FlagState:
    """The state of a flag that is not there (or is archived: its name stays taken all the same)."""
    return flag_state(key, env, {"exists": False, "enabled": False, "strategies": []})


def flag_state(key: str, env: str, state: State) -> FlagState:
    """The port's value for a state; `raw` is the state itself."""
    return FlagState(
        key=key,
        env=env,
        exists=bool(state["exists"]),
        enabled=bool(state["enabled"]),
        strategies=tuple(strategy(one) for one in state["strategies"]),
        exposure=exposure(state),
        fingerprint=fingerprint(state),
        type=str(state.get("type", "")),
        description=clean(str(state.get("description") or "")),
        raw=state,
    )


def with_rules(
    state: FlagState, rules: Mapping[int, list[dict[str, Any]]], names: Mapping[int, str] | None = None
) -> FlagState:
    """*state* whose strategies carry the constraints of their segments, and the names of these, beside them."""
    strategies = [
        {
            **one,
            SEGMENT_RULES: [rule for segment in one["segments"] for rule in rules.get(segment, ())],
            SEGMENT_NAMES: {segment: (names or {}).get(segment, "") for segment in one["segments"]},
        }
        if one.get("segments")
        else one
        for one in state.raw["strategies"]
    ]
    return flag_state(state.key, state.env, {**state.raw, "strategies": strategies})


def strategy(raw: Mapping[str, Any]) -> Strategy:
    parameters = raw.get("parameters") or {}
    return Strategy(
        id=str(raw.get("id", "")),
        name=str(raw["name"]),
        title=str(raw.get("title") or ""),
        percent=percent(raw),
        stickiness=str(parameters.get("stickiness", "")),
        group=str(parameters.get("groupId", "")),
        disabled=bool(raw.get("disabled")),
        rule=rule(raw),
        means=meaning(raw, percent(raw), SEGMENT_RULES),
        raw=dict(raw),
    )


def percent(raw: Mapping[str, Any]) -> float | None:
    """The share a strategy gives, 0-100; None where its name or its number does not tell.

    The server takes any text as a rollout, and SDKs do not agree on what "150" or "12.5" means.
    """
    if raw["name"] == "default":
        return EVERYBODY
    key = _PERCENT_KEYS.get(raw["name"])
    if key is None:
        return None
    text = str((raw.get("parameters") or {}).get(key, ""))
    return float(text) if text.isdecimal() and int(text) <= 100 else None


def exposure(state: Mapping[str, Any]) -> float:
    """The highest share of any population of users that gets the flag, in percent.

    Constraints choose a population, they do not lower its share. What cannot be told counts as everybody, and so does
    a flag that is on without an active strategy: SDKs answer "on" then.
    """
    if not state["exists"] or not state["enabled"]:
        return 0.0
    shares = [EVERYBODY if (share := percent(one)) is None else share for one in active(state)]
    return max(shares, default=EVERYBODY)


def exposed(state: Mapping[str, Any]) -> float:
    """The percent of users who get the flag in *state*; a list of named users counts as 1.

    Every other condition counts as its whole share: who meets it cannot be known from here.
    """
    if exposure(state) == 0.0:
        return 0.0
    shares = [_share(one) for one in active(state)]
    return max(shares, default=100.0)


def _share(strategy: Mapping[str, Any]) -> float:
    share = percent(strategy)
    share = 100.0 if share is None else share
    named = any(
        one.get("contextName") in _PERSONAL and one.get("operator") == "IN" and not one.get("inverted")
        for one in strategy.get("constraints") or []
    )
    return min(share, NAMED_USERS) if named else share


def active(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for one in state["strategies"] if not one.get("disabled")]


def rule(raw: Mapping[str, Any]) -> str:
    """One line for the screen: whom a strategy means and how many of them."""
    share = percent(raw)
    words = [f"{share:g}%" if share is not None else str(raw["name"])]
    for one in raw.get("constraints") or []:
        values = one.get("values") or [one.get("value", "")]
        not_ = "not " if one.get("inverted") else ""
        listed = ", ".join(str(value) for value in values[:3]) + (f" +{len(values) - 3}" if len(values) > 3 else "")
        words.append(f"where {not_}{one.get('contextName')} {one.get('operator')} {listed}")
    if segments := raw.get("segments"):
        words.append(f"in segments {', '.join(str(one) for one in segments)}")
    return " ".join(words) + (" (disabled)" if raw.get("disabled") else "")


def normal(raw: Mapping[str, Any], key: str = "") -> dict[str, Any]:
    """A strategy without what does not matter: server ids, order, absent against empty, weights of another scale.

    *key* is the flag's name: the server puts it where a rollout names no group.
    """
    kept = {name: raw[name] for name in _KEPT if raw.get(name) not in (None, "", [], {}, False)}
    parameters = {name: str(value) for name, value in (raw.get("parameters") or {}).items()}
    if raw["name"] == ROLLOUT:
        defaults = {"rollout": "100", "stickiness": "default", "groupId": key}
        parameters = defaults | {name: value for name, value in parameters.items() if value}
    if parameters:
        kept["parameters"] = parameters
    if "constraints" in kept:
        kept["constraints"] = sorted((_constraint(one) for one in kept["constraints"]), key=canonical)
    if "segments" in kept:
        kept["segments"] = sorted(kept["segments"])
    if "variants" in kept:
        kept["variants"] = _variants(kept["variants"])
    return kept


def _constraint(raw: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in raw.items() if value not in (None, "", [])} | {
        name: bool(raw.get(name, default)) for name, default in _CONSTRAINT_DEFAULTS.items()
    }
    if "values" in kept:
        kept["values"] = sorted(str(value) for value in kept["values"])
    return kept


def _variants(raw: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Variants with weights to 1000, as the server shares them among the variable ones."""
    variants = [dict(one) for one in raw]
    fixed = sum(int(one["weight"]) for one in variants if one.get("weightType") == "fix")
    variable = sum(int(one["weight"]) for one in variants if one.get("weightType") != "fix")
    for one in variants:
        one.setdefault("weightType", "variable")
        if one["weightType"] != "fix" and variable:
            one["weight"] = round(int(one["weight"]) * (1000 - fixed) / variable)
    return sorted(variants, key=lambda one: str(one.get("name")))


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def identity(raw: Mapping[str, Any]) -> str:
    """A strategy as text that is equal for equal strategies."""
    return canonical(normal(raw, str((raw.get("parameters") or {}).get("groupId", ""))))


def fingerprint(state: Mapping[str, Any]) -> str:
    """16 hex digits that are equal for states that behave alike. A missing flag has its own."""
    if not state["exists"]:
        return "0" * 16
    content = [bool(state["enabled"]), sorted(identity(one) for one in state["strategies"])]
    return hashlib.sha256(canonical(content).encode()).hexdigest()[:16]


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return fingerprint(one) == fingerprint(other)
