"""A JSON endpoint as a MetricSource: one GET answers all its signals, each part of a signal is a path into the answer.

A path is dotted (`shop.errors`, `queues.0.depth`), or a JSON pointer where it starts with `/` (`/shop/errors~1s`).
`at` is the path of the data's own time, Unix seconds or milliseconds, or ISO 8601 (UTC where it names no zone); without
it the data is as old as the answer, `Age` of a cache on the way included.

    what stands there                    status
    a finite number                      ok
    null, NaN, Infinity, a total of 0    nodata
    another type, or nothing             error: a renamed field must not look like zero errors
    429                                  stale
    transport, HTTP, no JSON, its clock  error, in words
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from time import time
from typing import Any, Final

from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.http import Answer, Http, skew
from amplify_tui.adapters.patience import Patience
from amplify_tui.adapters.ports import AdapterError, Invalid, MetricAbilities, Problem, Query
from amplify_tui.adapters.samples import Number, failed, no_past, reading_of
from amplify_tui.verdict.model import Reading

MILLISECONDS: Final = 1e11  # as seconds, a larger number would be past the year 5000
SHOWN: Final = 8


class Told(Struct, frozen=True):
    """One answer: what it holds, and the data's own time. apart: how far the server's clock is ahead, in seconds."""

    data: Any
    at: float
    apart: float


class EndpointSource:
    """One JSON endpoint, asked at most once per `every`, when a reading is asked for."""

    def __init__(
        self,
        url: str,
        *,
        source: str,
        path: str = "",
        at: str = "",
        headers: Mapping[str, str] | None = None,
        token: str = "",
        timeout: float = 5.0,
        lag: float = 0.0,
        every: float = 5.0,
        clock: Callable[[], float] = time,
    ) -> None:
        self.source = source
        self.lag = lag
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        told = {"Accept": "application/json", **(headers or {}), **bearer}
        self._http = Http(url, headers=told, timeout=timeout)
        self._patience = Patience(self._http.name)
        self._path = path
        self._at = at
        self._every = every
        self._clock = clock
        self._asked_at = float("-inf")
        self._last: Told | AdapterError = Invalid("not asked yet")
        self._one_at_a_time = asyncio.Lock()

    @property
    def abilities(self) -> MetricAbilities:
        return MetricAbilities(min_every=self._every, lag=self.lag, batch=True)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def read(self, queries: Sequence[Query], at: float) -> list[Reading]:
        """One reading per query, in their order."""
        async with self._one_at_a_time:
            if at - self._asked_at >= self._every * 0.9:
                self._asked_at = at
                self._last = await self._ask()
            told = self._last
        received = self._clock()
        return [self._reading(query, told, at, received) for query in queries]

    async def range(self, queries: Sequence[Query], start: float, end: float, step: float) -> list[list[Reading]]:
        raise no_past(self.source, "an endpoint tells what is now")

    async def check(self, queries: Sequence[Query] = ()) -> list[Problem]:
        """Whether it answers JSON, tells its time, and has a number at each path."""
        told = await self._ask()
        if isinstance(told, AdapterError):
            return [Problem(what=told.what, where=told.where or self._http.name, fix=told.fix)]
        found: list[Problem] = []
        for query in queries:
            for key in ("value", "count", "bad", "total"):
                path: str | None = getattr(query, key)
                number = Number() if path is None else _number(told, path)
                if number.status in ("error", "nodata"):
                    severe = number.status == "error"
                    found.append(
                        Problem(
                            what=number.note,
                            where=f"signals.{query.signal}.{key}",
                            fix=f"give the path of a number in the answer of {self._http.name}{self._path}",
                            severity="error" if severe else "warning",
                        )
                    )
        return found

    async def _ask(self) -> Told | AdapterError:
        try:
            async with self._patience.call():
                answer = await self._http.read("GET", self._path)
            data = answer.json()
            age = _age(answer)
            apart = (skew(answer) or 0.0) + age
            return Told(data, answer.at - age if not self._at else self._moment(data, answer), apart)
        except AdapterError as error:
            return error

    def _moment(self, data: Any, answer: Answer) -> float:
        try:
            value = lookup(data, self._at)
            found = moment(value)
        except LookupError as error:
            raise Invalid(f"the data's time is not told: {error.args[0]}", where=answer.where) from error
        if found is None:
            raise Invalid(
                f"{self._at} is no time: {clean(str(value), 40)}", where=answer.where, fix="Unix seconds or ISO 8601"
            )
        return found

    def _reading(self, query: Query, told: Told | AdapterError, at: float, received: float) -> Reading:
        window = query.every if query.as_increase else query.window
        parts = {key: getattr(query, key) for key in ("value", "count", "bad", "total")}
        if isinstance(told, AdapterError):
            numbers = {key: failed(told) for key in parts}
        elif abs(told.apart) > self.lag + window + 3 * query.every:
            note = f"its clock is {told.apart:+.0f}s from ours"
            numbers = {key: Number(status="error", note=note) for key in parts}
        else:
            numbers = {key: Number() if path is None else _number(told, path) for key, path in parts.items()}
        return reading_of(
            query,
            numbers,
            source=self.source,
            at=at,
            received=received,
            window=window,
            per=1.0 if query.as_increase else window,
        )


def _number(told: Told, path: str) -> Number:
    try:
        value = lookup(told.data, path)
    except LookupError as error:
        return Number(status="error", at=told.at, note=str(error.args[0]))
    if value is None:
        return Number(status="nodata", at=told.at, note=f"{clean(path, 80)} is null")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Number(status="error", at=told.at, note=f"{clean(path, 80)} is {_kind(value)}, not a number")
    return Number.of(float(value), at=told.at)


def lookup(data: Any, path: str) -> Any:
    """What stands at a path. Raises LookupError, in words, where nothing does."""
    if path.startswith("/"):
        steps = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    elif isinstance(data, dict) and path in data:
        return data[path]  # a key that holds dots itself
    else:
        steps = path.split(".")
    here = data
    for number, step in enumerate(steps):
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        else:
            where = ".".join(steps[:number]) or "the answer"
            raise LookupError(f"there is no {clean(path, 80)}: {clean(where, 80)} {_has(here)}")
    return here


def _has(here: Any) -> str:
    match here:
        case dict():
            names = ", ".join(clean(str(name), 30) for name in list(here)[:SHOWN])
            return f"has {names}{', …' if len(here) > SHOWN else ''}" if here else "is empty"
        case list():
            return f"has {len(here)} items"
    return f"is {_kind(here)}"


def _kind(value: Any) -> str:
    names = {bool: "true or false", str: "a text", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number")


def moment(value: Any) -> float | None:
    """Unix seconds of a number (seconds or milliseconds) or an ISO 8601 text; None where it is neither."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) / 1000 if abs(value) > MILLISECONDS else float(value)
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _age(answer: Answer) -> float:
    """How many seconds a cache on the way has had the answer."""
    text = answer.headers.get("age", "").strip()
    return float(text) if text.isdecimal() else 0.0
