"""Prometheus' text format and the selectors over it. Pure: text in, numbers out.

A page is all or nothing: one line that is no sample makes it unreadable, because half a page looks like counters that
fell. Selectors are a small part of PromQL's: `name{label="v",label!="v",label=~"re",label!~"re"}`, expressions
anchored.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

from amplify_tui.playbook.regexes import endless

Labels = tuple[tuple[str, str], ...]
Series = dict[Labels, float]
Page = dict[str, Series]

MAX_PATTERN: Final = 128
MAX_VALUE: Final = 256

_NAME: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL: Final = r"[a-zA-Z_][a-zA-Z0-9_]*"
_TEXT: Final = r'"(?:[^"\\]|\\.)*"'
# After the value a timestamp and, in OpenMetrics, an exemplar may follow; neither matters here.
_SAMPLE = re.compile(
    rf"(?P<name>{_NAME})(?:\s*\{{(?P<labels>(?:[^\"}}]|{_TEXT})*)\}}\s*|\s+)"
    r"(?P<value>\S+)(?:[ \t]+-?[0-9.]+(?:[eE][-+]?\d+)?)?[ \t]*(?:#.*)?$"
)
_PAIR = re.compile(rf"\s*(?P<label>{_LABEL})\s*=\s*(?P<text>{_TEXT})\s*(?:,|$)")
_MATCHER = re.compile(rf"\s*(?P<label>{_LABEL})\s*(?P<op>=~|!~|!=|=)\s*(?P<text>{_TEXT})\s*(?:,|$)")
_SELECTOR = re.compile(rf"\s*(?P<name>{_NAME})\s*(?:\{{(?P<labels>(?:[^\"}}]|{_TEXT})*)\}})?\s*$")
_VALUE = re.compile(r"\s*(?P<what>p50|p90|p95|p99|avg)\s+of\s+(?P<selector>.+)$", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "\\": "\\", '"': '"'}
_SPECIAL: Final = {"+Inf": "inf", "-Inf": "-inf", "Inf": "inf"}


class FormatError(ValueError):
    """A text that is not what it should be; says which part and why."""


def parse(text: str, only: Container[str] | None = None) -> Page:
    """The samples of a page: name -> labels -> value. *only*: keep these names (all lines are still checked).

    Raises FormatError with the line's number where any line is no sample, and where there is none at all.
    """
    page: defaultdict[str, Series] = defaultdict(dict)
    samples = 0
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()  # noqa: PLW2901
        if not line or line.startswith("#"):
            continue
        found = _SAMPLE.match(line)
        if found is None:
            raise FormatError(f"line {number} is no sample: {line[:60]!r}")
        value = _number(found["value"], number)
        samples += 1
        if only is not None and found["name"] not in only:
            continue
        labels = _labels(found["labels"] or "", number)
        series = page[found["name"]]
        if labels in series:
            raise FormatError(f"line {number} repeats {found['name']}{dict(labels)}")
        series[labels] = value
    if not samples:
        raise FormatError("no sample in it")
    if not text.endswith("\n"):  # the format ends every line; without it the last number may be half a number
        raise FormatError("it ends in the middle of a line")
    return dict(page)


def _number(text: str, line: int) -> float:
    try:
        return float(_SPECIAL.get(text, text))
    except ValueError:
        raise FormatError(f"line {line} has no number: {text[:40]!r}") from None


def _labels(text: str, line: int) -> Labels:
    pairs: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        found = _PAIR.match(text, at)
        if found is None:
            raise FormatError(f"line {line} has broken labels: {text[at : at + 40]!r}")
        pairs.append((found["label"], _unquoted(found["text"])))
        at = found.end()
    return tuple(sorted(pairs))


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), inner) if "\\" in inner else inner


class Matcher(Struct, frozen=True):
    label: str
    op: Literal["=", "!=", "=~", "!~"]
    text: str


class Selector(Struct, frozen=True):
    """One metric and the conditions on its labels. A label that a series does not have is empty."""

    name: str
    matchers: tuple[Matcher, ...] = ()

    def matches(self, labels: Labels) -> bool:
        held = dict(labels)
        return all(_meets(one, held.get(one.label, "")) for one in self.matchers)

    def of(self, page: Page, suffix: str = "") -> Series:
        """The page's series that this selects, by the metric's name and *suffix*."""
        return {labels: value for labels, value in page.get(self.name + suffix, {}).items() if self.matches(labels)}


class ValueQuery(Struct, frozen=True):
    """`p99 of name{...}`: quantile 0.99 over a histogram; `avg of name{...}`: quantile None over a gauge."""

    selector: Selector
    quantile: float | None


def selector(text: str) -> Selector:
    """The selector of *text*. Raises FormatError: PromQL's functions and ranges are not spoken here."""
    found = _SELECTOR.match(text)
    if found is None:
        raise FormatError(f'{text[:80]!r} is no selector; write name{{label="value"}}, without functions or ranges')
    matchers = []
    inner, at = (found["labels"] or "").rstrip(), 0
    while at < len(inner):
        one = _MATCHER.match(inner, at)
        if one is None:
            raise FormatError(f"{text[:80]!r} has a broken condition at {inner[at : at + 30]!r}")
        matchers.append(_matcher(one["label"], one["op"], _unquoted(one["text"])))
        at = one.end()
    return Selector(found["name"], tuple(matchers))


