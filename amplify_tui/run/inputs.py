"""Values that people give: checked against what an input or a form's field declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import semver

from amplify_tui.playbook.model import Input

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
    wrong = _type_problem(spec, value)
    if wrong:
        return wrong
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if spec.min is not None and value < spec.min:
            return f"is {value}, less than {spec.min:g}"
        if spec.max is not None and value > spec.max:
            return f"is {value}, more than {spec.max:g}"
    if spec.pattern and isinstance(value, str) and not re.fullmatch(spec.pattern, value[:4096]):
        return f"{value[:40]!r} does not match {spec.pattern}"
    return ""


def _type_problem(spec: Input, value: Any) -> str:
    match spec.type:
        case "int":
            good = isinstance(value, int) and not isinstance(value, bool)
        case "number" | "duration":
            good = isinstance(value, (int, float)) and not isinstance(value, bool)
        case "bool":
            good = isinstance(value, bool)
        case "list":
            good = isinstance(value, (list, tuple))
        case "semver":
            good = isinstance(value, str) and semver.Version.is_valid(value)
        case "choice":
            if value not in spec.choices:
                return f"is {value!r}, not one of {', '.join(spec.choices)}"
            good = True
        case "secret":
            good = isinstance(value, str) and value.startswith(SECRET_MARK)
        case "string":
            good = isinstance(value, str)
    return "" if good else f"should be a {spec.type}, got {value!r}"


def read_value(spec: Input, text: str) -> Any:
    """The typed value of what somebody typed. Raises ValueError with a sentence where it cannot be one."""
    match spec.type:
        case "int":
            return int(text)
        case "number":
            return float(text)
        case "bool":
            if text.lower() not in ("true", "false", "yes", "no", "y", "n"):
                raise ValueError(f"{text!r} is neither true nor false")
            return text.lower() in ("true", "yes", "y")
        case "list":
            item = Input(type=spec.of or "string")
            return [read_value(item, part.strip()) for part in text.split(",") if part.strip()]
        case "duration":
            return duration(text)
        case "string" | "semver" | "choice" | "secret":
            return text


_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def duration(text: str) -> float:
    """Seconds of `90s`, `2h30m`, `1d`. Raises ValueError."""
    found = _DURATION.fullmatch(text.strip())
    if not text.strip() or found is None:
        raise ValueError(f"{text!r} is not a duration such as 90s, 10m or 2h30m")
    return sum(float(n) * unit for n, unit in zip(found.groups("0"), (86400, 3600, 60, 1), strict=True))
