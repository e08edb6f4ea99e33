"""flagd's targeting rules and our strategies: one to the other and back. Pure, no I/O.

A rule is JsonLogic with flagd's own words (flagd.dev, "Flag Definitions" and "Custom Operations"). What we write is one
chain, which gives a user the flag where any strategy does, as an Unleash server would:

    {"if": [CONDITION, "on", CONDITION, "on", ..., "off"]}

A rollout is `fractional` over a hash of the group and the field that it sticks to. A missing field is nobody, not "one
bucket for all of them": flagd would hash the empty value, and all who lack the field would get the flag, or none.
What others wrote is read where it says just this, or is a bare `fractional`; else it is one strategy called
`targeting`, kept to the letter and counted as everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from amplify_tui.adapters.flags.port import ROLLOUT, State
from amplify_tui.adapters.ports import Invalid

OPAQUE: Final = "targeting"
EVERYBODY: Final = "default"
KEY: Final = "$flagd.flagKey"
NOW: Final = "$flagd.timestamp"
STICKY: Final = "targetingKey"  # what the field `default` of a strategy means here
_NUMBERS: Final = {"NUM_EQ": "==", "NUM_GT": ">", "NUM_GTE": ">=", "NUM_LT": "<", "NUM_LTE": "<="}
_VERSIONS: Final = {"SEMVER_EQ": "=", "SEMVER_GT": ">", "SEMVER_GTE": ">=", "SEMVER_LT": "<", "SEMVER_LTE": "<="}
_TEXTS: Final = {"STR_STARTS_WITH": "starts_with", "STR_ENDS_WITH": "ends_with"}
OPERATORS: Final = frozenset({"IN", "NOT_IN", "STR_CONTAINS", *_TEXTS, *_NUMBERS, *_VERSIONS})


def rule_of(strategies: list[dict[str, Any]], key: str, on: str, off: str) -> dict[str, Any]:
    """The rule that gives *on* to whom a strategy means, and *off* to everybody else. Raises Invalid."""
    chain: list[Any] = []
    for one in strategies:
        chain += [_condition(one, key, on, off), on]
    return {"if": [*chain, off]}


def strategies(rule: Any, key: str, on: str, off: str) -> list[dict[str, Any]] | None:
    """The strategies that a rule of this shape stands for; None where it is of another."""
    if isinstance(rule, dict) and list(rule) == ["fractional"]:
        found = _share(rule["fractional"], key, on, off)
        return None if found is None else [_strategy(found)]
    chain = rule.get("if") if isinstance(rule, dict) and list(rule) == ["if"] else None
    if not isinstance(chain, list) or len(chain) % 2 == 0 or chain[-1] != off:
        return None
    if any(value != on for value in chain[1:-1:2]):
        return None
    read = [_read(condition, key, on, off) for condition in chain[:-1:2]]
    return None if any(one is None for one in read) else [one for one in read if one is not None]


def reason_against(state: State) -> str:
    """Why a flag of this file cannot hold *state*, and what to write instead; "" where it can."""
    if state.get("context"):
        return "a flagd file defines no context fields: applications send whatever they like; leave out `context`"
    for one in state["strategies"]:
        title = repr(one.get("title") or one["name"])
        if one["name"] not in (ROLLOUT, EVERYBODY, OPAQUE):
            return f"a flagd file has no strategy {one['name']}; use {ROLLOUT}, with `where` for whom it means"
        if one.get("disabled"):
            return f"a flagd file cannot hold the disabled strategy {title}; leave it out, or give it `rollout: 0`"
        if one.get("variants") or one.get("segments"):
            return f"a flagd file has no segments and no variants of a strategy; {title} names some: use `where`"
        if (one.get("parameters") or {}).get("stickiness") == "random":
            return f"{title} sticks to nothing, and flagd has no chance draw; stick to `default` or to a field"
        for constraint in one.get("constraints") or ():
            if constraint.get("operator") not in OPERATORS or constraint.get("caseInsensitive"):
                known = ", ".join(sorted(OPERATORS))
                return f"flagd has nothing like {constraint.get('operator')} in {title}; it has {known}"
    return ""


def numeric_fields(states: list[State]) -> set[str]:
    """The fields that the states compare as numbers: JsonLogic compares texts as texts."""
    return {
        str(constraint["contextName"])
        for state in states
        for one in state["strategies"]
        for constraint in one.get("constraints") or ()
        if constraint["operator"] in _NUMBERS
    }


def everybody() -> dict[str, Any]:
    """The strategy of a flag that everybody has."""
    return _strategy(None)


def opaque(rule: str) -> dict[str, Any]:
    """The strategy that stands for a rule of another shape, as canonical JSON."""
    return {**_strategy(None), "name": OPAQUE, "parameters": {"rule": rule}}


def _condition(one: Mapping[str, Any], key: str, on: str, off: str) -> Any:
    parts = [_constraint(constraint) for constraint in one.get("constraints") or ()]
    if one["name"] == ROLLOUT:
        parameters = one.get("parameters") or {}
        sticky = str(parameters.get("stickiness") or "default")
        field = STICKY if sticky == "default" else sticky
        share = int(parameters.get("rollout") or 0)
        group = str(parameters.get("groupId") or key)
        salt: Any = {"var": KEY} if group == key else group
        bucket = {"cat": [salt, {"var": field}]}
        parts.append(_is_there(field))
        parts.append({"==": [{"fractional": [bucket, [on, share], [off, 100 - share]]}, on]})
    if not parts:
        return True
    return parts[0] if len(parts) == 1 else {"and": parts}


def _is_there(field: str) -> dict[str, Any]:
    return {"!=": [{"var": field}, None]}


def _constraint(raw: Mapping[str, Any]) -> dict[str, Any]:
    operator, field = str(raw["operator"]), {"var": str(raw["contextName"])}
    values = [str(one) for one in raw.get("values") or [raw.get("value", "")]]
    rule: dict[str, Any]
    if operator in ("IN", "NOT_IN"):
        rule = {"in": [field, values]}
    elif operator == "STR_CONTAINS":
        rule = {"or": [{"in": [value, field]} for value in values]}
    elif operator in _TEXTS:
        rule = {"or": [{_TEXTS[operator]: [field, value]} for value in values]}
    elif operator in _NUMBERS:  # a missing field would count as 0
        rule = {"and": [_is_there(field["var"]), {_NUMBERS[operator]: [field, _number(values[0])]}]}
    elif operator in _VERSIONS:
        rule = {"sem_ver": [field, _VERSIONS[operator], values[0]]}
    else:
        raise Invalid(f"flagd has nothing like {operator}", fix=f"it has {', '.join(sorted(OPERATORS))}")
    return {"!": rule} if (operator == "NOT_IN") != bool(raw.get("inverted")) else rule


def _number(text: str) -> int | float:
    try:
        found = float(text)
    except ValueError:
        raise Invalid(f"{text!r} is compared as a number and is none") from None
    return int(found) if found.is_integer() else found


def _read(condition: Any, key: str, on: str, off: str) -> dict[str, Any] | None:
    """The strategy that one condition of the chain stands for."""
    if condition is True:
        return _strategy(None)
    parts = condition.get("and") if isinstance(condition, dict) and list(condition) == ["and"] else [condition]
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return None
    # A number's own guard is an `and` too: a lone one of that shape is a constraint, not a strategy of two.
    if len(parts) == 2 and (alone := _read_constraint(condition)) is not None:
        return _strategy(None, [alone])
    share = None
    if "==" in parts[-1]:
        share = _read_share(parts, key, on, off)
        if share is None:
            return None
        parts = parts[:-2]
    constraints = [_read_constraint(part) for part in parts]
    if any(one is None for one in constraints) or (share is None and not constraints):
        return None
    return _strategy(share, [one for one in constraints if one is not None])


def _read_share(parts: list[dict[str, Any]], key: str, on: str, off: str) -> dict[str, str] | None:
    """The parameters of a rollout that ends the conditions, with the guard before it; None where it is none."""
    equal = parts[-1].get("==")
    drawn = equal[0].get("fractional") if isinstance(equal, list) and equal and isinstance(equal[0], dict) else None
    if len(parts) < 2 or not isinstance(equal, list) or equal[1:] != [on]:
        return None
    share = _share(drawn, key, on, off)
    if share is None:
        return None
    field = STICKY if share["stickiness"] == "default" else share["stickiness"]
    return share if parts[-2] == _is_there(field) else None


def _share(args: Any, key: str, on: str, off: str) -> dict[str, str] | None:
    """What `fractional` draws: over the usual hash where none is written. None where it is not a plain percentage."""
    if not isinstance(args, list):
        return None
    # Without a bucket flagd hashes a pair, not this text: another draw, and so not ours to read.
    bucket, weights = (args[0], args[1:]) if args and isinstance(args[0], dict) else ({}, args)
    found = {pair[0]: pair[1] for pair in weights if isinstance(pair, list) and len(pair) == 2}
    counts = found.get(on, 0), found.get(off, 0)
    whole = len(found) == len(weights) and set(found) <= {on, off} and all(type(one) is int for one in counts)
    cat = bucket.get("cat") if list(bucket) == ["cat"] else None
    if not whole or sum(counts) <= 0 or min(counts) < 0 or not isinstance(cat, list) or len(cat) != 2:
        return None
    # The variant that comes first takes the low hashes: the other order is another draw.
    if counts[0] * 100 % sum(counts) or (found and 0 < counts[0] < sum(counts) and next(iter(found)) != on):
        return None
    salt, field = cat
    group = key if salt == {"var": KEY} else salt
    if not isinstance(group, str) or not isinstance(field, dict) or list(field) != ["var"]:
        return None
    stickiness = "default" if field["var"] == STICKY else str(field["var"])
    return {"rollout": str(counts[0] * 100 // sum(counts)), "stickiness": stickiness, "groupId": group}


def _strategy(share: dict[str, str] | None, constraints: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "name": EVERYBODY if share is None else ROLLOUT,
        "title": "",
        "disabled": False,
        "parameters": share or {},
        "constraints": constraints or [],
        "segments": [],
        "variants": [],
    }


def _read_constraint(rule: Any) -> dict[str, Any] | None:
    """The constraint that writes as *rule*: tried, since writing knows the shapes; None where there is none."""
    inner, negated = (rule["!"], True) if isinstance(rule, dict) and list(rule) == ["!"] else (rule, False)
    guess = _guess(inner, negated=negated)
    if guess is None:
        return None
    try:
        return guess if _constraint(guess) == rule else None
    except Invalid:
        return None


def _guess(rule: Any, *, negated: bool) -> dict[str, Any] | None:
    if not isinstance(rule, dict) or len(rule) != 1:
        return None
    ((word, args),) = rule.items()
    parts = args if isinstance(args, list) else []
    match word, parts:
        case "in", [{"var": field}, list() as values]:
            return _raw(field, "NOT_IN" if negated else "IN", values, inverted=False)
        case "or", [{"in": [_, {"var": field}]}, *_]:
            return _raw(field, "STR_CONTAINS", [_first(part, "in") for part in parts], inverted=negated)
        case "or", [{"starts_with": [{"var": field}, _]}, *_]:
            values = [_second(part, "starts_with") for part in parts]
            return _raw(field, "STR_STARTS_WITH", values, inverted=negated)
        case "or", [{"ends_with": [{"var": field}, _]}, *_]:
            return _raw(field, "STR_ENDS_WITH", [_second(part, "ends_with") for part in parts], inverted=negated)
        case "and", [_, dict() as compared] if len(compared) == 1:
            ((sign, pair),) = compared.items()
            name = next((name for name, one in _NUMBERS.items() if one == sign), "")
            match pair:
                case [{"var": field}, int() | float() as value] if name:
                    return _raw(field, name, [value], inverted=negated)
        case "sem_ver", [{"var": field}, sign, str() as value]:
            name = next((name for name, one in _VERSIONS.items() if one == sign), "")
            return _raw(field, name, [value], inverted=negated) if name else None
    return None


def _first(part: Any, word: str) -> Any:
    return part[word][0] if isinstance(part, dict) and isinstance(part.get(word), list) and part[word] else None


def _second(part: Any, word: str) -> Any:
    pair = part.get(word) if isinstance(part, dict) else None
    return pair[1] if isinstance(pair, list) and len(pair) == 2 else None


def _raw(field: Any, operator: str, values: list[Any], *, inverted: bool) -> dict[str, Any]:
    single = operator in _NUMBERS or operator in _VERSIONS
    texts = [str(value) for value in values]
    held = {"value": texts[0], "values": []} if single else {"values": texts}
    common = {"contextName": str(field), "operator": operator, "inverted": inverted, "caseInsensitive": False}
    return common | held
