"""Prometheus as a MetricSource: instant queries, each answer a reading with its status.

`data_at` is the time of the sample in the answer, which for an instant query is the time it was evaluated at: that
is the data's own time only where the query looks at a bounded range (`rate(x[1m])` is empty once the data is older
than a minute). A bare selector answers with samples up to five minutes old, so `amplify check` asks for a range
function. The window of a reading is the longest range its queries look back, never less than the signal says.

    answer                                        status
    one series (or a scalar), a finite number     ok, with the server's warnings (a partial answer) in the note
    no series, NaN, Inf, or a total of 0          nodata; an empty `bad` beside an ok `total` is 0
    more than one series, matrix or text          error: the query must aggregate
    429                                           stale
    HTTP, transport, parse, clock apart           error, in the server's words
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from time import time
from typing import Final, TypeVar

import httpx
from msgspec.structs import replace

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.http import Answer, Http, skew
from amplify_tui.adapters.patience import Patience
from amplify_tui.adapters.ports import AdapterError, Invalid, MetricAbilities, NotFound, Problem, Query
from amplify_tui.adapters.prometheus_alerts import (
    Board,
    alert_problems,
    alert_reading,
    board,
    expression,
    past_reading,
    wait_of,
)
from amplify_tui.adapters.prometheus_answers import SKEW_TOLD, Scalar, by_label, columns, matrix, scalar
from amplify_tui.adapters.promql import lookback, seconds
from amplify_tui.adapters.samples import Number, failed, reading_of
from amplify_tui.verdict.model import Part, Reading

Seen = TypeVar("Seen")
AT_ONCE: Final = 8
MOST_POINTS: Final = 11_000  # of one series in one answer: Prometheus' own limit
RANGE_TIMEOUT_S: Final = 30.0  # the past is asked for by people, and much of it at once
INSTANCES_S: Final = 1.0
LONG_QUERY: Final = 2000  # characters; longer ones go as a form, for a URL has limits on its way


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
        patience = max(timeout, RANGE_TIMEOUT_S)
        self._past = Http(url, headers={**(headers or {}), **bearer}, timeout=patience, client=client)
        self._timeout = timeout
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._patience = Patience(self._http.name)

    @property
    def abilities(self) -> MetricAbilities:
        return MetricAbilities(lag=self.lag, range=True)

    async def aclose(self) -> None:
        await self._http.aclose()
        await self._past.aclose()

    async def read(self, queries: Sequence[Query], at: float) -> list[Reading]:
        """One reading per query, in their order. Each expression is asked once, whoever uses it."""
        wanted = {text for query in queries for text in expressions(query)}
        order = sorted(wanted)
        told = await self._alerts() if any(query.state is not None for query in queries) else None
        instances = sorted({query.by_instance for query in queries if query.by_instance is not None})
        asked = await asyncio.gather(
            asyncio.gather(*(self._ask(text, at) for text in order)),
            asyncio.gather(*(self._ask_instances(text, at) for text in instances)),
        )
        answers, each = dict(zip(order, asked[0], strict=True)), dict(zip(instances, asked[1], strict=True))
        received = time()
        return [
            replace(self._reading(query, answers, at, received), parts=each.get(query.by_instance or "", ()))
            if told is None or query.state is None
            else alert_reading(query, told, source=self.source, at=at, received=received)
            for query in queries
        ]

    async def _ask_instances(self, text: str, at: float) -> tuple[Part, ...]:
        """Who had what; nobody where it cannot be told: nothing is judged by it, and `check` says what is wrong."""
        try:
            async with asyncio.timeout(INSTANCES_S):  # a judge waits for the reading
                return by_label(await self._answer(self._http, "/api/v1/query", self._question(text, at)))
        except (AdapterError, TimeoutError):
            return ()

    async def _alerts(self) -> Board | AdapterError:
        """What is red, and who says so: asked once for all signals of alerts."""

        async def ask(path: str, **params: str) -> Answer | AdapterError:
            try:
                async with self._slots, self._patience.call():
                    return await self._http.read("GET", path, params=params or None)
            except AdapterError as error:
                return error

        # The rules first: an alert that their evaluation raised is then surely among the alerts.
        rules = await ask("/api/v1/rules", type="alert")
        return board(await ask("/api/v1/alerts"), rules)

    async def _ask(self, text: str, at: float) -> Scalar | AdapterError:
        try:
            return scalar(await self._answer(self._http, "/api/v1/query", self._question(text, at)), at)
        except AdapterError as error:
            return error

    def _question(self, text: str, at: float) -> dict[str, str]:
        # In milliseconds: Prometheus knows no fractions of a second.
        return {"query": text, "time": f"{at:.3f}", "timeout": f"{self._timeout * 1000:.0f}ms"}

    async def range(self, queries: Sequence[Query], start: float, end: float, step: float) -> list[list[Reading]]:
        """Per query one reading a moment, as a poll at that moment would have had it: it arrived when it was asked.

        An expression is one request for each 11,000 moments. What fails is a reading with its status, at each moment.
        """
        moments = [start + number * step for number in range(int((end - start) / step + 1e-9) + 1)]
        order = sorted({text for query in queries for text in expressions(query)})
        asked = await asyncio.gather(*(self._ask_past(text, moments, step, matrix) for text in order))
        now = await self._alerts() if any(query.state is not None for query in queries) else None
        rules = now.rules if isinstance(now, Board) else None
        found: list[list[Reading]] = []
        for query in queries:
            if query.state is not None:
                red = await self._ask_past(expression(query.state), moments, step, columns)
                waited = wait_of(query.state, rules)
                told = zip(moments, red, strict=True)
                found.append([past_reading(query, one, source=self.source, at=at, waited=waited) for at, one in told])
                continue
            rows = ({text: asked[n][i] for n, text in enumerate(order)} for i in range(len(moments)))
            found.append([self._reading(query, row, at, at) for at, row in zip(moments, rows, strict=True)])
        return found

    async def _ask_past(
        self, text: str, moments: Sequence[float], step: float, read: Callable[..., Sequence[Seen | Invalid]]
    ) -> list[Seen | AdapterError]:
        """What *read* makes of the answers, at each moment; in parts where they are more than one answer may hold."""
        found: list[Seen | AdapterError] = []
        while len(found) < len(moments):
            part = moments[len(found) : len(found) + MOST_POINTS]
            question = {"query": text, "start": f"{part[0]:.3f}", "end": f"{part[-1]:.3f}", "step": f"{step:.3f}"}
            try:
                found += read(await self._answer(self._past, "/api/v1/query_range", question), part, step)
            except AdapterError as error:
                found += [error] * len(part)
        return found

    async def _answer(self, http: Http, path: str, question: Mapping[str, str]) -> Answer:
        async with self._slots, self._patience.call():
            if len(question["query"]) <= LONG_QUERY:
                return await http.read("GET", path, params=question)
            return await http.read("POST", path, form=question)

    def _reading(
        self, query: Query, answers: Mapping[str, Scalar | AdapterError], at: float, received: float
    ) -> Reading:
        window = max([lookback(text) for text in expressions(query)], default=0.0) or query.window
        limit = self.lag + window + 3 * query.every  # what verdicts.md calls max_age

        def number(text: str | None) -> Number:
            if text is None:
                return Number()
            found = answers[text]
            if isinstance(found, AdapterError):
                return failed(found)
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

    async def _instance_problems(self, query: Query) -> list[Problem]:
        if query.by_instance is None:
            return []
        place = f"signals.{query.signal}.by_instance"
        try:
            parts = by_label(await self._answer(self._http, "/api/v1/query", self._question(query.by_instance, time())))
        except AdapterError as error:
            return [Problem(what=error.what, where=place, fix=error.fix or "correct the query")]
        if len(parts) > 1:
            return []
        what = f"the query answers {len(parts)} series: nobody stands out among so few"
        return [Problem(what=what, where=place, fix="keep a label, as in sum by (instance) (...)", severity="warning")]

    async def check(self, queries: Sequence[Query] = ()) -> list[Problem]:
        """Ready, a Prometheus, and answering queries; how far its clock is from ours; then what each query finds."""
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
        found: list[Problem] = []
        apart = skew(answer)
        if apart is not None and abs(apart) > SKEW_TOLD:
            what = f"its clock is {apart:+.0f}s from this machine's"
            found.append(Problem(what=what, where=where, fix="set both by NTP", severity="warning"))
        if queries:
            from amplify_tui.adapters.prometheus_check import QueryCheck

            looking = QueryCheck(self._ask, self._label_values, time(), await self._retention())
            found += await looking.problems(queries)
            found += [problem for query in queries for problem in await self._instance_problems(query)]
        if any(query.state is not None for query in queries):
            told = await self._alerts()
            found += [p for query in queries if query.state is not None for p in alert_problems(query, told)]
        return found

    async def _label_values(self, metric: str, label: str) -> list[str]:
        """The values of a label among a metric's series; none where the server does not tell."""
        try:
            answer = await self._http.read("GET", f"/api/v1/label/{label}/values", params={"match[]": metric})
            return [str(one) for one in answer.json()["data"]]
        except (AdapterError, KeyError, TypeError):
            return []

    async def _retention(self) -> float | None:
        """How many seconds of data it keeps; None where it does not tell, or bounds it by size."""
        try:
            told = (await self._http.read("GET", "/api/v1/status/runtimeinfo")).json()["data"]["storageRetention"]
            return seconds(str(told)) or None
        except (AdapterError, KeyError, TypeError):
            return None

    async def build(self) -> str:
        """The server's version, for the screen; "" where it does not tell."""
        try:
            data = (await self._http.read("GET", "/api/v1/status/buildinfo")).json()
            return clean(str(data["data"]["version"]), 40)
        except (AdapterError, KeyError, TypeError):
            return ""


def expressions(query: Query) -> list[str]:
    return [text for text in (query.value, query.count, query.bad, query.total) if text is not None]