def value_query(text: str) -> ValueQuery:
    """The `value` of a scrape signal. Raises FormatError."""
    found = _VALUE.match(text)
    if found is None:
        raise FormatError(f"{text[:80]!r} is no value; write `p99 of name{{...}}` or `avg of name{{...}}`")
    quantile = None if found["what"] == "avg" else int(found["what"][1:]) / 100
    return ValueQuery(selector(found["selector"]), quantile)


def _matcher(label: str, op: str, text: str) -> Matcher:
    if op in ("=~", "!~"):
        if len(text) > MAX_PATTERN:
            raise FormatError(f"the expression of {label} is longer than {MAX_PATTERN} characters")
        try:
            re.compile(text)
        except re.error as error:
            raise FormatError(f"the expression {text!r} of {label} is broken: {error}") from error
        if why := endless(text):
            raise FormatError(f"the expression {text!r} of {label} may never end on some value: {why}")
    return Matcher(label, op, text)  # type: ignore[arg-type]


def _meets(matcher: Matcher, value: str) -> bool:
    match matcher.op:
        case "=":
            return value == matcher.text
        case "!=":
            return value != matcher.text
        case "=~":
            return _full(matcher.text, value)
    return not _full(matcher.text, value)


@lru_cache(maxsize=4096)
def _full(pattern: str, value: str) -> bool:
    """A label's values are few and come again each scrape: each is matched once. Absurdly long ones do not."""
    return len(value) <= MAX_VALUE and re.fullmatch(pattern, value) is not None


def quantile(q: float, buckets: dict[float, float]) -> float | None:
    """The *q*-quantile of cumulative *buckets* (upper edge -> count), linear inside a bucket; None without a request.

    As Prometheus' histogram_quantile: in the last bucket the answer is its lower edge. Without a `+Inf` bucket: None.
    """
    edges = sorted(buckets)
    if len(edges) < 2 or edges[-1] != float("inf") or buckets[edges[-1]] <= 0:
        return None
    counts: list[float] = []
    for edge in edges:  # cumulative counts of several instances, read at different moments, may fall a little
        counts.append(max(buckets[edge], counts[-1] if counts else 0.0))
    rank = q * counts[-1]
    at = next(i for i, count in enumerate(counts) if count >= rank)
    if at == len(edges) - 1:
        return edges[-2]
    if at == 0 and edges[0] <= 0:
        return edges[0]
    low, below = (edges[at - 1], counts[at - 1]) if at else (0.0, 0.0)
    inside = counts[at] - below
    return low + (edges[at] - low) * ((rank - below) / inside if inside else 0.0)
