"""A service's own /metrics as a MetricSource: no Prometheus needed, its counters turned into rates here.

Each instance is scraped at most once per `every`, when a reading is asked for; a short history per instance is kept.
A rate over `window` sums the instances: what each counter grew by between the first and the last scrape in the window,
by the time between. A counter that fell was reset and its new value is the growth; so is a series' first value, when
the instance was scraped before without it; a new `process_start_time_seconds` resets them all.

An instance that does not answer is left out and named in the note; where none answers the reading is an error.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from time import time
from typing import Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.adapters.poll import Target
from amplify_tui.adapters.ports import AdapterError, Invalid, MetricAbilities, Problem, Query
from amplify_tui.adapters.promtext import (
    FormatError,
    Labels,
    Page,
    Selector,
    ValueQuery,
    parse,
    quantile,
    selector,
    value_query,
)
from amplify_tui.adapters.samples import Number, no_past, reading_of
from amplify_tui.adapters.wire import Wire
from amplify_tui.verdict.model import Part, Reading

START: Final = "process_start_time_seconds"
BIG_PAGE: Final = 256 * 1024  # parsed in a thread, not to stop the loop


class Scrape(Struct, frozen=True):
    """One page of one instance; `names` is what was kept of it."""

    at: float
    page: Page
    names: frozenset[str]

    @property
    def start(self) -> float | None:
        return next(iter(self.page.get(START, {}).values()), None)


class Growth(Struct, frozen=True):
    """What the series of one selector grew by on one instance, and over which time."""

    by: dict[Labels, float]
    first: float
    last: float
    instance: str = ""

    @property
    def seconds(self) -> float:
        return self.last - self.first


class _Instance:
    """One instance: its connection, its history, and why the last scrape failed."""

    def __init__(self, target: Target, clock: Callable[[], float]) -> None:
        self.target = target
        self._clock = clock
        self.history: deque[Scrape] = deque()
        self.failure = "not scraped yet"
        self._wire: Wire | None = None

    async def scrape(self, path: str, within: float, names: frozenset[str]) -> None:
        try:
            if self._wire is None:
                self._wire = Wire(self.target.url, clock=self._clock)
            answer = await self._wire.get(path, within)
            if answer.status != 200:
                raise Invalid(f"{path} answers {answer.status}")
            text = answer.body.decode("utf-8", "replace")
            wanted = names | {START}
            page = parse(text, wanted) if len(text) < BIG_PAGE else await asyncio.to_thread(parse, text, wanted)
        except (AdapterError, FormatError) as error:
            self.failure = error.what if isinstance(error, AdapterError) else f"{path}: {error}"
            return
        self.failure = ""
        self.history.append(Scrape(answer.at, page, names))

    def forget(self, before: float) -> None:
        while len(self.history) > 2 and self.history[0].at < before:
            self.history.popleft()

    async def aclose(self) -> None:
        if self._wire is not None:
            await self._wire.aclose()


class ScrapeSource:
    """The metrics of the instances of one service."""

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        source: str,
        every: float = 5.0,
        path: str = "/metrics",
        timeout: float = 2.0,
        clock: Callable[[], float] = time,
    ) -> None:
        self.source = source
        self._instances = [_Instance(target, clock) for target in targets]
        self._clock = clock
        self._every = every
        self._path = path
        self._timeout = timeout
        self._names: frozenset[str] = frozenset()
        self._longest = 0.0
        self._scraped_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    @property
    def abilities(self) -> MetricAbilities:
        return MetricAbilities(min_every=self._every, batch=True)

    async def aclose(self) -> None:
        for instance in self._instances:
            await instance.aclose()

    async def read(self, queries: Sequence[Query], at: float) -> list[Reading]:
        """One reading per query, in their order. The first ones are nodata: a rate needs two scrapes."""
        self.watch(queries)
        await self.scrape(at)
        received = self._clock()
        return [self._reading(query, at, received) for query in queries]

    async def range(self, queries: Sequence[Query], start: float, end: float, step: float) -> list[list[Reading]]:
        raise no_past(self.source, "a service tells its counters of now")

    def watch(self, queries: Iterable[Query]) -> None:
        """Keep what these queries need from the next scrape on."""
        for query in queries:
            self._longest = max(self._longest, query.window, query.every)
            for parsed in _parsed(query).values():
                if isinstance(parsed, ValueQuery):
                    base = parsed.selector.name
                    self._names |= {base} if parsed.quantile is None else {f"{base}_bucket"}
                elif isinstance(parsed, Selector):
                    self._names |= {parsed.name}

    async def scrape(self, at: float) -> None:
        """Scrape every instance, unless that was done within the last `every`."""
        async with self._one_at_a_time:
            if at - self._scraped_at < self._every * 0.9:
                return
            self._scraped_at = at
            await asyncio.gather(*(one.scrape(self._path, self._timeout, self._names) for one in self._instances))
            for one in self._instances:
                one.forget(at - self._longest - 3 * self._every)

    def _reading(self, query: Query, at: float, received: float) -> Reading:
        window = query.every if query.as_increase else query.window
        view = _View(self._instances, at, window, self._every, self._timeout)
        numbers = {name: view.number(name, parsed, query) for name, parsed in _parsed(query).items()}
        if query.count is None and view.requests is not None:  # a histogram knows how many it measured
            numbers["count"] = Number(value=view.requests, at=at)
        counted = numbers["total"] if query.total is not None else numbers["count"]
        held = view.grown / counted.value if counted.value else 0.0  # the seconds that were really covered
        reading = reading_of(
            query, numbers, source=self.source, at=at, received=received, window=window,
            per=1.0 if query.as_increase else held, window_from=view.first,
        )  # fmt: skip
        return replace(reading, parts=view.parts(query)) if reading.status == "ok" else reading

    async def check(self, queries: Sequence[Query] = ()) -> list[Problem]:
        """Whether every instance's metrics can be read now; then what the queries find on those pages."""
        from amplify_tui.adapters.scrape_check import problems_of

        self.watch(queries)
        await asyncio.gather(*(one.scrape(self._path, self._timeout, self._names) for one in self._instances))
        fix = f"{self._path} must answer in Prometheus' text format"
        found = [
            Problem(what=f"{one.target.instance}: {one.failure}", where=f"{one.target.url}{self._path}", fix=fix)
            for one in self._instances
            if one.failure
        ]
        pages = [one.history[-1].page for one in self._instances if not one.failure]
        return found + [problem for query in queries for problem in problems_of(query, pages)]


