"""Values that people give: checked against what an input or a form's field declares.

What reads versions, durations and secrets is imported where it is used: it brings the expressions, and a cockpit asks
`missing` before its first paint.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from amplify_tui.playbook.model import Input

MATCHED = 1000  # characters of a value that a pattern is asked about; longer ones are refused, not cut
SECRET_MARK = "\u27e6secret:"  # noqa: S105  # the mark of a reference, not a value


def missing(specs: Mapping[str, Input], given: Mapping[str, Any]) -> list[str]:
    """Inputs that the start needs and that have neither a value nor a default."""
    return [n for n, s in specs.items() if s.ask == "start" and s.default is None and given.get(n) is None]


def complaints(specs: Mapping[str, Input], values: Mapping[str, Any]) -> list[str]:
    """A sentence for each value that its declaration does not allow; empty when all is well."""
    found = []
    for name, value in values.items():
        spec = specs.get(name)
        if spec is None:
            found.append(f"there is no {name}; known are {', '.join(specs) or 'none'}")
        elif problem := complaint(spec, value):
            found.append(f"{name} {problem}")
    return found


def complaint(spec: Input, value: Any) -> str:
    """What is wrong with *value*; "" when nothing is."""
    if spec.type != "secret" and _holds_marker(value):
        return f"holds {SECRET_MARK}, which would have a secret sent along with it; take it out"
    wrong = _type_problem(spec, value)
    if wrong:
        return wrong
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if spec.min is not None and value < spec.min:
            return f"is {value}, less than {spec.min:g}"
        if spec.max is not None and value > spec.max:
            return f"is {value}, more than {spec.max:g}"
    if spec.pattern and isinstance(value, str):
        if len(value) > MATCHED:
            return f"has {len(value)} characters; {MATCHED} are compared with a pattern"
        if not re.fullmatch(spec.pattern, value):
            return f"{value[:40]!r} does not match {spec.pattern}"
    return ""


def _holds_marker(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_holds_marker, value))
    return isinstance(value, str) and SECRET_MARK in value


def _type_problem(spec: Input, value: Any) -> str:
    match spec.type:
        case "int":
            good = isinstance(value, int) and not isinstance(value, bool)
        case "number":
            good = _is_number(value)
        case "duration":
            good = _is_duration(value)
        case "bool":
            good = isinstance(value, bool)
        case "list":
            return _list_problem(spec, value)
        case "semver":
            import semver

            good = isinstance(value, str) and semver.Version.is_valid(value)
        case "choice":
            if value not in spec.choices:
                return f"is {value!r}, not one of {', '.join(spec.choices)}"
            good = True
        case "secret":
            return _secret_problem(value)
        case "string":
            good = isinstance(value, str)
    return "" if good else f"should be a {spec.type}, got {value!r}"


def _secret_problem(value: Any) -> str:
    """What was given is not repeated: it may be the secret itself."""
    from amplify_tui.playbook.context import secret_marker, secret_names

    is_reference = isinstance(value, str) and {value} == {secret_marker(n) for n in secret_names(value)}
    return "" if is_reference else f"should name a secret as {secret_marker('NAME')}, never hold its value"


def _list_problem(spec: Input, value: Any) -> str:
    if not isinstance(value, (list, tuple)):
        return f"should be a list, got {value!r}"
    item = Input(type=spec.of or "string")
    wrong = next((problem for part in value if (problem := _type_problem(item, part))), "")
    return f"holds one that {wrong}" if wrong else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_duration(value: Any) -> bool:
    """Seconds, or a text as a playbook writes it."""
    if not isinstance(value, str):
        return _is_number(value) and value >= 0
    try:
        return _seconds(value) >= 0
    except ValueError:
        return False


def _seconds(text: str) -> float:
    """A duration as a playbook writes it. Raises ValueError with a sentence."""
    from amplify_tui.playbook.values import BadValue, parse_duration

    try:
        return parse_duration(text)
    except BadValue as bad:
        raise ValueError(f"{bad.message}; {bad.hint}") from bad


def read_value(spec: Input, text: str) -> Any:
    """The typed value of what somebody typed. Raises ValueError with a sentence where it cannot be one."""
    match spec.type:
        case "int":
            return _number(int, text, "whole number")
        case "number":
            return _number(float, text, "number")
        case "bool":
            if text.lower() not in ("true", "false", "yes", "no", "y", "n"):
                raise ValueError(f"{text!r} is neither true nor false")
            return text.lower() in ("true", "yes", "y")
        case "list":
            item = Input(type=spec.of or "string")
            return [read_value(item, part.strip()) for part in text.split(",") if part.strip()]
        case "duration":
            return _seconds(text.strip())
        case "string" | "semver" | "choice" | "secret":
            return text


def written(spec: Input, value: Any) -> str:
    """What somebody would type for *value*: `read_value` of it is *value* again. "" of None."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        item = Input(type=spec.of or "string")
        return ", ".join(written(item, part) for part in value)
    if spec.type == "duration" and not isinstance(value, str):
        from amplify_tui.playbook.values import format_duration

        return format_duration(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(kind: Callable[[str], Any], text: str, wanted: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{text!r} is no {wanted}") from None
