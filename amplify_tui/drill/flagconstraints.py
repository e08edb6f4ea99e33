"""Which constraints Unleash takes, and how it keeps them: one rule for strategies and segments alike. Pure.

Observed on Unleash OSS 8.2.0, by operator; what is taken here and refused there would break a release that was
rehearsed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from amplify_tui.drill.flagrules import FlagError, bad, bad_data, one_of

# fmt: off
OPERATORS: Final = (
    "NOT_IN", "IN", "STR_ENDS_WITH", "STR_STARTS_WITH", "STR_CONTAINS", "NUM_EQ", "NUM_GT", "NUM_GTE",
    "NUM_LT", "NUM_LTE", "DATE_AFTER", "DATE_BEFORE", "SEMVER_EQ", "SEMVER_GT", "SEMVER_LT", "SEMVER_GTE",
    "SEMVER_LTE", "REGEX",
)
# fmt: on
LISTS: Final = OPERATORS[:5]
KEYS: Final = ("value", "values", "inverted", "operator", "contextName", "caseInsensitive")
LONGEST: Final = 100  # characters of one of `values`
SAFE: Final = 2**53 - 1
_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)
_PART: Final = r"(?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*)"
_SEMVER: Final = re.compile(
    rf"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){{2}}(?:-{_PART}(?:\.{_PART})*)?(?:\+[\da-zA-Z-]+(?:\.[\da-zA-Z-]+)*)?",
    re.ASCII,
)
_NOT_RE2: Final = re.compile(r"\(\?(?:[=!]|<[=!])|\\[1-9]")  # looking around and back, which RE2 cannot


def constraints(given: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """The constraints as they are kept: values as text, and a list of them always. Raises 400."""
    return [_kept(one, f"/body/constraints/{number}") for number, one in enumerate(given or [])]


def _kept(given: dict[str, Any], path: str) -> dict[str, Any]:
    for key in given:
        if key not in KEYS:
            raise bad(f"The `{path}` object does not allow additional properties, such as `{path}/{key}`.", path)
    for key in ("contextName", "operator"):
        if key not in given:
            raise bad(f"The `{path}/{key}` property is required. It was not present on the data you sent.", path)
    for key in ("inverted", "caseInsensitive"):
        if not isinstance(given.get(key, False), bool):
            raise bad(f'The `{path}/{key}` property must be boolean. You sent "{given[key]}".', path)
    operator = one_of(given["operator"], OPERATORS, "operator")
    if not given["contextName"]:
        raise bad_data('"contextName" is not allowed to be empty.')
    kept: dict[str, Any] = {key: given[key] for key in KEYS if key in given}
    kept["values"] = [_text(one) for one in given.get("values") or []]
    for number, one in enumerate(kept["values"]):
        if not 0 < len(one) <= LONGEST:
            raise bad_data(f'"values[{number}]" must have 1 to {LONGEST} characters. You provided "{one}".')
    if "value" in given:
        kept["value"] = _text(given["value"])
        if not kept["value"]:
            raise bad(f'The `{path}/value` property must NOT have fewer than 1 characters. You sent "".', path)
    _check(operator, kept)
    return kept


def _check(operator: str, kept: dict[str, Any]) -> None:
    """Raise 400 where *operator* cannot be decided by what it is given."""
    if operator in LISTS:
        if not kept["values"]:
            raise bad_data('"value" must contain at least 1 items. You provided [].')
        return
    value = kept.get("value")
    if value is None:
        raise bad_data(
            "the provided value is not a valid regex string."
            if operator == "REGEX"
            else "Single-value constraint operators require a non-empty value."
        )
    refusal = _CHECKS[operator.partition("_")[0]](value)
    if refusal is None and operator == "REGEX" and kept.get("inverted"):
        refusal = bad_data("REGEX operator cannot be inverted.")
    if refusal is not None:
        raise refusal


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: str) -> FlagError | None:
    if not _NUMBER.fullmatch(value):
        return bad_data(f'"value" must be a number. You provided "{value}".')
    return None if abs(float(value)) <= SAFE else bad_data(f'"value" must be a safe number. You provided "{value}".')


def _semver(value: str) -> FlagError | None:
    if _SEMVER.fullmatch(value):
        return None
    return bad_data(f"the provided value is not a valid semver format. The value provided was: {value}")


def _date(value: str) -> FlagError | None:
    if re.fullmatch(r"-?\d+", value, re.ASCII):  # milliseconds
        return None
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return bad_data(f'"value" must be a valid date. You provided "{value}".')
    return None


def _regex(value: str) -> FlagError | None:
    """Python's engine knows more than RE2, which has no looking around: refused as well."""
    try:
        re.compile(value)
    except re.error as error:
        return bad_data(f"the provided value is not a valid regex string. Error: {error}")
    if _NOT_RE2.search(value):
        return bad_data("the provided value is not a valid regex string. Error: unsupported Perl syntax")
    return None


_CHECKS: Final[dict[str, Callable[[str], FlagError | None]]] = {
    "NUM": _number,
    "SEMVER": _semver,
    "DATE": _date,
    "REGEX": _regex,
}