class _View:
    """One query's look at the histories: which instances take part, and what their series did in the window."""

    def __init__(self, instances: Sequence[_Instance], at: float, window: float, every: float, timeout: float) -> None:
        self._at = at
        self._since = at - window - every / 2  # scrapes are never exactly on time
        self._fresh = at - 1.5 * every - timeout
        self._instances = instances
        self.first: float | None = None
        self.requests: float | None = None
        self.grown = 0.0
        self._by: defaultdict[str, dict[str, tuple[float, float | None]]] = defaultdict(dict)

    def parts(self, query: Query) -> tuple[Part, ...]:
        """What each instance had of the query, the highest values first."""
        if query.total is not None:
            bad = self._by["bad"]
            shares = {
                name: (bad.get(name, (0.0, None))[0] / rate, n)
                for name, (rate, n) in self._by["total"].items()
                if rate > 0
            }
        else:
            shares = self._by["value"]
        return Part.worst(Part(name, value, n) for name, (value, n) in shares.items())

    def number(self, name: str, parsed: Selector | ValueQuery | FormatError | None, query: Query) -> Number:
        match parsed:
            case None:
                return Number()
            case FormatError():
                return Number(status="error", note=str(parsed))
            case Selector():
                return self._rate(name, parsed, query)
            case ValueQuery(selector=chosen, quantile=q):
                return self._average(chosen) if q is None else self._quantile(chosen, q)
        assert_never(parsed)

    def _rate(self, name: str, chosen: Selector, query: Query) -> Number:
        parts, lost = self._growths(chosen, chosen.name)
        if not parts:
            return self._nothing(lost)
        at = min(one.last for one in parts)
        if not any(one.by for one in parts):
            return Number.of(None, at=at, note=_left_out(lost))
        self.grown = sum(sum(one.by.values()) for one in parts)
        for one in parts:
            grown = sum(one.by.values())
            self._by[name][one.instance] = (grown / one.seconds, grown)
        rate = sum(sum(one.by.values()) / one.seconds for one in parts)
        return Number.of(rate * query.every if query.as_increase else rate, at=at, note=_left_out(lost))

    def _average(self, chosen: Selector) -> Number:
        values: list[float] = []
        times: list[float] = []
        lost = []
        for one in self._instances:
            scrape = one.history[-1] if one.history else None
            if scrape is None or scrape.at < self._fresh or one.failure:
                lost.append(f"{one.target.instance}: {one.failure or 'no scrape in time'}")
                continue
            mine = list(chosen.of(scrape.page).values())
            if mine:
                self._by["value"][one.target.instance] = (sum(mine) / len(mine), None)
            values += mine
            times.append(scrape.at)
        if not times:
            return self._nothing(lost)
        self.first = min(times)
        mean = sum(values) / len(values) if values else None
        return Number.of(mean, at=min(times), note=_left_out(lost))

    def _quantile(self, chosen: Selector, q: float) -> Number:
        bucket = Selector(f"{chosen.name}_bucket", chosen.matchers)
        parts, lost = self._growths(bucket, bucket.name)
        if not parts:
            return self._nothing(lost)
        edges: defaultdict[float, float] = defaultdict(float)
        infinite = 0.0
        for one in parts:
            own: defaultdict[float, float] = defaultdict(float)
            for labels, by in one.by.items():
                own[float(dict(labels).get("le", "nan").replace("Inf", "inf"))] += by
            measured = own.get(float("inf"), 0.0)
            infinite += measured
            for edge, by in own.items():
                edges[edge] += by / one.seconds
            value = quantile(q, dict(own)) if measured else None
            if value is not None:
                self._by["value"][one.instance] = (value, measured)
        self.grown, self.requests = infinite, edges.get(float("inf"))
        return Number.of(quantile(q, dict(edges)), at=min(one.last for one in parts), note=_left_out(lost))

    def _growths(self, chosen: Selector, name: str) -> tuple[list[Growth], list[str]]:
        """The growth per instance that takes part, and why the others do not."""
        parts: list[Growth] = []
        lost: list[str] = []
        for one in self._instances:
            scrapes = [scrape for scrape in one.history if scrape.at >= self._since and name in scrape.names]
            if not scrapes or scrapes[-1].at < self._fresh:
                lost.append(f"{one.target.instance}: {one.failure or 'no scrape in time'}")
            elif len(scrapes) < 2:
                lost.append(f"{one.target.instance}: {_ONE_SCRAPE}")
            else:
                parts.append(replace(growth(scrapes, chosen.of), instance=one.target.instance))
        if parts:
            first = min(one.first for one in parts)
            self.first = first if self.first is None else min(self.first, first)
        return parts, lost

    def _nothing(self, lost: Sequence[str]) -> Number:
        """No instance took part: an error, except while the second scrape is still to come."""
        young = any(_ONE_SCRAPE in words for words in lost)
        return Number(status="nodata" if young else "error", note="; ".join(lost) or "no instance to scrape")


