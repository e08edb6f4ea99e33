"""Prometheus as a MetricSource: instant queries, each answer a reading with its status.

`data_at` is the time of the sample in the answer, which for an instant query is the time it was evaluated at: that
is the data's own time only where the query looks at a bounded range (`rate(x[1m])` is empty once the data is older
than a minute). A bare selector answers with samples up to five minutes old, so `amplify check` asks for a range
function. The window of a reading is the longest range its queries look back, never less than the signal says.

    answer                                        status
    one series (or a scalar), a finite number     ok
    no series, NaN, Inf, or a total of 0          nodata; an empty `bad` beside an ok `total` is 0
    more than one series, matrix or text          error: the query must aggregate
    429                                           stale
    HTTP, transport, parse, clock apart           error, in the server's words
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from time import time
from typing import Any, Final

import httpx
from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.http import Answer, Http, skew
from amplify_tui.adapters.ports import AdapterError, Invalid, NotFound, Problem, Query, RateLimited
from amplify_tui.adapters.samples import Number, reading_of
from amplify_tui.verdict.model import Reading

AT_ONCE: Final = 8
SKEW_TOLD: Final = 5.0
LONG_QUERY: Final = 2000  # characters; longer ones go as a form, for a URL has limits on its way
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
_DURATION: Final = r"(?:\d+(?:ms|[smhdwy]))+"
_RANGE = re.compile(rf"\[\s*({_DURATION})\s*(:[^\]]*)?\]")
_OFFSET = re.compile(rf"\boffset\s+({_DURATION})")
_PART = re.compile(r"(\d+)(ms|[smhdwy])")


class Scalar(Struct, frozen=True):
    """One number as the server answered it; `value` None is an empty answer."""

    value: float | None
    at: float
    notes: tuple[str, ...] = ()
    apart: float = 0.0  # seconds that its clock is ahead of ours


class Prometheus:
    """One Prometheus (or what speaks its query API).

    headers: authorization, tenant. token: a bearer token; user and password may also stand in the URL. lag: how old its
    data is when fresh.
    """

    def __init__(
        self,
        url: str,
        *,
        source: str,
        headers: Mapping[str, str] | None = None,
        token: str = "",
        timeout: float = 5.0,
        lag: float = 0.0,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self.source = source
        self.lag = lag
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = Http(url, headers={**(headers or {}), **bearer}, timeout=timeout, client=client)
        self._timeout = timeout
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def read(self, queries: Sequence[Query], at: float) -> list[Reading]:
        """One reading per query, in their order. Each expression is asked once, whoever uses it."""
        wanted = {text for query in queries for text in expressions(query)}
        order = sorted(wanted)
        answers = dict(zip(order, await asyncio.gather(*(self._ask(text, at) for text in order)), strict=True))
        received = time()
        return [self._reading(query, answers, at, received) for query in queries]

    async def _ask(self, text: str, at: float) -> Scalar | AdapterError:
        question = {"query": text, "time": f"{at:.3f}", "timeout": f"{self._timeout:g}s"}
        try:
            async with self._slots:
                if len(text) <= LONG_QUERY:
                    answer = await self._http.read("GET", "/api/v1/query", params=question)
                else:
                    answer = await self._http.read("POST", "/api/v1/query", form=question)
            return scalar(answer, at)
        except AdapterError as error:
            return error

    def _reading(
        self, query: Query, answers: Mapping[str, Scalar | AdapterError], at: float, received: float
    ) -> Reading:
        window = max([lookback(text) for text in expressions(query)], default=0.0) or query.window
        limit = self.lag + window + 3 * query.every  # what verdicts.md calls max_age

        def number(text: str | None) -> Number:
            if text is None:
                return Number()
            found = answers[text]
            if isinstance(found, RateLimited):
                return Number(status="stale", note=str(found))
            if isinstance(found, AdapterError):
                return Number(status="error", note=str(found))
            note = "; ".join(found.notes)
            if abs(found.apart) > limit:
                return Number(status="error", note=note)
            return Number.of(found.value, at=found.at, note=note)

        numbers = {name: number(getattr(query, name)) for name in ("value", "count", "bad", "total")}
        held = query.every if query.as_increase else window
        return reading_of(
            query, numbers, source=self.source, at=at, received=received, window=window,
            per=1.0 if query.as_increase else held,
        )  # fmt: skip

    async def check(self) -> list[Problem]:
        """Ready, a Prometheus, and answering queries; and how far its clock is from ours."""
        where = self._http.name
        try:
            await self._http.read("GET", "/-/ready")
        except NotFound:
            pass  # a managed one hides it behind its gateway; the query below tells
        except AdapterError as error:
            return [Problem(what=error.what, where=error.where or where, fix=error.fix)]
        try:
            answer = await self._http.read("GET", "/api/v1/query", params={"query": "vector(1)"})
            scalar(answer, time())
        except NotFound:
            fix = "the URL must be the one whose /api/v1/query answers"
            return [Problem(what="there is no Prometheus API", where=where, fix=fix)]
        except AdapterError as error:
            return [Problem(what=error.what, where=error.where or where, fix=error.fix)]
        apart = skew(answer)
        if apart is not None and abs(apart) > SKEW_TOLD:
            what = f"its clock is {apart:+.0f}s from this machine's"
            return [Problem(what=what, where=where, fix="set both by NTP", severity="warning")]
        return []

    async def build(self) -> str:
        """The server's version, for the screen; "" where it does not tell."""
        try:
            data = (await self._http.read("GET", "/api/v1/status/buildinfo")).json()
            return clean(str(data["data"]["version"]), 40)
        except (AdapterError, KeyError, TypeError):
            return ""


