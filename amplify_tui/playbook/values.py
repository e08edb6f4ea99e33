"""Single values as people write them: durations, percents, versions, ids, URLs. What a kind of model.py accepts.

`accept` is the one place that judges a scalar; the checker calls it before a run, the resolver with an expression's
value. Nothing here knows a place in a file.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from semver import Version

from amplify_tui.playbook.expr.functions import parse_semver
from amplify_tui.playbook.problems import did_you_mean, listing, shorten
from amplify_tui.playbook.ranges import parse_range
from amplify_tui.playbook.regexes import endless


class BadValue(Exception):
    """Why a value is refused: the code of the problem, the sentence, and what to do."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


_DURATION: Final = re.compile(
    r"(?:([0-9]{1,5})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,7})m(?!s))?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s)?(?:([0-9]{1,9})ms)?\Z"
)
_UNITS: Final = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_PERCENT: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)%\Z")
REF: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}\Z")


def parse_duration(text: str) -> float:
    """Seconds in `90s`, `10m`, `2h30m`, `1d`, `250ms`. Raises BadValue."""
    match = _DURATION.match(text)
    if match is None or not text:
        hint = "write it like 90s, 10m, 2h30m or 1d, the larger unit first"
        raise BadValue("bad-duration", f"{shorten(text)} is no duration", hint)
    return sum(float(amount) * unit for amount, unit in zip(match.groups(), _UNITS, strict=True) if amount)


def format_duration(seconds: float) -> str:
    """*seconds* as a playbook writes them: `2h30m`, `2m15s`, `1.5s`, `0s`."""
    left, words = seconds, []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        amount, left = divmod(left, size)
        words += [f"{int(amount)}{unit}"] if amount else []
    left = round(left, 3)
    return "".join(words) + (f"{left:g}s" if left or not words else "")


def _finite(value: Any, code: str, wanted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadValue(code, f"{_said(value)} is no {wanted}")
    return float(value)


def _duration(value: Any) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    hint = f'write "{value}s" where seconds are meant' if isinstance(value, int | float) else ""
    raise BadValue("bad-duration", f"{_said(value)} has no unit", hint)


def _percent(value: Any) -> float:
    if isinstance(value, str) and _PERCENT.match(value):
        raise BadValue("bad-percent", f"{shorten(value)} is written with a sign here", f"write {value[:-1]}")
    number = _finite(value, "bad-percent", "percentage (a number from 0 to 100)")
    if not 0 <= number <= 100:
        raise BadValue("bad-percent", f"{_said(value)} is not between 0 and 100")
    return number


def _share(value: Any) -> float:
    if isinstance(value, str):
        match = _PERCENT.match(value)
        if match is None:
            raise BadValue("bad-percent", f"{shorten(value)} is neither a number nor a percentage", "like 0.01 or 1%")
        return float(match.group(1)) / 100
    return _finite(value, "bad-percent", "number or percentage")


def _bound(value: Any) -> float:
    """A limit in its signal's own unit; whether what is written is that unit is a rule of its own."""
    if not isinstance(value, str):
        return _finite(value, "bad-percent", "number, percentage or duration")
    if _PERCENT.match(value):
        return _share(value)
    if value and _DURATION.match(value):
        return parse_duration(value)
    what = f"{shorten(value)} is neither a number nor a percentage nor a duration"
    raise BadValue("bad-percent", what, "like 0.01, 1% or 400ms")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Version):
        return str(value)
    if value is None:
        raise BadValue("wrong-type", "a text is wanted and nothing stands here", 'write "" for an empty one')
    raise BadValue("wrong-type", f"{_said(value)} is no text", f'quote it: "{_yaml_word(value)}"')


def _range(value: Any) -> str:
    text = _text(value)
    try:
        parse_range(text)
    except ValueError as error:
        raise BadValue("bad-range", str(error), "like ^2.3, >=2.3.0 <3 or 1.x || 2.x") from None
    return text


def _semver(value: Any) -> str:
    try:
        return str(parse_semver(_text(value)))
    except ValueError as error:
        raise BadValue("bad-version", str(error)) from None


def _id(pattern: re.Pattern[str], letters: str) -> Callable[[Any], str]:
    def accept_id(value: Any) -> str:
        text = _text(value)
        if not pattern.match(text):
            raise BadValue("bad-id", f"{shorten(text)} is no id", f"a lower-case letter, then {letters}; at most 64")
        return text

    return accept_id


def _url(value: Any) -> str:
    text = _text(value)
    if text.startswith("\u27e6secret:"):
        return text
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or re.search(r"\s", text):
        raise BadValue("bad-url", f"{shorten(text)} is no http URL", "like http://10.0.0.1:8080")
    return text


def _regex(value: Any) -> str:
    text = _text(value)
    try:
        with warnings.catch_warnings():
            # What Python warns of here it will read otherwise one day: [[ as a set within a set.
            warnings.simplefilter("error", FutureWarning)
            re.compile(text)
    except FutureWarning as error:
        hint = "put a backslash before the second bracket"
        raise BadValue("bad-regex", f"{shorten(text)} may be read in two ways: {error}", hint) from None
    except (re.error, OverflowError, RecursionError) as error:
        raise BadValue("bad-regex", f"{shorten(text)} is no regular expression: {error}") from None
    if why := endless(text):
        hint = "write it so that one text can be read in one way: [A-Z]+(-[A-Z]+)* for ([A-Z]+-?)+"
        raise BadValue("endless-regex", f"{shorten(text)} may never end on some text: {why}", hint)
    return text


def _secret(value: Any) -> str:
    text = _text(value)
    if not text.startswith("\u27e6secret:"):
        raise BadValue("literal-secret", "a secret stands here as a literal", 'write "${{ secrets.NAME }}"')
    return text


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadValue("wrong-type", f"{_said(value)} is no whole number")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        hint = "write true or false" if str(value).lower() in ("yes", "no", "on", "off", "y", "n") else ""
        raise BadValue("wrong-type", f"{_said(value)} is neither true nor false", hint)
    return value


_ACCEPT: Final[dict[str, Callable[[Any], Any]]] = {
    "str": _text,
    "int": _whole,
    "float": lambda value: _finite(value, "wrong-type", "number"),
    "bool": _flag,
    "dur": _duration,
    "pct": _percent,
    "share": _share,
    "bound": _bound,
    "range": _range,
    "semver": _semver,
    "ref": _id(REF, "letters, digits and _"),
    "name": _id(NAME, "letters, digits, _ and -"),
    "gate": _id(NAME, "letters, digits, _ and -"),
    "url": _url,
    "secret": _secret,
    "regex": _regex,
    "expr": _flag,
}
KINDS: Final = frozenset(_ACCEPT)


def accept(value: Any, kind: str) -> Any:
    """The value that a scalar of *kind* has; *kind* is one of KINDS. Raises BadValue."""
    return _ACCEPT[kind](value)


def accept_choice(value: Any, choices: tuple[Any, ...]) -> Any:
    """*value* where it is one of *choices*. Raises BadValue."""
    for choice in choices:
        if value == choice and isinstance(value, bool) == isinstance(choice, bool):
            return choice
    words = [str(choice) for choice in choices]
    raise BadValue("bad-choice", f"{_said(value)} is not one of {listing(words, 20)}", did_you_mean(str(value), words))


def _said(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case str():
            return shorten(value)
    return shorten(_yaml_word(value)).strip('"')


def _yaml_word(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
