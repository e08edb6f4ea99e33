"""The functions of expressions: for each, what it takes and gives, and the code. Another one is a row here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from semver import Version

from amplify_tui.playbook.expr.tokens import INT_MAX
from amplify_tui.playbook.ranges import satisfies


@dataclass(frozen=True, slots=True)
class Function:
    """takes: per argument the names of the types it may have. counts: how many arguments. run: raises
    ValueError.
    """

    usage: str
    takes: tuple[tuple[str, ...], ...]
    gives: str
    run: Callable[..., Any]
    optional: int = 0

    @property
    def counts(self) -> range:
        return range(len(self.takes) - self.optional, len(self.takes) + 1)


_PARTS: Final = ("major", "minor", "patch", "prerelease")
# strftime's own set differs between platforms; these do not.
_FORMATS: Final = frozenset("YmdHMSjyaAbBVuG%")
_INT_TEXT: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})\Z")
_DOUBLE_TEXT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")


def parse_semver(text: str | Version) -> Version:
    """The version in *text*. Raises ValueError with a sentence."""
    if isinstance(text, Version):
        return text
    try:
        return Version.parse(text)
    except ValueError:
        hint = '; a version has no leading "v"' if text[:1] in ("v", "V") else ""
        raise ValueError(f'"{text[:60]}" is no semantic version (like 2.4.0){hint}') from None


def _satisfies(version: str | Version, wanted: str) -> bool:
    return satisfies(str(parse_semver(version)), wanted)


def _bump(version: str | Version, part: str) -> str:
    if part not in _PARTS:
        raise ValueError(f'"{part}" is no part of a version: {", ".join(_PARTS)}')
    return str(parse_semver(version).next_version(part))


def _join(items: list[Any], separator: str = "") -> str:
    if any(not isinstance(item, str) for item in items):
        raise ValueError("join takes a list of strings")
    return separator.join(items)


def _contains(text: Any, part: Any) -> bool:
    if isinstance(text, list):
        return any(type(item) is type(part) and item == part for item in text)
    if not isinstance(part, str):
        raise ValueError("contains looks for a string in a string")
    return part in text


def _date(moment: int | float | str, form: str) -> str:
    letters = re.findall(r"%(.?)", form, re.DOTALL)
    if bad := [letter for letter in letters if letter not in _FORMATS]:
        raise ValueError(f'"%{bad[0]}" is no part of a date\'s format: %{" %".join(sorted(_FORMATS))}')
    try:
        if isinstance(moment, str):
            at = datetime.fromisoformat(moment)
            at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        else:
            at = datetime.fromtimestamp(moment, UTC)
        return at.strftime(form)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{moment} is no moment: Unix seconds or ISO 8601") from None


def _int(value: int | float | str) -> int:
    if isinstance(value, str):
        if not _INT_TEXT.match(value):
            raise ValueError(f'"{value[:60]}" is no int')
        value = int(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no int")
    result = int(value)
    if not -INT_MAX - 1 <= result <= INT_MAX:
        raise ValueError("an int has at most 64 bits")
    return result


def _double(value: int | float | str) -> float:
    if isinstance(value, str) and not _DOUBLE_TEXT.match(value):
        raise ValueError(f'"{value[:60]}" is no number')
    result = float(value)
    if not math.isfinite(result):
        raise ValueError("this number is too large")
    return result


def text_of(value: Any) -> str:
    """A scalar as text, as templates and string() write it. Raises ValueError for lists and maps."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float() | Version():
            return str(value)
    raise ValueError("only a single value can become text; use join(list, ', ')")


_TEXT: Final = ("string", "duration")
_VERSION: Final = ("string", "semver")
_NUMBER: Final = ("int", "double", "number", "string")

FUNCTIONS: Final[dict[str, Function]] = {
    "semver": Function("semver(text)", (_VERSION,), "semver", parse_semver),
    "satisfies": Function("satisfies(version, range)", (_VERSION, ("string",)), "bool", _satisfies),
    "bump": Function("bump(version, part)", (_VERSION, ("string",)), "string", _bump),
    "default": Function("default(x, y)", (("any",), ("any",)), "any", lambda x, y: y if x is None else x),
    "size": Function("size(x)", (("string", "list", "map"),), "int", len),
    "join": Function("join(list, separator)", (("list",), ("string",)), "string", _join, optional=1),
    "contains": Function("contains(text, part)", (("string", "list"), ("any",)), "bool", _contains),
    "startsWith": Function("startsWith(text, start)", (("string",), ("string",)), "bool", str.startswith),
    "lower": Function("lower(text)", (("string",),), "string", str.lower),
    "upper": Function("upper(text)", (("string",),), "string", str.upper),
    "date": Function("date(moment, format)", (("int", "double", "number", "string"), ("string",)), "string", _date),
    "now": Function("now()", (), "double", lambda: None),
    "int": Function("int(x)", (_NUMBER,), "int", _int),
    "double": Function("double(x)", (_NUMBER,), "double", _double),
    "string": Function(
        "string(x)", (("string", "int", "double", "number", "bool", "semver", "duration"),), "string", text_of
    ),
}
