"""Who changed each flag lately, and its rules in full, for the screens: one task for each source, beside its poller.

The audit trail costs a few calls a flag, so it is asked at the start and where a flag has just changed, one flag after
another, and never because a second has passed. A source that cannot tell it, or does not answer, is said so of, and
asked again a minute later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from amplify_tui.adapters.ports import AdapterError, FlagChange, FlagProvider, FlagState
from amplify_tui.verdict.flags import FlagEvent, FlagStory
from amplify_tui.verdict.model import FlagReading

KEPT: Final = 12  # newest changes of a flag; the board goes to every cockpit whole
LATE_S: Final = 5.0  # an audit trail shows an event after its effect, and out of order
AGAIN_S: Final = 60.0
NO_HISTORY: Final = "this kind of flags keeps no history of who changed what"

Post = Callable[[FlagStory], None]


class FlagStories:
    """The stories of one source's flags.

    provider: opens the source. remembers: whether it keeps a history at all. Both may raise AdapterError.
    """

    def __init__(
        self,
        source: str,
        provider: Callable[[], FlagProvider],
        post: Post,
        remembers: Callable[[], bool] = lambda: True,
    ) -> None:
        self.asked = 0  # how many flags were asked for, ever
        self._source = source
        self._provider = provider
        self._post = post
        self._remembers = remembers
        self._seen: dict[str, tuple[FlagState, str]] = {}
        self._stories: dict[str, FlagStory] = {}
        self._due: dict[str, None] = {}
        self._later: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._now = 0.0

    def look(self, readings: Sequence[FlagReading], states: Mapping[str, FlagState]) -> None:
        """Take note of a poll: what is new of a flag is told at once, and its changes are asked for soon."""
        for reading in readings:
            self._now = reading.received_at
            state = states.get(reading.flag)
            if state is not None and reading.status in ("ok", "nodata"):
                self._one(reading, state)
        for flag in [flag for flag, at in self._later.items() if at <= self._now]:
            del self._later[flag]
            self._due[flag] = None
        if self._due:
            self._wake.set()

    def _one(self, reading: FlagReading, state: FlagState) -> None:
        before = self._seen.get(reading.flag)
        self._seen[reading.flag] = (state, reading.reach)
        if before is not None and before[1] == reading.reach and (before[0] is state or before[0] == state):
            return
        self._tell(state)
        self._due[reading.flag] = None
        if before is not None:
            self._later[reading.flag] = self._now + LATE_S

    async def run(self) -> None:
        """Ask for whatever is due, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due:
                flag = next(iter(self._due))
                del self._due[flag]
                await self._ask(flag)

    async def _ask(self, flag: str) -> None:
        self.asked += 1
        state = self._seen[flag][0]
        try:
            provider = self._provider()
            if any(one.means.segments for one in state.strategies):
                state = await provider.with_segments(state)
            if not self._remembers():
                self._tell(state, note=NO_HISTORY)
                return
            changes = await provider.changes(flag, 0.0)
        except AdapterError as error:
            self._tell(state, note=str(error))
            # Who is down for one flag is down for all: none of them is worth a time-out of its own.
            for one in [flag, *self._due] if error.retryable else [flag]:
                self._due.pop(one, None)
                self._later[one] = self._now + AGAIN_S
            return
        self._tell(state, changes)

    def _tell(self, state: FlagState, changes: Sequence[FlagChange] | None = None, note: str = "") -> None:
        """Post what is known now; changes that are not asked for yet stay as they were last told."""
        story = self._stories.get(state.key) or FlagStory(source=self._source, flag=state.key)
        story = replace(
            story,
            fingerprint=state.fingerprint,
            says=state.says,
            kind=state.type,
            description=state.description,
            rules=tuple(one.means for one in state.strategies),
            note=note,
        )
        if changes is not None:
            newest = sorted(changes, key=lambda one: one.at, reverse=True)[:KEPT]
            events = tuple(FlagEvent(at=one.at, by=one.by, what=one.what, kind=one.kind) for one in newest)
            story = replace(story, events=events, last=events[0] if events else None, asked_at=self._now)
        self._stories[state.key] = story
        self._post(story)
