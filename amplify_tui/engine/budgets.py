"""How fast the error budgets burn that a gate or a trigger asks about: onto the board, as often as it is worth it.

Besides the two windows it asks in how many different minutes there was a bad request (verdict/burn.py says why), which
takes a source that can be asked about its past. Nothing is judged here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from msgspec import Struct

from amplify_tui.adapters.ports import AdapterError, MetricSource, Query
from amplify_tui.engine.board import Board
from amplify_tui.playbook.model import Slo
from amplify_tui.run.state import State
from amplify_tui.verdict.budget import pace_of, windows_of
from amplify_tui.verdict.burn import MINUTES_SHORT, Spent
from amplify_tui.verdict.model import BudgetReading, Reading, Status, Term
from amplify_tui.verdict.words import duration

LEFT_S: Final = 300.0  # the SLO's own window is long, and what is left of it moves slowly
BUCKETS_S: Final = (60.0, 120.0, 300.0)  # a counter that is scraped once a minute has no increase within one

Windows = tuple[float, float]


def asked(state: State) -> Iterator[Term]:
    """The terms of the gates that are open, and of the triggers."""
    gates = (step.watch.gate for step in state.steps.values() if step.watch is not None and not step.is_over)
    return chain(*gates, (trigger.spec.term for trigger in state.triggers.values()))


class Budgets:
    """Asks for each SLO and pair of windows that somebody judges by at this moment."""

    def __init__(self, metrics: Callable[[str], MetricSource], board: Board, state: Callable[[], State]) -> None:
        """metrics: the source of a name; raises AdapterError where there is none."""
        self._metrics = metrics
        self._board = board
        self._state = state
        self._due: dict[tuple[str, Windows], float] = {}
        self._left: dict[str, tuple[float, float | None]] = {}

    async def read(self) -> None:
        """Ask for what is due now; called each second."""
        for (name, windows), (slo, lasting) in self._wanted().items():
            now = time.time()
            if self._due.get((name, windows), 0.0) > now:
                continue
            self._due[name, windows] = now + pace_of(windows)
            reading = await self._one(name, slo, windows, now)
            self._board.budget(reading, keep=lasting + 2.0 * pace_of(windows))

    def _wanted(self) -> dict[tuple[str, Windows], tuple[Slo, float]]:
        """What the triggers and the open gates ask: each SLO and pair of windows, with the longest `for` of it."""
        found: dict[tuple[str, Windows], tuple[Slo, float]] = {}
        for term in asked(self._state()):
            condition = term.condition
            if term.slo is None or condition is None or condition.slo is None:
                continue
            key = (condition.slo, windows_of(term))
            known = found[key][1] if key in found else 0.0
            found[key] = (term.slo, max(known, condition.for_ or 0.0))
        return found

    async def _one(self, name: str, slo: Slo, windows: Windows, now: float) -> BudgetReading:
        def lost(status: Status, note: str) -> BudgetReading:
            return BudgetReading(
                source=slo.source,
                slo=name,
                status=status,
                data_at=now,
                received_at=time.time(),
                windows=windows,
                note=note,
            )

        try:
            source = self._metrics(slo.source)
        except AdapterError as error:
            return lost("error", str(error))
        if not source.abilities.range:
            return lost("error", f"source {slo.source} cannot be asked about its past, and a burn rate is of the past")
        long, short = await source.read([_query(name, slo, seconds) for seconds in windows], now)
        if long.status != "ok":
            return lost(long.status, long.note)
        # No request in the short window burns nothing; that it could not be read is another thing.
        if not _is_told(short):
            return lost(short.status, short.note)
        try:
            minutes = await _minutes(source, name, slo, windows, now)
        except AdapterError as error:
            return lost("error", str(error))
        if minutes.lost is not None:
            return lost(minutes.lost.status, minutes.lost.note)
        if not minutes.is_fine:
            few = f"{slo.source} has too few scrapes in {duration(windows[1])} to tell two pieces of it apart"
            return lost("error", f"{few}: scrape more often, or give the condition longer windows, like [6h, 30m]")
        return BudgetReading(
            source=slo.source,
            slo=name,
            status="ok",
            data_at=long.data_at,
            received_at=max(long.received_at, short.received_at),
            windows=windows,
            long=_spent(long, minutes.long),
            short=_spent(short, minutes.short),
            left=await self._what_is_left(source, name, slo, now),
            note=long.note,
        )

    async def _what_is_left(self, source: MetricSource, name: str, slo: Slo, now: float) -> float | None:
        """The part of the budget that is left, asked now and then; None where the source does not say."""
        asked_at, left = self._left.get(name, (0.0, None))
        if now - asked_at < LEFT_S:
            return left
        (whole,) = await source.read([_query(name, slo, slo.window)], now)
        allowed = (1.0 - slo.objective) * (whole.total or 0.0)
        left = 1.0 - (whole.bad or 0.0) / allowed if whole.status == "ok" and allowed > 0.0 else None
        self._left[name] = (now, left)
        return left


class _Minutes(Struct, frozen=True, kw_only=True):
    """In how many pieces of each window there was a bad request. is_fine: the short one is told in pieces enough.

    lost: a reading that was no answer, where there was one.
    """

    long: int = 0
    short: int = 0
    is_fine: bool = False
    lost: Reading | None = None


async def _minutes(source: MetricSource, name: str, slo: Slo, windows: Windows, now: float) -> _Minutes:
    """In how many different minutes of the long and of the short window there was a bad request. Raises AdapterError.

    Where a minute is too short for the source to tell an increase in each, longer pieces are counted too, and the most
    of any length is taken: pieces do not overlap, so it is never more than there were.
    """
    most = _Minutes()
    for seconds in BUCKETS_S:
        pieces = int(windows[0] // seconds)
        start = now - (pieces - 1) * seconds
        (readings,) = await source.range([_query(name, slo, seconds)], start, now, seconds)
        lost = next((one for one in readings if one.status not in ("ok", "nodata")), None)
        if lost is not None:
            return _Minutes(lost=lost)
        told = [one for one in readings if _is_told(one)]
        bad = [one.data_at for one in told if (one.bad or 0.0) > 0.0]
        recent = now - windows[1]
        most = _Minutes(
            long=max(most.long, len(bad)),
            short=max(most.short, sum(at > recent for at in bad)),
            is_fine=most.is_fine or sum(one.data_at > recent for one in told) >= MINUTES_SHORT,
        )
        if len(told) == len(readings):
            break
    return most


def _is_told(reading: Reading) -> bool:
    """Whether it is known what was spent: by requests, or because nobody came."""
    return reading.status == "ok" or reading.total == 0.0


def _spent(reading: Reading, minutes: int) -> Spent:
    return Spent(bad=reading.bad or 0.0, total=reading.total or 0.0, minutes=minutes)


def _query(name: str, slo: Slo, seconds: float) -> Query:
    def fill(text: str) -> str:
        return text.replace("$window", f"{seconds:.0f}s")

    return Query(
        signal=f"slo {name}", bad=fill(slo.bad), total=fill(slo.total), as_increase=True, window=seconds, every=60.0
    )
