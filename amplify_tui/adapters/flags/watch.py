"""Watching flags whose provider can name a revision: read again only where it is another one.

What was not asked again keeps the time at which it was last confirmed, so that its age is true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.flags.port import FlagRules
from amplify_tui.adapters.ports import AdapterError, FlagState, RateLimited
from amplify_tui.verdict.model import FlagReading, Status

EVERY: Final = 5.0


class HasRevision(Protocol):
    async def read(self, keys: Sequence[str]) -> dict[str, FlagState]: ...

    async def revision(self) -> str: ...


class RevisionWatch:
    """The flags of one source, asked for at most each *every* seconds. `poll` never raises for the world's faults."""

    def __init__(
        self, provider: HasRevision, rules: FlagRules, *, source: str, flags: Sequence[str], every: float = EVERY
    ) -> None:
        self.flags = tuple(flags)
        self.source = source
        self._provider = provider
        self._rules = rules
        self._every = every
        self._revision = ""
        self._states: dict[str, FlagState] = {}
        self._asked_at = float("-inf")
        self._seen_at = 0.0
        self._readings: list[FlagReading] = []

    @property
    def states(self) -> Mapping[str, FlagState]:
        """What each flag was when it was last read in full."""
        return self._states

    async def poll(self, now: float) -> list[FlagReading]:
        """One reading per flag, in their order; the last ones again where it is too early to ask."""
        if 0 <= now - self._asked_at < self._every:
            return self._readings
        self._asked_at = now
        try:
            revision = await self._provider.revision()
            if revision != self._revision or not self._states:
                self._states = await self._provider.read(self.flags)
                self._revision = revision
        except RateLimited as error:
            return self._lost(now, "stale", str(error))
        except AdapterError as error:
            return self._lost(now, "error", str(error))
        self._seen_at = now
        self._readings = [
            reading_of(self._rules, self.source, self._states[flag], now, revision=self._revision)
            for flag in self.flags
        ]
        return self._readings

    def _lost(self, now: float, status: Status, note: str) -> list[FlagReading]:
        """Readings without a value: what was last known is history, and `data_at` says how old it is."""
        self._readings = [
            FlagReading(source=self.source, flag=flag, status=status, data_at=self._seen_at, received_at=now, note=note)
            for flag in self.flags
        ]
        return self._readings


def reading_of(
    rules: FlagRules, source: str, state: FlagState, now: float, *, revision: str = "", reach: str = ""
) -> FlagReading:
    """What the board shows of a state that was just confirmed."""
    return FlagReading(
        source=source,
        flag=state.key,
        status="ok" if state.exists else "nodata",
        data_at=now,
        received_at=now,
        enabled=state.enabled if state.exists else None,
        percent=rules.exposed(state.raw) if state.exists else None,
        rules=tuple(clean(f"{one.title}: {one.rule}" if one.title else one.rule, 200) for one in state.strategies),
        says=state.says,
        fingerprint=state.fingerprint,
        reach=reach,
        revision=revision,
        note="" if state.exists else "there is no such flag, or it is archived",
    )
