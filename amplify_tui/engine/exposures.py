"""What applications really evaluate of the run's flags, onto the board: from the flag server and from signals.

A flag that nobody gets is not asked about. Nothing is decided here: a share that is not the one asked for is shown.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from amplify_tui.adapters.flags.exposure import ExposureWatch
from amplify_tui.adapters.flags.kinds import kind_name
from amplify_tui.engine.board import Board
from amplify_tui.engine.world import LiveWorld
from amplify_tui.playbook.model import Playbook, Source
from amplify_tui.run.drift import image, left_by
from amplify_tui.run.state import State
from amplify_tui.steps.cohorts import signal_of
from amplify_tui.verdict.exposure import of_signal
from amplify_tui.verdict.model import ExposureReading

SLOWEST_S: Final = 30.0
FASTEST_S: Final = 1.0

Chore = tuple[str, Callable[[], Awaitable[None]], float]


class Exposures:
    """Reads the usage of every flag that somebody gets, each source at the pace at which its counts move."""

    def __init__(self, playbook: Playbook, world: LiveWorld, board: Board, state: Callable[[], State]) -> None:
        self._playbook = playbook
        self._world = world
        self._board = board
        self._state = state

    def chores(self, flags: Mapping[str, Sequence[str]]) -> list[Chore]:
        """What to do how often, for the flags of each source."""
        found: list[Chore] = []
        for source, names in flags.items():
            spec = self._playbook.sources.get(source)
            if spec is not None and kind_name(spec):
                pace = min(SLOWEST_S, max(FASTEST_S, spec.report / 3))
                found.append((f"usage {source}", self._usage(source, spec, names), pace))
        return found

    def _usage(self, source: str, spec: Source, flags: Sequence[str]) -> Callable[[], Awaitable[None]]:
        watch: ExposureWatch | None = None
        counted = {flag: signal_of(self._playbook, source, flag) for flag in flags}

        async def read() -> None:
            nonlocal watch
            if watch is None:
                provider, rules = self._world.flags(source), self._world.flag_kind(source).rules
                watch = ExposureWatch(provider, rules, source=source, poll_s=spec.poll, report_s=spec.report)
            for flag in flags:
                await self._one(watch, flag, counted[flag], spec.poll)

        return read

    async def _one(self, watch: ExposureWatch, flag: str, signal: str | None, poll: float) -> None:
        key = f"{watch.source}/{flag}"
        last = self._board.flag_reading(key)
        if last is None or last.status == "nodata":
            return
        if last.status == "ok" and not (last.enabled and last.percent):
            watch.rest(flag)
            self._board.unexposed(key)
            return
        left = left_by(self._state(), key)
        state = image(left) if left is not None else None
        ours = state if isinstance(state, dict) else None
        self._post(await watch.poll(flag, ours, time.time(), known=last.fingerprint if last.status == "ok" else ""))
        if signal is not None:
            self._post(self._counted(watch, flag, signal, poll))

    def _counted(self, watch: ExposureWatch, flag: str, signal: str, poll: float) -> ExposureReading | None:
        """The share of requests by the cohorts of *signal*, as the board has them."""
        rules, pair = (
            watch.rules_of(flag),
            [self._board.signal_reading(signal, one) for one in ("treatment", "control")],
        )
        treatment, control = pair
        if rules is None or treatment is None or control is None:
            return None
        asked, since = rules
        return of_signal(
            treatment, control, asked, source=watch.source, flag=flag, since=since, poll=poll, now=time.time()
        )

    def _post(self, reading: ExposureReading | None) -> None:
        if reading is not None:
            self._board.exposure(reading)
