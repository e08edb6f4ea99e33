"""The board: the latest reading of every source, and as much history as the judging needs. In memory, never durable.

Readings reach the journal only as the evidence of a decision. After a crash the board is empty, so every gate is
undecided until fresh readings come: no data is not good news.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

import msgspec

from amplify_tui.run.select.signals import KEPT, key_of, point_of
from amplify_tui.run.shapes import GateNow, StepRef
from amplify_tui.verdict.model import (
    BudgetReading,
    Evidence,
    ExposureReading,
    FlagReading,
    InstanceReading,
    PastReading,
    Reading,
)

MIN_HISTORY_S: Final = 300.0
AS_MUCH_AGAIN: Final = 1.0  # histories that come on top of what has to be kept, before all of it is forgotten
RECENT_S: Final = 30.0
FLAGS_S: Final = 5.0  # a bake is measured from tick to tick
EXPOSURES_S: Final = 120.0
BUDGETS_S: Final = 3600.0
PASTS_S: Final = 3600.0
PRUNE_AT: Final = 100
_SPREAD: Final = 0.618034  # its multiples lie evenly between whole numbers, however many there are

Post = Callable[[str, Any], None]


def signal_key(signal: str, cohort: str | None) -> str:
    return f"{signal}:{cohort}" if cohort else signal


class Board:
    """Readings in, evidence out. `post` tells the followers; `values` is what a new follower gets whole."""

    def __init__(self, post: Post | None = None, record: Callable[[Reading], None] | None = None) -> None:
        """record: told of each reading of a signal, before anybody judges by it."""
        self.values: dict[str, Any] = {}
        self._record = record
        self.history_s = MIN_HISTORY_S
        self._post = post
        self._fleet: dict[tuple[str, str], list[InstanceReading]] = {}
        self._signals: dict[str, deque[Reading]] = {}
        self._slack: dict[str, float] = {}
        self._flags: dict[str, deque[FlagReading]] = {}
        self._exposures: dict[str, deque[ExposureReading]] = {}
        self._budgets: dict[str, deque[BudgetReading]] = {}
        self._pasts: dict[str, deque[PastReading]] = {}
        self._returns = _Returns()
        self._listeners: list[Callable[[InstanceReading], None]] = []

    def connect(self, post: Post) -> None:
        """Followers get what is posted from now on."""
        self._post = post

    def keep(self, seconds: float) -> None:
        """From now on keep the readings of signals for at least so long."""
        self.history_s = max(self.history_s, seconds)

    def post(self, key: str, value: Any) -> None:
        """The latest value of *key*: plain JSON."""
        self.values[key] = value
        if self._post is not None:
            self._post(key, value)

    def listen(self, listener: Callable[[InstanceReading], None]) -> None:
        """Each look at an instance goes to *listener* too, from now on."""
        self._listeners.append(listener)

    def forget(self) -> None:
        """Forget every reading, as after a crash: the clock was set back, and none could be told from a fresh one.

        What followers are shown stays until the next reading of the same source.
        """
        for series in (self._fleet, self._signals, self._flags, self._exposures, self._budgets, self._pasts):
            series.clear()
        self._returns = _Returns()

    def instance(self, reading: InstanceReading) -> None:
        """What an instance last answered; earlier answers stay as long as they tell a change."""
        for listener in self._listeners:
            listener(reading)
        self._returns.heard(f"{reading.service}/{reading.instance}", reading.status == "ok", reading.received_at)
        history = self._fleet.setdefault((reading.service, reading.instance), [])
        history.append(reading)
        if len(history) > PRUNE_AT:
            history[:] = _pruned(history, reading.received_at - RECENT_S)
        self.post(f"health:{reading.service}/{reading.instance}", msgspec.to_builtins(reading))

    def signal(self, reading: Reading) -> None:
        key = signal_key(reading.signal, reading.cohort)
        history = self._signals.setdefault(key, deque())
        history.append(reading)
        if self._record is not None:
            self._record(reading)
        # Seldom, and much at once: judging goes on from the last tick for as long as nothing but new readings came, and
        # begins anew with what is left. The first time some of it, for each signal another part: else those that began
        # together all began anew in one tick.
        over = self._slack.setdefault(key, AS_MUCH_AGAIN * (len(self._slack) * _SPREAD % 1.0))
        if history[0].received_at < reading.received_at - (1.0 + over) * self.history_s:
            self._slack[key] = AS_MUCH_AGAIN
            while history[0].received_at < reading.received_at - self.history_s:
                history.popleft()
        self.post(f"signal:{key}", msgspec.to_builtins(reading))
        course = [point_of(one) for one in islice(history, max(0, len(history) - KEPT), None)]
        self.post(key_of(reading.signal, reading.cohort), msgspec.to_builtins(course))

    def flag(self, reading: FlagReading) -> None:
        key = f"{reading.source}/{reading.flag}"
        self._returns.heard(key, reading.status == "ok", reading.received_at)
        _keep(self._flags.setdefault(key, deque()), reading, FLAGS_S)
        self.post(f"flag:{key}", msgspec.to_builtins(reading))

    def exposure(self, reading: ExposureReading) -> None:
        """What applications evaluate of a flag, by one origin that counts it."""
        key = f"{reading.source}/{reading.flag}:{reading.origin}"
        _keep(self._exposures.setdefault(key, deque()), reading, EXPOSURES_S)
        self.post(f"seen:{key}", msgspec.to_builtins(reading))

    def budget(self, reading: BudgetReading, keep: float = 0.0) -> None:
        """How fast an error budget burns, over one pair of windows. keep: seconds that a judge looks back at least."""
        long, short = reading.windows
        key = f"{reading.slo}:{long:.0f}/{short:.0f}"
        _keep(self._budgets.setdefault(key, deque()), reading, max(keep, BUDGETS_S))
        self.post(f"budget:{key}", msgspec.to_builtins(reading))

    def past(self, reading: PastReading) -> None:
        """What a signal was like in the same hour of the past."""
        key = f"{reading.signal}:{reading.when}"
        _keep(self._pasts.setdefault(key, deque()), reading, PASTS_S)
        self.post(f"past:{key}", msgspec.to_builtins(reading))

    def unexposed(self, flag: str) -> None:
        """Nobody gets the flag any more: what was seen of it is over."""
        for key in [one for one in self._exposures if one.startswith(f"{flag}:")]:
            del self._exposures[key]
            self.post(f"seen:{key}", None)

    def gate(self, ref: StepRef, gate: GateNow) -> None:
        """What the gate of a step says now."""
        self.post(f"gate:{ref}", msgspec.to_builtins(gate))

    def back_since(self, target: str) -> float:
        """When an instance or a flag answered again after a silence (Unix seconds); 0.0 where it never fell silent.

        *target* is the id that effects on it have: `service/instance`, or `source/flag`.
        """
        return self._returns.at.get(target, 0.0)

    def signal_reading(self, signal: str, cohort: str | None = None) -> Reading | None:
        """The latest reading of a signal, of one cohort where it has them."""
        history = self._signals.get(signal_key(signal, cohort))
        return history[-1] if history else None

    def flag_reading(self, key: str) -> FlagReading | None:
        """The latest reading of a flag, by its id `source/name`."""
        history = self._flags.get(key)
        return history[-1] if history else None

    def latest(self, service: str, instance: str) -> InstanceReading | None:
        history = self._fleet.get((service, instance))
        return history[-1] if history else None

    def evidence(self) -> Evidence:
        """Everything there is, each series with its oldest first."""
        series = {(h[-1].signal, h[-1].cohort): list(h) for h in self._signals.values()}
        fleet = sorted((r for h in self._fleet.values() for r in h), key=lambda r: r.received_at)
        flags = tuple(r for h in self._flags.values() for r in h)
        exposures = tuple(r for h in self._exposures.values() for r in h)
        budgets = tuple(r for h in self._budgets.values() for r in h)
        pasts = tuple(r for h in self._pasts.values() for r in h)
        return Evidence.of(series, fleet=tuple(fleet), flags=flags, exposures=exposures, budgets=budgets, pasts=pasts)

    def now_only(self) -> Evidence:
        """The latest reading of each source: what a command carries when it asks about this moment.

        Of the past all: a good answer serves for a while when the latest is none.
        """
        return Evidence(
            signals=tuple(h[-1] for h in self._signals.values()),
            fleet=tuple(h[-1] for h in self._fleet.values()),
            flags=tuple(h[-1] for h in self._flags.values()),
            exposures=tuple(h[-1] for h in self._exposures.values()),
            budgets=tuple(h[-1] for h in self._budgets.values()),
            pasts=tuple(r for h in self._pasts.values() for r in h),
        )


class _Returns:
    """When each target answered again after a silence (`at`, Unix seconds)."""

    def __init__(self) -> None:
        self._well: dict[str, bool] = {}
        self.at: dict[str, float] = {}

    def heard(self, target: str, well: bool, at: float) -> None:
        if well and self._well.get(target) is False:
            self.at[target] = at
        self._well[target] = well


def _keep(history: deque[Any], reading: Any, seconds: float) -> None:
    history.append(reading)
    while history[0].received_at < reading.received_at - seconds:
        history.popleft()


def _pruned(history: list[InstanceReading], before: float) -> list[InstanceReading]:
    """All of the recent past, for a bake is measured reading by reading; of what is older only what tells a change."""
    kept: list[InstanceReading] = []
    for reading in history:
        if not kept or reading.received_at >= before or not _same(kept[-1], reading):
            kept.append(reading)
    return kept


def _same(one: InstanceReading, other: InstanceReading) -> bool:
    return (one.status, one.ok, one.version, one.started) == (other.status, other.ok, other.version, other.started)
