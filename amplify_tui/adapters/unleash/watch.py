"""Watching flags for the board: a FlagReading per flag and poll, as cheaply as the tokens allow.

With a client token one conditional GET says whether anything changed in the environment (0.7 ms where nothing did);
only flags whose client payload changed are read in full, and all of them each minute, because commits can become
visible out of order and because titles and disabled strategies are not in that payload. Without one each flag is read
each time: poll slower then. A flag that cannot be read is a reading with its status, never a silence and never the
old value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.flags.state import canonical, exposed
from amplify_tui.adapters.http import Answer
from amplify_tui.adapters.ports import AdapterError, FlagState, Invalid, RateLimited
from amplify_tui.adapters.unleash.provider import UnleashProvider
from amplify_tui.verdict.model import FlagReading

RESYNC: Final = 60.0


class FlagWatch:
    """The flags of one source. `poll` never raises for the world's faults."""

    def __init__(self, provider: UnleashProvider, *, source: str, flags: Sequence[str], resync: float = RESYNC) -> None:
        self.flags = tuple(flags)
        self.source = source
        self._provider = provider
        self._resync = resync
        self._etag = ""
        self._payload: dict[str, str] = {}
        self._states: dict[str, FlagState] = {}
        self._made: dict[str, tuple[FlagState, str, FlagReading]] = {}
        self._read_at = float("-inf")
        self._seen_at = 0.0

    @property
    def states(self) -> Mapping[str, FlagState]:
        """What each flag was when it was last read in full."""
        return self._states

    async def poll(self, now: float) -> list[FlagReading]:
        """One reading per flag, in their order. `data_at` is when the server last confirmed the value."""
        try:
            revision = await self._refresh(now)
        except RateLimited as error:
            return [self._lost(flag, now, "stale", str(error)) for flag in self.flags]
        except AdapterError as error:
            return [self._lost(flag, now, "error", str(error)) for flag in self.flags]
        self._seen_at = now
        return [self._reading(flag, now, revision) for flag in self.flags]

    async def _refresh(self, now: float) -> str:
        """Bring the states up to date; the revision they are of, where the server has one."""
        due = now - self._read_at >= self._resync
        if not self._provider.has_client_token:
            await self._read(self.flags, now)
            return ""
        answer = await self._provider.client_features(self._etag)
        if answer.status != 304:
            payload = features(answer)
            changed = [flag for flag in self.flags if payload.get(flag) != self._payload.get(flag)]
            if not due:
                await self._read([*changed, *(flag for flag in self.flags if flag not in self._states)], now)
            # Only now: where the reads failed, the next poll must find the same difference again.
            self._payload, self._etag = payload, answer.headers.get("etag", "")
        if due:
            await self._read(self.flags, now)
        return revision_of(self._etag)

    async def _read(self, flags: Sequence[str], now: float) -> None:
        self._states |= await self._provider.read(flags)
        if set(flags) == set(self.flags):
            self._read_at = now

    def _reading(self, flag: str, now: float, revision: str) -> FlagReading:
        """The reading of this moment. Where nothing changed only its times do: 500 flags are read each second."""
        state, payload = self._states[flag], self._payload.get(flag, "")
        made = self._made.get(flag)
        if made is None or made[0] is not state or made[1] != payload:
            made = self._made[flag] = (state, payload, self._fresh(flag, state, payload))
        return replace(made[2], data_at=now, received_at=now, revision=revision)

    def _fresh(self, flag: str, state: FlagState, payload: str) -> FlagReading:
        titled = (f"{one.title}: {one.rule}" if one.title else one.rule for one in state.strategies)
        return FlagReading(
            source=self.source,
            flag=flag,
            status="ok" if state.exists else "nodata",
            data_at=0.0,
            received_at=0.0,
            enabled=state.enabled if state.exists else None,
            percent=exposed(state.raw) if state.exists else None,
            rules=tuple(clean(one, 200) for one in titled),
            says=state.says,
            fingerprint=state.fingerprint,
            reach=hashlib.sha256(payload.encode()).hexdigest()[:16] if payload else "",
            note="" if state.exists else "there is no such flag, or it is archived",
        )

    def _lost(self, flag: str, now: float, status: Any, note: str) -> FlagReading:
        """A reading without a value: what was last known is history, and `data_at` says how old it is."""
        return FlagReading(
            source=self.source, flag=flag, status=status, data_at=self._seen_at, received_at=now, note=note
        )


def features(answer: Answer) -> dict[str, str]:
    """The client payload as one text per flag, to compare. Raises Invalid where it has another shape."""
    try:
        return {str(one["name"]): canonical(one) for one in answer.json()["features"]}
    except (KeyError, TypeError) as error:
        raise Invalid("the answer is no client payload", where=answer.where) from error


def revision_of(etag: str) -> str:
    """The environment's revision: the middle of `"<queryHash>:<revision>:v1"`."""
    parts = etag.strip('W/"').split(":")
    return parts[1] if len(parts) >= 2 else ""