_ONE_SCRAPE: Final = "one scrape so far, a rate needs two"


def growth(scrapes: Sequence[Scrape], chosen: Callable[[Page], dict[Labels, float]]) -> Growth:
    """What the chosen series grew by from the first of *scrapes* to the last, through resets and restarts."""
    by: defaultdict[Labels, float] = defaultdict(float)
    held = chosen(scrapes[0].page)
    for labels in held:
        by[labels] = 0.0
    for before, after in pairwise(scrapes):
        if before.start is not None and after.start is not None and before.start != after.start:
            held = {}
        for labels, value in chosen(after.page).items():
            was = held.get(labels, 0.0)
            by[labels] += value if value < was else value - was
            held[labels] = value
    return Growth(dict(by), scrapes[0].at, scrapes[-1].at)


def _parsed(query: Query) -> dict[str, Selector | ValueQuery | FormatError | None]:
    """The query's parts, each as parsed, or as the reason why it cannot be."""
    parts: dict[str, Selector | ValueQuery | FormatError | None] = {}
    for name in ("value", "count", "bad", "total"):
        text: str | None = getattr(query, name)
        try:
            parts[name] = None if text is None else value_query(text) if name == "value" else selector(text)
        except FormatError as error:
            parts[name] = error
    return parts


def _left_out(lost: Sequence[str]) -> str:
    return f"without {'; '.join(lost)}" if lost else ""
