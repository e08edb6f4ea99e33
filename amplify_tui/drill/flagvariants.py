"""Which variants of a strategy Unleash takes, and how it keeps them: by name, their weights adding up to 1000. Pure.

Observed on Unleash OSS 8.2.0. Their order decides which user gets which, so it is part of what is observed.
"""

from __future__ import annotations

import json
from typing import Any, Final

from amplify_tui.drill.flagrules import bad, bad_data, one_of, required

KEYS: Final = ("name", "weight", "payload", "overrides", "stickiness", "weightType")
TYPES: Final = ("variable", "fix")
PAYLOADS: Final = ("json", "csv", "string", "number")
WHOLE: Final = 1000


def variants(given: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """The variants as they are kept: the variable ones share what the fixed ones leave. Raises 400."""
    kept = [_kept(one, number) for number, one in enumerate(given or [])]
    names = [one["name"] for one in kept]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise bad_data(f'"[{number}]" contains a duplicate value.')
    variable = [one for one in kept if one["weightType"] == "variable"]
    if kept and not variable:
        raise bad_data('There must be at least one "variable" variant')
    rest = WHOLE - sum(one["weight"] for one in kept if one["weightType"] == "fix")
    if rest < 0:
        raise bad_data("The traffic distribution total must equal 100%")
    for position, one in enumerate(variable):
        one["weight"] = rest // len(variable) + (1 if position < rest % len(variable) else 0)
    return sorted(kept, key=lambda one: (one["name"].casefold(), one["name"].swapcase()))


def _kept(given: dict[str, Any], number: int) -> dict[str, Any]:
    path = f"/body/variants/{number}"
    for key in ("name", "weight", "weightType", "stickiness"):
        required(given, key)
    for key in given:
        if key not in KEYS:
            raise bad_data(f'"[{number}].{key}" is not allowed.')
    weight, name = given["weight"], str(given["name"])
    if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= WHOLE:
        raise bad(f"The `{path}/weight` property must be an integer from 0 to {WHOLE}. You sent {weight}.", path)
    one_of(given["weightType"], TYPES, "weightType")
    if not name or not all(c.isascii() and (c.isalnum() or c in "-._~") for c in name):
        raise bad_data(f'"[{number}].name" must be URL friendly. You provided "{name}".')
    if not given["stickiness"]:
        raise bad_data(f'"[{number}].stickiness" is not allowed to be empty.')
    if "payload" in given:
        _check_payload(given["payload"])
    return {key: given[key] for key in KEYS if key in given}


def _check_payload(payload: dict[str, Any]) -> None:
    one_of(required(payload, "type"), PAYLOADS, "type")
    value = required(payload, "value")
    if payload["type"] == "json":
        try:
            json.loads(value)
        except ValueError:
            words = "'value' must be a valid json string when 'type' is json."
            raise bad_data(f'{words} You provided "{value}".') from None
