"""What is wrong with a signal's queries, told before a release: each is asked once, as a gate would ask it.

the server's answer             what is said
bad_data, another shape         error, in the server's own words
a number                        nothing; a warning where the window is older than the data
nothing                         why, found by asking for less: the metric, then each condition on a label
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import AdapterError, Problem, Query
from amplify_tui.adapters.prometheus_answers import Scalar
from amplify_tui.adapters.promql import Metric, lookback, metrics, shortest

SEEN_WITHIN: Final = "1h"  # a metric that nobody told for so long is taken for none
LONG_WINDOW_S: Final = 300.0  # shorter ones are filled soon anyway
VALUES_SHOWN: Final = 8
KEYS: Final = ("value", "count", "bad", "total")
HALF_HOUR_S: Final = 1800.0  # the past is an hour, around the same time of day
FRESH_ERRORS: Final = "a service without an error yet has none, and that counts as 0 errors"

Ask = Callable[[str, float], Awaitable["Scalar | AdapterError"]]
Values = Callable[[str, str], Awaitable[Sequence[str]]]


class QueryCheck:
    """Looks at queries through `ask` (an expression at a moment) and `values` (of a label, of a metric's series)."""

    def __init__(self, ask: Ask, values: Values, at: float, retention: float | None) -> None:
        """retention: how many seconds of data the server keeps, None where it does not tell."""
        self._ask = ask
        self._values = values
        self._at = at
        self._retention = retention

    async def problems(self, queries: Sequence[Query]) -> list[Problem]:
        """What is wrong, in the order of the queries, each thing once."""
        found: dict[Problem, None] = {}
        for query in queries:
            for key in KEYS:
                text: str | None = getattr(query, key)
                if text is not None:
                    found |= dict.fromkeys(await self._of(query, key, text))
            found |= dict.fromkeys(await self._no_past(query))
        return list(found)

    async def _no_past(self, query: Query) -> list[Problem]:
        """A comparison with a time that the server no longer knows, or knows nothing of."""
        texts = [text for key in KEYS if (text := getattr(query, key)) is not None]
        if not query.past or not texts:
            return []
        ago, where = _span(query.past), f"signals.{query.signal}"
        reach = query.past + HALF_HOUR_S + max(lookback(text) for text in texts)
        if self._retention is not None and reach > self._retention:
            what = f"it is compared with the hour around {ago} ago, and the server keeps {_span(self._retention)}"
            fix = "keep more of it, ask a server that does, or give a limit with above"
            return [Problem(what=what, where=where, fix=fix)]
        names = dict.fromkeys(m.name for key in KEYS if key != "bad" for m in metrics(getattr(query, key) or ""))
        unknown = [name for name in names if not await self._there(Metric(name), self._at - query.past)]
        fix = "until there is some the comparison has no answer, and holds"
        return [
            Problem(what=f"{clean(name, 80)} has no data of {ago} ago", where=where, fix=fix, severity="warning")
            for name in unknown
        ]

    async def _of(self, query: Query, key: str, text: str) -> list[Problem]:
        place = f"signals.{query.signal}.{key}"
        answer = await self._ask(text, self._at)
        if isinstance(answer, AdapterError):
            return [Problem(what=answer.what, where=place, fix=answer.fix or "correct the query")]
        if answer.value is None:
            told = await self._empty(query, key, text)
            return [Problem(what=what, where=place, fix=fix, severity="warning") for what, fix in told]
        told = await self._too_long(text)
        notes = [(f"the server answers with a warning: {note}", "numbers may be partial") for note in answer.notes]
        return [Problem(what=what, where=place, fix=fix, severity="warning") for what, fix in [*told, *notes]]

    async def _empty(self, query: Query, key: str, text: str) -> list[tuple[str, str]]:
        found = []
        for metric in metrics(text):
            if not await self._there(Metric(metric.name)):
                fix = FRESH_ERRORS if key == "bad" else "check its name, and that its service is scraped"
                found.append((f"there is no metric {clean(metric.name, 80)}", fix))
                continue
            found += await self._conditions(query, key, metric)
        if not found and key != "bad":
            return [await self._too_short(text)]
        return found

    async def _too_short(self, text: str) -> tuple[str, str]:
        """A range in which no two samples fit, whatever it is asked: `rate` needs two."""
        reach = shortest(text)
        for metric in metrics(text) if reach is not None else []:
            counted = await self._ask(f"max(count_over_time({metric}[{int(LONG_WINDOW_S)}s]))", self._at)
            samples = counted.value if isinstance(counted, Scalar) else None
            if reach is not None and samples and reach < 2 * LONG_WINDOW_S / samples:
                apart = LONG_WINDOW_S / samples
                what = (
                    f"its range of {_span(reach)} holds no two samples of {metric.name}, which come each {apart:.0f}s"
                )
                return what, f"write [{_span(math.ceil(4 * apart))}] or more, or scrape more often"
        return "the query answers nothing now", "check its range and its conditions against the data"

    async def _conditions(self, query: Query, key: str, metric: Metric) -> list[tuple[str, str]]:
        """Conditions that match no series of the metric at all; an error that never happened is none of them."""
        found = []
        for label, text in metric.conditions:
            of_cohort = query.names_cohort(text.removeprefix(label))
            if (key == "bad" and not of_cohort) or await self._there(Metric(metric.name, ((label, text),))):
                continue
            seen = [clean(one, 40) for one in await self._values(metric.name, label)]
            has = f"it has {', '.join(seen[:VALUES_SHOWN])}" if seen else f"no series of it has the label {label}"
            whose = f"the cohort {query.cohort}" if of_cohort else "the condition"
            found.append((f"{whose} matches nothing: no series of {metric.name} has {clean(text, 80)}", has))
        return found

    async def _too_long(self, text: str) -> list[tuple[str, str]]:
        """A window that reaches behind the data: what it answers is of less time than it says."""
        reach = lookback(text)
        if self._retention is not None and reach > self._retention:
            what = f"it looks back {_span(reach)}, and the server keeps {_span(self._retention)}"
            return [(what, "take a shorter window, or ask a server that keeps more")]
        if reach < LONG_WINDOW_S:
            return []
        young = [m.name for m in metrics(text) if not await self._there(Metric(m.name), self._at - reach)]
        fix = "until then it judges less time than it says"
        return [(f"it looks back {_span(reach)}, and {name} began after that", fix) for name in dict.fromkeys(young)]

    async def _there(self, metric: Metric, at: float | None = None) -> bool:
        within = SEEN_WITHIN if at is None else f"{int(LONG_WINDOW_S)}s"
        answer = await self._ask(f"count(last_over_time({metric}[{within}]))", self._at if at is None else at)
        return isinstance(answer, AdapterError) or answer.value is not None  # who cannot tell claims nothing


def _span(seconds: float) -> str:
    for unit, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "m")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g}{name}"
    return f"{seconds:g}s"
