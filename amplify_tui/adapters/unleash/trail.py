"""Reading Unleash's audit trail: where it stands, what came since, who changed a flag. The only place that asks for it.

The server stamps events with its database's clock, which may be an hour away from ours. So nothing of ours is compared
with an event's time as it stands: a mark is a set of ids, and where a moment of ours is asked for, the difference of
the clocks is measured first, from events that are known to have happened between two looks, else from the server's
`Date`. Where both clocks may as well agree, they are taken to.
"""

from __future__ import annotations

import time
from collections.abc import Set
from typing import Final

from msgspec import Struct

from amplify_tui.adapters.http import Answer, Http, skew
from amplify_tui.adapters.ports import AdapterError, FlagChange, Unreachable
from amplify_tui.adapters.unleash.events import Event, changes, exposes, moment, page

PAGE: Final = 100
LONG_PAGE: Final = 1000  # the most that the server gives; asked for more it gives 50
MOST: Final = 10_000  # events that are looked through for one question
SLACK_S: Final = 60.0  # by which events come out of their order, with much to spare
DATE_S: Final = 1.5  # what a `Date` may be behind: it has whole seconds, and an answer takes its time


class Mark(Struct, frozen=True, kw_only=True):
    """Where the trail of a flag stood: its newest events. `at` is our clock; of ids up to `oldest` nothing is known."""

    ids: frozenset[int]
    oldest: int
    at: float


class Trail:
    """The audit trail of one server. `me`: the server's number of who we are, where it says so."""

    def __init__(self, admin: Http) -> None:
        self._admin = admin
        self._measured: float | None = None
        self._by_date = 0.0
        self.me: int | None = None

    async def mark(self, key: str) -> Mark | None:
        """Where the flag's trail stands; None where the server does not let us read it. Raises Unreachable."""
        try:
            if self.me is None:
                self.me = await self._who()
            at = time.time()
            events = await self._page(f"feature=IS:{key}", 0, PAGE)
        except Unreachable:
            raise
        except AdapterError:
            return None
        ids = frozenset(event["id"] for event in events)
        return Mark(ids=ids, oldest=min(ids, default=0) if len(events) == PAGE else 0, at=at)

    async def since(self, key: str, mark: Mark) -> list[Event]:
        """The flag's events after the mark, in the order of their ids; also those that became visible late.

        Raises AdapterError.
        """
        found: dict[int, Event] = {}
        offset, limit = 0, PAGE
        while offset < MOST:
            events = await self._page(f"feature=IS:{key}", offset, limit)
            found |= {e["id"]: e for e in events if e["id"] not in mark.ids and e["id"] > mark.oldest}
            if len(events) < limit or any(event["id"] in mark.ids for event in events):
                break
            offset, limit = offset + len(events), LONG_PAGE
        if found:
            self._measure(max(moment(event) for event in found.values()), mark.at, time.time())
        return [found[id_] for id_ in sorted(found)]

    async def changes(self, key: str, env: str, since: float, segments: Set[int]) -> list[FlagChange]:
        """Who changed the flag or one of these segments after *since*, both by our clock. Raises AdapterError."""
        pages = [await self._back_to(since, f"feature=IS:{key}")]
        if segments:
            # Changing a segment changes whom the flag reaches, under an event that names no flag.
            pages.append(await self._back_to(since, "type=IS:segment-updated"))
        return changes(pages, key=key, env=env, since=since, segments=segments, ahead=self.ahead)

    async def exposed_since(self, key: str, env: str) -> float | None:
        """When whoever gets the flag in *env* last changed, by our clock; None where its newest events do not tell.

        Raises AdapterError.
        """
        for event in await self._page(f"feature=IS:{key}", 0, PAGE):
            if exposes(event, env):
                return moment(event) - self.ahead
        return None

    @property
    def ahead(self) -> float:
        """Seconds that the server's clock is ahead of ours; rather too few, so that nothing new is taken for old."""
        return self._by_date if self._measured is None else self._measured

    async def _back_to(self, since: float, what: str) -> list[Event]:
        found: list[Event] = []
        limit = PAGE
        while len(found) < MOST:
            events = await self._page(what, len(found), limit)
            found += events
            if len(events) < limit or moment(events[-1]) - self.ahead < since - SLACK_S:
                break
            limit = LONG_PAGE
        return found

    async def _page(self, what: str, offset: int, limit: int) -> list[Event]:
        name, _, value = what.partition("=")
        params = {name: value, "offset": str(offset), "limit": str(limit)}
        answer = await self._admin.read("GET", "/api/admin/search/events", params=params)
        self._by_date = _ahead_by_date(answer)
        return page(answer.json())

    async def _who(self) -> int | None:
        user = (await self._admin.read("GET", "/api/admin/user")).json()
        found = user.get("user", {}) if isinstance(user, dict) else {}
        number = found.get("id", found.get("internalAdminTokenUserId"))
        return number if isinstance(number, int) else None

    def _measure(self, stamped: float, after: float, before: float) -> None:
        """Take the clocks' difference from an event that happened between two moments of ours."""
        self._measured = 0.0 if after <= stamped <= before else stamped - before


def _ahead_by_date(answer: Answer) -> float:
    ahead = skew(answer)
    return 0.0 if ahead is None or abs(ahead) <= DATE_S else ahead
