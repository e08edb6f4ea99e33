"""What can be told of a PromQL expression without its server. Pure: text in, numbers and names out."""

from __future__ import annotations

import math
import re
from typing import Final

from msgspec import Struct

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
_DURATION: Final = r"(?:\d+(?:ms|[smhdwy]))+"
_RANGE = re.compile(rf"\[\s*({_DURATION})\s*(:[^\]]*)?\]")
_OFFSET = re.compile(rf"\boffset\s+({_DURATION})")
# Labels of a grouping would look like metrics; its strings (there are none) cannot be lost here.
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_SELECTOR = re.compile(
    r"(?<![\w:.])(?P<name>[a-zA-Z_:][\w:]*)\s*(?:\{(?P<inner>[^}]*)\}|(?P<call>\())?|\{(?P<nameless>[^}]*)\}"
)
_CONDITION = re.compile(r"([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*\x00")
_CLAUSES: Final = {
    "and",
    "or",
    "unless",
    "bool",
    "offset",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
}
_OTHERS: Final = {"start", "end", "inf", "nan", "Inf", "NaN", "atan2", "count_values", "group", "stddev", "stdvar"}
_AGGREGATIONS: Final = {"sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile"}
_WORDS: Final = frozenset(_CLAUSES | _OTHERS | _AGGREGATIONS)
_PART = re.compile(r"(\d+)(ms|[smhdwy])")


def lookback(text: str) -> float:
    """How many seconds an expression looks back: its longest range, with subqueries and offsets on top.

    An upper bound, on purpose: a window that is too long only waits longer for clean evidence.
    """
    bare = _TEXTS.sub('""', text)
    plain = [seconds(found[1]) for found in _RANGE.finditer(bare) if found[2] is None]
    nested = [seconds(found[1]) for found in _RANGE.finditer(bare) if found[2] is not None]
    offsets = [seconds(found[1]) for found in _OFFSET.finditer(bare)]
    return max(plain, default=0.0) + sum(nested) + max(offsets, default=0.0)


def shortest(text: str) -> float | None:
    """The shortest range of an expression in seconds, subqueries left out; None without one."""
    bare = _TEXTS.sub('""', text)
    return min((seconds(found[1]) for found in _RANGE.finditer(bare) if found[2] is None), default=None)


def seconds(duration: str) -> float:
    return math.fsum(int(count) * _UNITS[unit] for count, unit in _PART.findall(duration))


class Metric(Struct, frozen=True):
    """A selector of an expression: the metric's name, and its conditions on labels, each as (label, as written)."""

    name: str
    conditions: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        inner = ",".join(text for _, text in self.conditions)
        return f"{self.name}{{{inner}}}" if inner else self.name


def metrics(text: str) -> list[Metric]:
    """The selectors of an expression that name their metric, each once, in their order.

    No parser: what looks like none (an aggregation's labels, a function, a keyword) is left out, and so is a selector
    that names its metric by `__name__`. The server has the last word on what an expression means.
    """
    texts = _TEXTS.findall(text)
    bare = _GROUPING.sub(" ", _RANGE.sub(" ", _OFFSET.sub(" ", _TEXTS.sub("\x00", text))))
    found: list[Metric] = []
    used = 0
    upto = 0
    for match in _SELECTOR.finditer(bare):
        used += bare.count("\x00", upto, match.start())
        inner = match["inner"] or match["nameless"] or ""
        count = inner.count("\x00")
        held, used, upto = texts[used : used + count], used + count, match.end()
        if match["call"] or match["name"] is None or match["name"] in _WORDS:
            continue
        pairs = zip(_CONDITION.findall(inner), held, strict=False)
        one = Metric(match["name"], tuple((label, f"{label}{op}{value}") for (label, op), value in pairs))
        if one not in found:
            found.append(one)
    return found
