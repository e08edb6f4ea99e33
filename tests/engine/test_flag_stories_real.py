"""The story of a flag from a real Unleash: who else changed it and in what words, and when its source is asked."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from amplify_tui.adapters.flags.plan import StrategySpec
from amplify_tui.adapters.ports import AdapterError, FlagChange, FlagState
from amplify_tui.adapters.unleash.provider import UnleashProvider
from amplify_tui.adapters.unleash.watch import FlagWatch
from amplify_tui.engine.flag_stories import AGAIN_S, LATE_S, FlagStories
from amplify_tui.verdict.flags import FlagStory
from tests.adapters.unleash_world import P, env, make, one, provide, until
from tests.real.services import Unleash

pytestmark = pytest.mark.real
_numbers = itertools.count(1)


@pytest.fixture
def key() -> str:
    return f"story-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
async def flags(unleash: Unleash) -> AsyncIterator[UnleashProvider]:
    provider = provide(unleash)
    yield provider
    await provider.aclose()


class Told:
    """A watch and its stories, polled by hand at times of our own; `told` is the latest story of each flag."""

    def __init__(self, provider: UnleashProvider, keys: list[str], source: Callable[[], UnleashProvider]) -> None:
        self.told: dict[str, FlagStory] = {}
        self.stories = FlagStories("flags", source, lambda story: self.told.update({story.flag: story}))
        self.now = time.time()
        self._watch = FlagWatch(provider, source="flags", flags=keys)

    async def settled(self) -> None:
        """Wait until what clients get is what the flags are: a change of ours that shows late is nobody's change here."""

        async def shown() -> bool:
            await self._watch.poll(self.now)
            answer = await self._watch._provider.client_features("")
            payload = {one["name"]: one for one in answer.json()["features"]}
            return all(
                (one := payload.get(state.key)) is not None
                and one["enabled"] == state.enabled
                and len(one.get("strategies", ())) == len(state.strategies)
                for state in self._watch.states.values()
                if state.exists
            )

        await until(shown)
        await self._watch.poll(self.now)

    async def poll(self, after: float = 1.0) -> None:
        self.now += after
        readings = await self._watch.poll(self.now)
        self.stories.look(readings, self._watch.states)

    async def asked(self, times: int) -> None:
        """Poll until so many flags were asked for, and their answers are in."""

        async def enough() -> bool:
            await self.poll(0.0)
            stories = self.told.values()
            return self.stories.asked >= times and all(one.asked_at is not None or one.note for one in stories)

        await until(enough)


@asynccontextmanager
async def telling(
    provider: UnleashProvider, *keys: str, source: Callable[[], UnleashProvider] | None = None
) -> AsyncIterator[Told]:
    told = Told(provider, list(keys), source or (lambda: provider))
    await told.settled()
    running = asyncio.create_task(told.stories.run())
    try:
        yield told
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def somebody(unleash: Unleash, name: str) -> AsyncIterator[httpx.AsyncClient]:
    """Another person, with a token of their own, so that the audit trail names them."""
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.admin}) as admin:
        user = {"username": name, "password": "correct horse battery 9!", "rootRole": 1}
        (await admin.post("/api/admin/user-admin", json=user)).raise_for_status()
    async with httpx.AsyncClient(base_url=unleash.url) as session:
        login = {"username": name, "password": user["password"]}
        (await session.post("/auth/simple/login", json=login)).raise_for_status()
        wish = {"description": "by hand", "expiresAt": "2099-01-01T00:00:00Z"}
        token = (await session.post("/api/admin/user/tokens", json=wish)).json()["secret"]
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": token}) as client:
        yield client


async def test_a_change_by_another_hand_is_in_the_history_with_its_name_and_words(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=25, stickiness="userId"), enabled=True)
    async with telling(flags, key) as told, somebody(unleash, f"outside-{key}") as other:
        await told.asked(1)
        first = told.told[key]
        assert first.says == "25 % of users"
        assert first.last is not None
        assert first.last.by == "admin"
        strategy = (await one(flags, key)).strategies[0].raw
        wider = {**strategy, "parameters": {**strategy["parameters"], "rollout": "80"}}
        path = f"{env(key)}/strategies/{strategy['id']}"
        (await other.put(path, json=wider)).raise_for_status()

        async def seen() -> bool:
            await told.poll()
            last = told.told[key].last
            return last is not None and last.by == f"outside-{key}"

        await until(seen)
        story = told.told[key]
        assert story.says == "80 % of users"
        assert story.last is not None
        assert (story.last.kind, "80%" in story.last.what) == ("feature-strategy-update", True)
        assert "**" not in story.last.what
        assert {event.kind for event in story.events} >= {"feature-created", "feature-strategy-add"}
        assert [event.at for event in story.events] == sorted((event.at for event in story.events), reverse=True)


