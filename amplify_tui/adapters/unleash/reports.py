"""What applications report to Unleash, as its admin API tells it: the half of the provider that is about their SDKs."""

from __future__ import annotations

from amplify_tui.adapters.http import Http, skew
from amplify_tui.adapters.unleash.ops import segment
from amplify_tui.adapters.unleash.usage import last_seen, usage
from amplify_tui.verdict.model import FlagUse


class Reports:
    """A part of UnleashProvider, which sets what it needs."""

    environment: str
    _admin: Http

    async def uses(self, key: str) -> tuple[FlagUse, ...]:
        """Who asked for the flag in this environment within this hour and the last. Raises AdapterError."""
        return tuple(use for use in await self.usage(key) if use.env == self.environment)

    async def usage(self, key: str) -> tuple[FlagUse, ...]:
        """Who asked for the flag in any environment within this hour and the last, a hundred applications at most.

        Raises AdapterError.
        """
        path = f"/api/admin/client-metrics/features/{segment(key)}/raw"
        # 1 would be this hour alone: nothing at all in its first minute.
        return usage((await self._admin.read("GET", path, params={"hoursBack": "2"})).json())

    async def last_seen(self, app: str) -> float | None:
        """When an instance of *app* last told this environment anything, by our clock; None where none did for a day.

        It registers at its start, and reports what it evaluated: one that only polls moves nothing. The server writes
        it down each 20 s. Raises AdapterError.
        """
        path = f"/api/admin/metrics/instances/{segment(app)}/environment/{segment(self.environment)}"
        answer = await self._admin.read("GET", path)
        at = last_seen(answer.json())
        return None if at is None else at - (skew(answer) or 0.0)
