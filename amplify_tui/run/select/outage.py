"""A reason of several conditions in which those that fail alike are named together: one outage is said once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final

SHOWN: Final = 3
_NAMED: Final = re.compile(r"([\w./\-]+(?: \(\w+\))?): (.*)")
_UNIT: Final = re.compile(r"([A-Za-z][\w./\-]*\d[\w./\-]*) (.*)")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)?(?:m\d+s|h\d+m|[smhd])?\b")
_INSIDE: Final = re.compile(r"\(([^()]*; [^()]*)\)")


def collapsed(reason: str) -> str:
    """`errors: no data: last 12s ago; latency: no data: last 11s ago` as `errors, latency: no data: last 12s ago`.

    Instances that say the same are joined likewise: `health: checkout-1, checkout-2: does not answer for 3s`. A number
    that differs is no difference; what does not begin with a name stays as it is.
    """
    names: dict[tuple[str, str], list[str]] = {}
    texts: dict[tuple[str, str], str] = {}
    name = ""
    for part in _parts(_INSIDE.sub(lambda found: f"({collapsed(found[1])})", reason)):
        named = _NAMED.fullmatch(part)
        name, rest = (named[1], named[2]) if named else (name, part)
        found = _UNIT.fullmatch(rest)
        unit, tail = (found[1], found[2]) if found else ("", rest)
        key = unit, _NUMBER.sub("#", tail)
        texts.setdefault(key, tail)
        mine = names.setdefault(key, [])
        if name and name not in mine:
            mine.append(name)
    said = groupby(names, key=lambda key: names[key])
    return "; ".join(_prefixed(listed, _by_units(list(keys), texts)) for listed, keys in said)


def _by_units(keys: list[tuple[str, str]], texts: dict[tuple[str, str], str]) -> str:
    """What is said, each once, with the instances of which it is said."""
    units: dict[str, list[tuple[str, str]]] = {}
    for key in keys:
        units.setdefault(key[1], []).append(key)
    return "; ".join(_of_units([unit for unit, _ in same if unit], texts[same[0]]) for same in units.values())


def _of_units(units: list[str], words: str) -> str:
    return f"{units[0]} {words}" if len(units) == 1 else _prefixed(units, words)


def _prefixed(names: list[str], words: str) -> str:
    if not names:
        return words
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}: {words}"


def _parts(reason: str) -> Iterator[str]:
    """The parts between semicolons; one inside parentheses parts nothing."""
    depth, begun = 0, 0
    for at, letter in enumerate(reason):
        depth += (letter == "(") - (letter == ")")
        if depth <= 0 and reason.startswith("; ", at):
            yield reason[begun:at]
            begun = at + 2
    yield reason[begun:]
