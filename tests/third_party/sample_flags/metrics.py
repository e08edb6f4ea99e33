"""A metric source of another package: numbers in one local JSON file, as a nightly job may write them.

Everything that Amplify asks of a kind is here: the fields of `with:`, opening, reading, and the check. A query's part is
the name of a number in the file; `at` in it is the time of its data.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from amplify_tui.adapters.metrics.port import MetricOpening
from amplify_tui.adapters.ports import AdapterError, Invalid, MetricAbilities, MetricSource, Problem, Query, Unreachable
from amplify_tui.adapters.samples import Number, failed, no_past, reading_of
from amplify_tui.playbook.model import Base
from amplify_tui.verdict.model import Reading

PARTS = ("value", "count", "bad", "total")


class Fields(Base, frozen=True):
    """What `with:` of a source holds: where the numbers are."""

    path: str


class NumbersSource:
    abilities: ClassVar[MetricAbilities] = MetricAbilities(lag=60.0, batch=True)

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self.source = source

    def _held(self) -> dict[str, Any]:
        try:
            held = json.loads(self.path.read_text(encoding="utf-8"))
            if not isinstance(held, dict) or not isinstance(held.get("at"), int | float):
                raise Invalid("it holds no object with the time of its data in `at`", where=str(self.path))
        except OSError as error:
            raise Unreachable(f"the numbers cannot be opened: {error.strerror}", where=str(self.path)) from error
        except ValueError as error:
            raise Invalid(f"it is no JSON: {error}", where=str(self.path)) from error
        return held

    def _number(self, held: dict[str, Any], name: str) -> Number:
        if name not in held:
            return Number(status="error", note=f"it has no {name}")
        return Number.of(float(held[name]), at=held["at"])

    async def read(self, queries: Sequence[Query], at: float) -> list[Reading]:
        try:
            held: dict[str, Any] | AdapterError = self._held()
        except AdapterError as error:
            held = error
        received = time.time()
        return [self._reading(query, held, at, received) for query in queries]

    def _reading(self, query: Query, held: dict[str, Any] | AdapterError, at: float, received: float) -> Reading:
        numbers = {key: Number() for key in PARTS}
        for key in PARTS:
            name = getattr(query, key)
            if name is not None:
                numbers[key] = failed(held) if isinstance(held, AdapterError) else self._number(held, name)
        return reading_of(
            query, numbers, source=self.source, at=at, received=received, window=query.window, per=query.window
        )  # fmt: skip

    async def range(self, queries: Sequence[Query], start: float, end: float, step: float) -> list[list[Reading]]:
        raise no_past(self.source, "the file holds the last numbers")

    async def check(self, queries: Sequence[Query] = ()) -> list[Problem]:
        try:
            held = self._held()
        except AdapterError as error:
            return [Problem(what=error.what, where=error.where)]
        return [
            Problem(what=f"it has no {getattr(query, key)}", where=f"signals.{query.signal}.{key}")
            for query in queries
            for key in PARTS
            if getattr(query, key) is not None and getattr(query, key) not in held
        ]

    async def aclose(self) -> None:
        pass


class NumbersKind:
    name: ClassVar[str] = "numbers"
    Fields: ClassVar[type[Base]] = Fields
    abilities: ClassVar[MetricAbilities] = NumbersSource.abilities

    def open(self, opening: MetricOpening) -> MetricSource:
        return NumbersSource(opening.base / opening.fields(Fields).path, opening.name)