def expressions(query: Query) -> list[str]:
    return [text for text in (query.value, query.count, query.bad, query.total) if text is not None]


def scalar(answer: Answer, asked_at: float) -> Scalar:
    """The one number of an answer of `/api/v1/query`. Raises Invalid where it is another shape or several series."""
    data = answer.json()
    try:
        result, kind = data["data"]["result"], data["data"]["resultType"]
        notes = [clean(str(one), 160) for one in [*data.get("warnings", []), *data.get("infos", [])]]
        if kind == "vector" and len(result) > 1:
            fix = "wrap the query in sum(...) or another aggregation"
            raise Invalid(f"the query answers {len(result)} series", where=answer.where, fix=fix)
        if kind not in ("vector", "scalar"):
            raise Invalid(f"the query answers a {clean(str(kind), 20)}, not a number", where=answer.where)
        pair: Any = (result[0]["value"] if result else None) if kind == "vector" else result
        value, at = (None, asked_at) if pair is None else (float(pair[1]), float(pair[0]))
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise Invalid(f"the answer is not Prometheus' ({type(error).__name__})", where=answer.where) from error
    apart = skew(answer) or 0.0
    if abs(apart) > SKEW_TOLD:
        notes.append(f"its clock is {apart:+.0f}s from ours")
    return Scalar(value, at, tuple(notes), apart)


def lookback(text: str) -> float:
    """How many seconds an expression looks back: its longest range, with subqueries and offsets on top.

    An upper bound, on purpose: a window that is too long only waits longer for clean evidence.
    """
    bare = _TEXTS.sub('""', text)
    plain = [seconds(found[1]) for found in _RANGE.finditer(bare) if found[2] is None]
    nested = [seconds(found[1]) for found in _RANGE.finditer(bare) if found[2] is not None]
    offsets = [seconds(found[1]) for found in _OFFSET.finditer(bare)]
    return max(plain, default=0.0) + sum(nested) + max(offsets, default=0.0)


def seconds(duration: str) -> float:
    return math.fsum(int(count) * _UNITS[unit] for count, unit in _PART.findall(duration))
