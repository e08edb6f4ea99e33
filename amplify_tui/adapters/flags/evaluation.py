"""Who gets a flag: evaluated by the engine that the SDKs themselves run, on what the server gives to applications.

The payload is fetched elsewhere (UnleashProvider.client_features), so a failed fetch is an error and not "off", which
is what an SDK would answer. Custom fields of a context stand in `properties`, as text; a missing stickiness field gives
0 %. The engine is a native library and is loaded at first use.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from amplify_tui.adapters.flags.state import SEGMENT_RULES
from amplify_tui.adapters.ports import FlagState, Invalid, NotFound

Context = Mapping[str, Any]


class Exposure(Struct, frozen=True, kw_only=True):
    """How many of a population get the flag. `percent` is of the whole population."""

    flag: str
    enabled: int
    total: int

    @property
    def percent(self) -> float:
        return 100.0 * self.enabled / self.total if self.total else 0.0


class Evaluator:
    """One environment's flags, ready to be asked. Not for two threads at once."""

    def __init__(self, payload: str | bytes) -> None:
        """payload: the body of `/api/client/features`. Raises Invalid where the engine cannot take it."""
        from yggdrasil_engine.engine import UnleashEngine, YggdrasilError

        text = payload.decode() if isinstance(payload, bytes) else payload
        self._engine = UnleashEngine()
        try:
            self._engine.take_state(text)
        except (YggdrasilError, ValueError, KeyError) as error:
            raise Invalid(f"the engine refuses the payload: {error}") from error

    @classmethod
    def of(cls, states: Iterable[FlagState]) -> Evaluator:
        """An evaluator of states as planned or read, for a preview: nothing is fetched."""
        return cls(cls.payload(states))

    @staticmethod
    def payload(states: Iterable[FlagState]) -> str:
        """What the server would give to applications that knew only *states*.

        A segment is none of a flag's own data: where a strategy uses one, its constraints have to be there as well.
        Raises Invalid where they are not.
        """
        features = [as_client(state) for state in states if state.exists]
        return json.dumps({"version": 2, "features": features}, sort_keys=True)

    def is_enabled(self, flag: str, context: Context) -> bool:
        """Whether a user of *context* gets the flag. Raises NotFound for one the payload does not know."""
        result = self._engine.check_enabled(flag, dict(context))
        if not result.is_found:
            raise NotFound(f"there is no flag {flag} in what applications see")
        return bool(result.is_enabled)

    def users(self, flag: str, contexts: Sequence[Context]) -> frozenset[int]:
        """Which of *contexts* (by position) get the flag: two of these compare before and after, user by user."""
        return frozenset(at for at, context in enumerate(contexts) if self.is_enabled(flag, context))

    def exposure(self, flag: str, contexts: Sequence[Context]) -> Exposure:
        return Exposure(flag=flag, enabled=len(self.users(flag, contexts)), total=len(contexts))


def population(size: int, *, properties: Mapping[str, str] | None = None, seed: str = "user") -> list[dict[str, Any]]:
    """*size* made-up users, always the same ones: ids `seed-1` ... and a session each."""
    fixed = dict(properties or {})
    return [{"userId": f"{seed}-{n}", "sessionId": f"s-{seed}-{n}", "properties": fixed} for n in range(1, size + 1)]


def as_client(state: FlagState) -> dict[str, Any]:
    """A flag as the server would give it to applications: without disabled strategies, ids and titles."""
    strategies = [_strategy(state.key, one.raw) for one in state.strategies if not one.disabled]
    return {"name": state.key, "type": state.type or "release", "enabled": state.enabled, "strategies": strategies}


def _strategy(flag: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    if raw.get("segments") and SEGMENT_RULES not in raw:
        raise Invalid(f"{flag} uses segments, and what they hold is not known here")
    kept = {name: raw[name] for name in ("name", "parameters", "variants") if name in raw}
    return kept | {"constraints": [*(raw.get("constraints") or ()), *(raw.get(SEGMENT_RULES) or ())]}
