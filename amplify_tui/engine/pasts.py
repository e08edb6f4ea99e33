"""What signals were like in the same hour yesterday, or a week ago, where a gate or a trigger compares with it.

Asked of the source's own past when first judged by, and every ten minutes again, by the queries and at the pace of the
signal itself, so that its blocks are made as those of now are. The board holds one number a block. Nothing is judged
here; an ask that failed is an answer that says so, and is tried again after a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from amplify_tui.adapters.ports import AdapterError, MetricSource
from amplify_tui.engine.board import Board
from amplify_tui.engine.budgets import asked
from amplify_tui.engine.queries import queries_of
from amplify_tui.playbook.model import Signal
from amplify_tui.run.state import State
from amplify_tui.verdict.model import Past, PastReading, Reading, Status
from amplify_tui.verdict.past import AGO_S, ENOUGH, HALF_S, PACE_S, levels_of
from amplify_tui.verdict.promises import Promise, is_sequential
from amplify_tui.verdict.trials import cached_promise

RETRY_S: Final = 60.0


class Pasts:
    """Asks for the past of each signal that somebody compares with it at this moment."""

    def __init__(self, metrics: Callable[[str], MetricSource], board: Board, state: Callable[[], State]) -> None:
        """metrics: the source of a name; raises AdapterError where there is none."""
        self._metrics = metrics
        self._board = board
        self._state = state
        self._due: dict[tuple[str, Past], float] = {}

    async def read(self) -> None:
        """Ask for what is due now; called each second."""
        for (name, when), (signal, promise) in self._wanted().items():
            now = time.time()
            if self._due.get((name, when), 0.0) > now:
                continue
            self._due[name, when] = now + RETRY_S
            reading = await self._one(name, when, signal, promise, now)
            if reading.status in ("ok", "nodata"):
                self._due[name, when] = now + PACE_S
            self._board.past(reading)

    def _wanted(self) -> dict[tuple[str, Past], tuple[Signal, Promise]]:
        """By signal and time: conditions on one signal share its blocks, whatever else they ask."""
        found: dict[tuple[str, Past], tuple[Signal, Promise]] = {}
        for term in asked(self._state()):
            promise = cached_promise(term) if is_sequential(term) else None
            if isinstance(promise, Promise) and promise.past and term.signal is not None:
                found[promise.rule.signal, promise.past] = (term.signal, promise)
        return found

    async def _one(self, name: str, when: Past, signal: Signal, promise: Promise, now: float) -> PastReading:
        middle = now - AGO_S[when]

        def told(status: Status, note: str = "", levels: tuple[float, ...] = ()) -> PastReading:
            return PastReading(
                source=signal.source,
                signal=name,
                when=when,
                status=status,
                data_at=middle,
                received_at=time.time(),
                levels=levels,
                note=note,
            )

        try:
            source = self._metrics(signal.source)
            if not source.abilities.range:
                return told("error", f"source {signal.source} cannot be asked about its past")
            (readings,) = await source.range(
                queries_of(name, signal), middle - HALF_S, middle + HALF_S, max(1.0, signal.every)
            )
        except AdapterError as error:
            return told("error", str(error))
        levels = levels_of(readings, promise)
        lost = _lost(readings) if len(levels) < ENOUGH else None
        if lost is not None:
            return told(lost.status, lost.note)
        return told("ok", levels=levels) if levels else told("nodata")


def _lost(readings: Sequence[Reading]) -> Reading | None:
    """The first that was no answer; that there was no data is one."""
    return next((one for one in readings if one.status not in ("ok", "nodata")), None)
