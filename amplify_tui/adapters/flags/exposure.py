"""Watching what applications evaluate, for the board: an ExposureReading per flag, from what their SDKs report.

Beside the counts it reads the flag itself, since the share must be compared with the rules of the same moment. What
the counts mean is decided in verdict/usage.py and verdict/exposure.py; here is what has to be fetched for it.
"""

from __future__ import annotations

import contextlib

from amplify_tui.adapters.flags import audience
from amplify_tui.adapters.flags.asked import asked, regrouped
from amplify_tui.adapters.flags.port import FlagRules, State, TellsUsage
from amplify_tui.adapters.ports import AdapterError, FlagProvider, FlagState, RateLimited
from amplify_tui.verdict.exposure import findings, of_usage, silent
from amplify_tui.verdict.model import Asked, ExposureReading, FlagUse, Status
from amplify_tui.verdict.usage import Tally, idle, ruled, tallied


class ExposureWatch:
    """What one source's flags ask for, and what applications tell of them. `poll` never raises for the world's faults.

    poll_s, report_s: how often applications ask for their flags, and how long until the server tells what they did.
    """

    def __init__(
        self, provider: FlagProvider, rules: FlagRules, *, source: str, poll_s: float, report_s: float
    ) -> None:
        self.source = source
        self._provider = provider
        self._rules = rules
        self._poll_s = poll_s
        self._report_s = report_s
        self._tallies: dict[str, Tally] = {}
        self._states: dict[str, FlagState] = {}
        self._regrouped: dict[tuple[str, str, str], str] = {}

    def rest(self, flag: str) -> None:
        """Nobody gets the flag now, so nothing is read of it; who gets it first is seen from here."""
        self._tallies[flag] = idle(self._tallies.get(flag, Tally()))

    def rules_of(self, flag: str) -> tuple[Asked, float] | None:
        """What the flag's rules ask for, and since when they were seen to; None where they were not read yet."""
        tally = self._tallies.get(flag)
        return None if tally is None or tally.asked is None else (tally.asked, tally.since)

    async def poll(self, flag: str, left: State | None, now: float, known: str = "") -> ExposureReading | None:
        """What applications evaluated of *flag* since its rules last changed; None where its provider is never told.

        left: the flag's state as the run left it. known: the fingerprint of the flag as it was read a moment ago; where
        it is that of the last poll the flag is not read again.
        """
        tally = self._tallies.get(flag, Tally())
        told = self._provider if isinstance(self._provider, TellsUsage) else None
        try:
            state = await self._state(flag, known)
            uses = await told.usage(flag) if told is not None else ()
        except RateLimited as error:
            return self._lost(flag, tally, "stale", str(error), now) if told is not None else None
        except AdapterError as error:
            return self._lost(flag, tally, "error", str(error), now) if told is not None else None
        tally = ruled(tally, asked(state.raw), state.fingerprint, now)
        self._tallies[flag] = tally
        return await self._told(told, tally, state, uses, left, now) if told is not None else None

    async def _state(self, flag: str, known: str) -> FlagState:
        seen = self._states.get(flag)
        if seen is None or not known or seen.fingerprint != known:
            seen = self._states[flag] = (await self._provider.read([flag]))[flag]
        return seen

    async def _told(
        self,
        told: TellsUsage,
        tally: Tally,
        state: FlagState,
        uses: tuple[FlagUse, ...],
        left: State | None,
        now: float,
    ) -> ExposureReading:
        lag = self._poll_s + self._report_s
        tally = self._tallies[state.key] = tallied(tally, uses, state.env, now, lag)
        found = findings(
            tally,
            uses,
            state.env,
            now=now,
            report=self._report_s,
            last_seen={app: await _last_seen(told, app) for app in silent(tally, now, self._report_s)},
            regrouped=await self._moved(state, left) if left is not None and state.exists else "",
        )
        return of_usage(
            tally, source=self.source, flag=state.key, now=now, lag=lag, report=self._report_s, findings=found
        )

    def _lost(self, flag: str, tally: Tally, status: Status, note: str, now: float) -> ExposureReading:
        """A reading without a value: what was counted before is history, and `data_at` says how old it is."""
        at = tally.counted_at or tally.read_at
        return ExposureReading(
            source=self.source, flag=flag, origin="usage", status=status, data_at=at, received_at=now, note=note
        )

    async def _moved(self, state: FlagState, left: State) -> str:
        """What became of the groups that we left, and who joins and leaves by it; "" where they are ours still."""
        moved = regrouped(left, state.raw)
        if not moved:
            return ""
        key = (state.key, self._rules.fingerprint(left), state.fingerprint)
        if key not in self._regrouped:
            try:
                before = await self._provider.with_segments(self._rules.state(state.key, state.env, left))
                after = await self._provider.with_segments(state)
            except AdapterError as error:
                return f"{moved}; who is affected is not known: {error}"
            who = await audience.in_turn(audience.in_words, self._rules, before, after)
            self._regrouped[key] = f"{moved}; {who}"
        return self._regrouped[key]


async def _last_seen(told: TellsUsage, app: str) -> float | None:
    with contextlib.suppress(AdapterError):  # that it is silent is known without it
        return await told.last_seen(app)
    return None
