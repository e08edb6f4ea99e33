"""Closed blocks from readings: disjoint, and of both cohorts at the same time. A request is evidence once.

A `rate(x[1m])` that is read each 5 s counts each request twelve times, so of such readings only those over windows that
do not overlap are added up; readings of `as: increase` follow each other and all count. A block is over once it spans
`block` seconds. Its counts say nothing of what came late: that is in the next window of both cohorts.

Pure, and without memory: what is left of an open block is made again from the readings the next time, and is skipped
where they are gone (after a crash). Feeding the same readings twice, or more with the old among them, adds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from amplify_tui.verdict.conditions import Rule, grade
from amplify_tui.verdict.model import Reading

_EPSILON: Final = 1e-3  # seconds by which times are rounded
_MOST: Final = 1e15


class Window(Struct, frozen=True, kw_only=True):
    """One reading as requests in a window of time: how many, how many of them bad, and its value."""

    since: float
    until: float
    bad: float
    total: float
    value: float


class Block(Struct, frozen=True, kw_only=True):
    """One closed block, of the treatment (or the only cohort) and of the control: the sums of its windows.

    ratios: ln(treatment / control) of each pair of windows in which both had enough requests, of a value.
    until: the ends of the last window of each cohort.
    """

    since: float
    until: tuple[float, float]
    bad: float
    total: float
    control_bad: float = 0.0
    control_total: float = 0.0
    ratios: tuple[float, ...] = ()
    value: float = 0.0
    control_value: float = 0.0


def windows(readings: Iterable[Reading], rule: Rule, after: float) -> list[Window]:
    """The fresh readings of the rule's signal and cohort whose window began at or after *after*, oldest first."""
    found: list[Window] = []
    for reading in readings:
        if reading.signal != rule.signal or reading.cohort != rule.cohort:
            continue
        if reading.window_from < after - _EPSILON or not reading.window_to > reading.window_from:
            continue
        status, value = grade(reading, rule)
        if status != "ok" or not math.isfinite(reading.window_from) or not math.isfinite(reading.window_to):
            continue
        total = _requests(reading, rule)
        share = (1.0 - value if rule.below else value) if rule.pair else 0.0
        found.append(
            Window(since=reading.window_from, until=reading.window_to, bad=share * total, total=total, value=value)
        )
    # Of two answers for one moment the one with more bad requests stands first, whichever came first.
    found.sort(key=lambda one: (one.until, one.since, -one.bad, one.total, one.value))
    return found


def _requests(reading: Reading, rule: Rule) -> float:
    if reading.n is not None:
        return min(max(0.0, reading.n), _MOST)
    if reading.total is None:
        return 0.0
    width = 1.0 if rule.increase else reading.window_to - reading.window_from
    return min(max(0.0, reading.total * width), _MOST)


def single(found: Sequence[Window], seconds: float) -> list[Block]:
    """The closed blocks of one cohort, each of at least *seconds*."""
    return [
        _closed(part, (), None) for part in stretches(found, seconds, lambda part: sum(one.total for one in part) > 0.0)
    ]


def stretches(
    found: Sequence[Window], seconds: float, is_enough: Callable[[Sequence[Window]], bool] = bool
) -> Iterator[list[Window]]:
    """The windows of each block: disjoint ones that span *seconds* or more and are enough; the open end is left out."""
    opened: list[Window] = []
    edge = -math.inf
    for window in found:
        if window.since < edge - _EPSILON:
            continue
        opened.append(window)
        edge = window.until
        if edge - opened[0].since >= seconds - _EPSILON and is_enough(opened):
            yield opened
            opened = []


def paired(
    treatment: Sequence[Window], control: Sequence[Window], seconds: float, every: float, enough: float | None = None
) -> list[Block]:
    """The closed blocks of two cohorts, each of at least *seconds*, made only of windows that both have (± *every*).

    enough: how many requests a window of each needs for the ratio of its values to count; None: values do not. A block
    in which one cohort had no request stays open.
    """
    blocks: list[Block] = []
    opened: list[tuple[Window, Window]] = []
    edges = (-math.inf, -math.inf)
    place = 0
    for window in treatment:
        if window.since < edges[0] - _EPSILON:
            continue
        while place < len(control) and control[place].until < window.until - every - _EPSILON:
            place += 1
        near = _nearest(control, place, window.until, every, edges[1])
        if near is None:
            continue
        place, other = near + 1, control[near]
        opened.append((window, other))
        edges = (window.until, other.until)
        begun = min(min(one.since, two.since) for one, two in opened)
        if max(edges) - begun < seconds - _EPSILON:
            continue
        if not (any(one.total for one, _ in opened) and any(two.total for _, two in opened)):
            continue
        blocks.append(_closed([one for one, _ in opened], [two for _, two in opened], enough))
        opened = []
    return blocks


def _nearest(control: Sequence[Window], start: int, at: float, every: float, edge: float) -> int | None:
    """The window of *control* from *start* on that begins after *edge* and ends nearest to *at*, within *every*."""
    best: int | None = None
    for index in range(start, len(control)):
        window = control[index]
        if window.until > at + every + _EPSILON:
            break
        if window.since >= edge - _EPSILON and (best is None or abs(window.until - at) < abs(control[best].until - at)):
            best = index
    return best


def _closed(mine: Sequence[Window], other: Sequence[Window], enough: float | None) -> Block:
    values = [
        (one.value, two.value)
        for one, two in zip(mine, other, strict=False)
        if enough is not None and min(one.total, two.total) >= enough and one.value > 0.0 and two.value > 0.0
    ]
    return Block(
        since=min(one.since for one in (*mine, *other)),
        until=(mine[-1].until, other[-1].until if other else mine[-1].until),
        bad=sum(one.bad for one in mine),
        total=sum(one.total for one in mine),
        control_bad=sum(one.bad for one in other),
        control_total=sum(one.total for one in other),
        ratios=tuple(math.log(one) - math.log(two) for one, two in values),
        value=sum(one for one, _ in values),
        control_value=sum(two for _, two in values),
    )
