"""Our own health checks as a MetricSource: nobody is polled for it, it listens to what the board is told.

| part | says | is |
| --- | --- | --- |
| total, count | `probes` | health checks of the service within the window |
| bad | `failed` | those that got no answer in time, or not the expected status |
| value | `p50`, `p90`, `p95`, `p99` or `avg of latency` | seconds of those that were answered |

Each may choose instances: `failed{instance=~"shop-[12]"}`. A reading's time is that of the health check that is longest
ago among the instances' last ones. An instance without one in the window is left out and named in the note.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

from amplify_tui.adapters.poll import Target
from amplify_tui.adapters.ports import MetricAbilities, Problem, Query
from amplify_tui.adapters.promtext import FormatError, Selector, ValueQuery, selector, value_query
from amplify_tui.adapters.samples import Number, no_past, reading_of
from amplify_tui.verdict.model import InstanceReading, Reading

KEPT_S: Final = 60.0  # before a query says how far it looks back
_COUNTED: Final = ("probes", "failed")
_WRITE: Final = "write `failed` and `probes`, or `p99 of latency`"


class ProbesSource:
    """The health checks of the instances of one service. `see` is told of each; it opens and closes nothing."""

    def __init__(self, targets: Sequence[Target], *, source: str) -> None:
        self.source = source
        self._every = max((one.health.every for one in targets), default=0.0)
        self._service = {one.service for one in targets}
        self._seen: dict[str, deque[InstanceReading]] = {one.instance: deque() for one in targets}
        self._longest = KEPT_S

    @property
    def abilities(self) -> MetricAbilities:
        return MetricAbilities(min_every=self._every, batch=True)

    async def aclose(self) -> None:
        """Nothing is open."""

    def see(self, reading: InstanceReading) -> None:
        """One look at an instance; those of other services are not kept."""
        if reading.service not in self._service or reading.instance not in self._seen:
            return
        seen = self._seen[reading.instance]
        seen.append(reading)
        while seen[0].received_at < reading.received_at - self._longest - 2 * self._every:
            seen.popleft()

    async def read(self, queries: Sequence[Query], at: float) -> list[Reading]:
        """One reading per query, in their order."""
        self._longest = max([self._longest, *(max(one.window, one.every) for one in queries)])
        return [self._reading(query, at) for query in queries]

    async def range(self, queries: Sequence[Query], start: float, end: float, step: float) -> list[list[Reading]]:
        raise no_past(self.source, "health checks are kept for as long as a signal looks back")

    async def check(self, queries: Sequence[Query] = ()) -> list[Problem]:
        """What is wrong with the queries; whether the instances are well is looked at by who polls them."""
        found: list[Problem] = []
        for query in queries:
            for key in ("value", "count", "bad", "total"):
                try:
                    _parsed(key, getattr(query, key))
                except FormatError as error:
                    found.append(Problem(what=str(error), where=f"signals.{query.signal}.{key}", fix=_WRITE))
        return found

    def _reading(self, query: Query, at: float) -> Reading:
        window = query.every if query.as_increase else query.window
        per_second = 1.0 if query.as_increase else window
        numbers = {key: self._number(query, key, at, window, per_second) for key in ("value", "count", "bad", "total")}
        return reading_of(
            query,
            numbers,
            source=self.source,
            at=at,
            received=at,
            window=window,
            per=per_second,
            window_from=at - window,
        )

    def _number(self, query: Query, key: str, at: float, window: float, per_second: float) -> Number:
        text: str | None = getattr(query, key)
        alone = key == "count" and text is None and query.value is not None  # what was measured is what was counted
        try:
            parsed = _parsed(key, query.value if alone else text, "value" if alone else key)
        except FormatError as error:
            return Number(status="error", note=f"{error}; {_WRITE}")
        if parsed is None:
            return Number()
        chosen = parsed.selector if isinstance(parsed, ValueQuery) else parsed
        mine = {name: seen for name, seen in self._seen.items() if chosen.matches((("instance", name),))}
        taken = {name: [r for r in seen if at - window < r.received_at <= at] for name, seen in mine.items()}
        looks = [reading for one in taken.values() for reading in one]
        if not looks:
            return _nothing(mine, at)
        told = min(max(r.received_at for r in one) for one in taken.values() if one)
        lost = [name for name, one in taken.items() if not one]
        note = f"without {', '.join(lost)}: no health check in time" if lost else ""
        if isinstance(parsed, Selector):
            counted = looks if parsed.name == "probes" else [r for r in looks if r.status != "ok" or r.ok is not True]
            return Number.of(len(counted) / per_second, at=told, note=note)
        seconds = [r.latency for r in looks if r.status == "ok" and r.latency is not None]
        if alone:
            return Number.of(len(seconds) / per_second, at=told)
        silent = f"{len(looks) - len(seconds)} of {len(looks)} were not answered" if len(seconds) < len(looks) else ""
        note = "; ".join(part for part in (note, silent) if part)
        return Number.of(_of(parsed.quantile, seconds) if seconds else None, at=told, note=note)


def _parsed(key: str, text: str | None, says: str = "") -> Selector | ValueQuery | None:
    """The part as parsed. Raises FormatError where it is another language, or not about health checks."""
    if text is None:
        return None
    parsed = value_query(text) if (says or key) == "value" else selector(text)
    chosen = parsed.selector if isinstance(parsed, ValueQuery) else parsed
    known = ("latency",) if isinstance(parsed, ValueQuery) else _COUNTED
    if chosen.name not in known:
        raise FormatError(f"health checks have no {chosen.name}")
    strange = [one.label for one in chosen.matchers if one.label != "instance"]
    if strange:
        raise FormatError(f"health checks are told apart by instance, not by {strange[0]}")
    return parsed


def _nothing(mine: dict[str, deque[InstanceReading]], at: float) -> Number:
    if not mine:
        return Number(status="error", note="no instance of the service is chosen")
    last = max((seen[-1].received_at for seen in mine.values() if seen), default=None)
    if last is None:
        return Number(status="nodata", note="no health check yet")
    return Number(status="stale", at=last, note=f"the last health check is {at - last:.0f}s ago")


def _of(quantile: float | None, seconds: Sequence[float]) -> float:
    """The mean, or the quantile, linear between two of them."""
    if quantile is None:
        return math.fsum(seconds) / len(seconds)
    ordered = sorted(seconds)
    rank = quantile * (len(ordered) - 1)
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)