async def test_while_nothing_changes_its_source_is_asked_nothing(flags: UnleashProvider, key: str) -> None:
    """Not by second, and not by the resync of each minute; once more a little after a change, for trails are late."""
    await make(flags, key)
    async with telling(flags, key) as told:
        await told.asked(1)
        for _ in range(30):
            await told.poll(10.0)
        assert told.stories.asked == 1


async def test_an_event_that_shows_up_late_is_told_after_all(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await make(flags, key)
    async with telling(flags, key) as told:
        await told.asked(1)
        async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.admin}) as other:
            (await other.post(f"{env(key)}/on")).raise_for_status()
        await told.asked(2)
        await told.poll(LATE_S)
        await told.asked(3)
        for _ in range(5):
            await told.poll(LATE_S)
        assert told.stories.asked == 3


async def test_a_segment_has_its_name_and_what_it_holds_and_editing_it_is_in_the_history(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    rule = {"contextName": "tenant", "operator": "IN", "values": ["t1"]}
    body = {"name": f"pilots-{key}", "constraints": [rule]}
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.admin}) as admin:
        made = (await admin.post("/api/admin/segments", json=body)).json()["id"]
        await make(flags, key, StrategySpec(title="ramp", rollout=50, segments=(made,)), enabled=True)
        async with telling(flags, key) as told:
            await told.asked(1)
            assert told.told[key].says == f"50 % of users in segment pilots-{key}"
            (within,) = told.told[key].rules[0].within
            assert (within.field, within.test, within.values) == ("tenant", "in", ("t1",))
            wider = {**body, "constraints": [{**rule, "values": ["t1", "t2"]}]}
            (await admin.put(f"/api/admin/segments/{made}", json=wider)).raise_for_status()

            async def seen() -> bool:
                await told.poll()
                last = told.told[key].last
                return last is not None and last.kind == "segment-updated"

            await until(seen)


async def test_who_archived_a_flag_is_told_of_the_flag_that_is_gone(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    await make(flags, key)
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.admin}) as admin:
        (await admin.delete(f"{P}/features/{key}")).raise_for_status()
    async with telling(flags, key) as told:
        await told.asked(1)
        assert told.told[key].says == "no such flag, or it is archived"
        assert told.told[key].last is not None
        assert told.told[key].last.kind == "feature-archived"


async def test_a_source_that_does_not_tell_says_why_and_is_asked_again_a_minute_later(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    """The watching token is good, the other is not: what the flag is shows, who changed it is said not to be known."""
    await make(flags, key)
    good: list[UnleashProvider] = []
    bad = provide(unleash, token="user:nobody")
    async with telling(flags, key, source=lambda: good[0] if good else bad) as told:
        await told.asked(1)
        story = told.told[key]
        assert (story.asked_at, story.last) == (None, None)
        assert "the token is missing, wrong or expired" in story.note
        assert story.says == "nobody; switched on: still nobody (0 %)"
        good.append(flags)
        await told.poll(AGAIN_S / 2)
        assert told.stories.asked == 1
        await told.poll(AGAIN_S)
        await told.asked(2)
        await until(lambda: _is_told(told, key))
    await bad.aclose()


async def _is_told(told: Told, key: str) -> bool:
    return told.told[key].note == "" and told.told[key].last is not None


class Down(UnleashProvider):
    """A provider whose trail is out of reach, and that counts how often that was tried."""

    tried = 0

    async def changes(self, key: str, since: float) -> list[FlagChange]:
        type(self).tried += 1
        return await super().changes(key, since)


async def test_a_server_that_is_down_is_not_waited_for_once_for_each_flag(
    unleash: Unleash, flags: UnleashProvider, key: str
) -> None:
    keys = [f"{key}-{i}" for i in range(5)]
    states: dict[str, FlagState] = {}
    for name in keys:
        await make(flags, name)
        states[name] = await one(flags, name)
    nowhere = Down("http://127.0.0.1:9", unleash.admin, environment="development")
    with pytest.raises(AdapterError):
        await nowhere.changes(key, 0.0)
    async with telling(flags, *keys, source=lambda: nowhere) as told:
        await told.poll()

        async def given_up() -> bool:
            return any(story.note for story in told.told.values())

        await until(given_up)
        assert Down.tried == 2
        assert len(told.told) == 5
    await nowhere.aclose()
