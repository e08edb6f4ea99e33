"""One owner for what a run left: two that want to take it over at once, or one after the other (states.md 6)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.engine.wire import Answer
from amplify_tui.run.shapes import Refusal
from tests.engine.crash_world import Said, Watched, amplify, assert_clear, eventually
from tests.engine.takers_world import BOTH, OLD_LOCKS, Takers, reverse, takers
from tests.reliability.nursery import Order

LOCKED = pytest.mark.parametrize("sandbox", [False, True], ids=["with locks", "in a sandbox, without"])


@pytest.fixture
async def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Takers]:
    monkeypatch.setenv("AMPLIFY_HOME", str(tmp_path / "home"))
    async with takers(tmp_path) as made:
        yield made


def assert_refused(crew: Takers, draft: RunDir, said: Answer | None, first: RunDir) -> None:
    """It names the one that was first, and nothing of it has begun."""
    assert said is not None
    assert said.refusal is not None
    assert first.run in said.refusal.why
    assert (crew.state(draft).phase, crew.state(draft).effects) == ("draft", {})
    assert draft.run not in crew.holders().values()


@LOCKED
async def test_what_a_run_has_reversed_is_not_superseded_after_that(crew: Takers, sandbox: bool) -> None:
    bad = await crew.bad(closed=True, sandbox=sandbox)
    back = await reverse(crew, bad)
    assert isinstance(back, RunDir)
    late = crew.draft(supersedes=bad.run, sandbox=sandbox)
    await crew.conduct(late)
    assert_refused(crew, late, await crew.start(late), back)
    await crew.conduct(back)
    async with Watched(back) as watched:
        assert await watched.closed() == "rolled_back"
    assert_refused(crew, late, await crew.start(late), back)
    assert crew.holders() == {}


@LOCKED
async def test_what_a_hotfix_was_about_to_take_over_as_it_died_is_not_reversed_behind_its_back(
    crew: Takers, sandbox: bool
) -> None:
    bad = await crew.bad(closed=True, sandbox=sandbox)
    new = crew.draft(supersedes=bad.run, sandbox=sandbox)
    life = await crew.conduct(new, at="RunStarted", moment="before")
    assert await crew.start(new) is None
    await crew.died(life)
    said = await reverse(crew, bad)
    assert isinstance(said, Refusal)
    assert new.run in said.why

    await crew.conduct(new)
    started = await crew.start(new)
    assert started is not None
    assert started.ok, started.refusal
    assert isinstance(await reverse(crew, bad), Refusal)


@LOCKED
@pytest.mark.parametrize("closed", [False, True], ids=["of a held run", "of a closed run"])
async def test_of_two_hotfixes_that_start_at_once_one_begins_and_the_other_stays_a_draft(
    crew: Takers, sandbox: bool, closed: bool
) -> None:
    """The first one is stopped in the very moment of its start, so that the second has all the time it wants."""
    bad = await crew.bad(closed=closed, sandbox=sandbox)
    first, second = (crew.draft(supersedes=bad.run, sandbox=sandbox) for _ in range(2))
    life = await crew.conduct(first, at="RunStarted", moment="before", with_=int(signal.SIGSTOP))
    await crew.conduct(second)
    if not closed:
        await crew.conduct(bad)
    starting = asyncio.create_task(crew.start(first))
    await crew.stopped(life)
    assert crew.state(bad).superseded_by == first.run
    assert_refused(crew, second, await crew.start(second), first)
    os.kill(life.pid, signal.SIGCONT)
    started = await starting
    assert started is not None
    assert started.ok, started.refusal
    assert (crew.state(bad).phase, crew.state(bad).superseded_by) == ("closed", first.run)
    assert crew.state(first).supersedes == bad.run
    assert set(crew.holders()) == (set() if sandbox else set(BOTH))
    assert set(crew.holders().values()) <= {first.run}
    assert_refused(crew, second, await crew.start(second), first)


@pytest.mark.parametrize("conducted", [True, False], ids=["with a conductor", "without"])
async def test_the_card_of_a_closed_run_sends_its_reader_to_the_run_that_reverses_it_at_once(
    crew: Takers, conducted: bool
) -> None:
    bad = await crew.bad(closed=True)
    if conducted:
        await crew.conduct(bad)
    back = await reverse(crew, bad)
    assert isinstance(back, RunDir)
    assert f"REVERSED by run {back.run}" in bad.card.read_text(encoding="utf-8")
    with contextlib.closing(SqliteReader.open(bad.journal)) as journal:
        assert journal.verify(bad.head.read()).ok


@LOCKED
async def test_of_two_that_reverse_one_run_at_once_one_begins(crew: Takers, sandbox: bool) -> None:
    bad = await crew.bad(closed=True, sandbox=sandbox)
    said = await asyncio.gather(*(reverse(crew, bad) for _ in range(4)))
    (won,) = [one for one in said if isinstance(one, RunDir)]
    lost = [one for one in said if isinstance(one, Refusal)]
    assert len(lost) == 3
    assert all(won.run in one.why and won.run in one.next for one in lost)
    assert {folder.run for folder in RunDir.all(crew.home)} == {bad.run, won.run}


@pytest.mark.parametrize("place", ["lock take", "lock hand_over", "lock take #2", "RunStarted"])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_at_no_moment_of_the_hand_over_a_third_run_gets_a_lock_of_it(
    crew: Takers, place: str, moment: str
) -> None:
    bad = await crew.bad()
    new, third = crew.draft(supersedes=bad.run), crew.draft(OLD_LOCKS)
    await crew.conduct(bad)
    life = await crew.conduct(new, at=place, moment=moment, with_=int(signal.SIGSTOP), locks=True)
    await crew.conduct(third)
    starting = crew.starting(new)
    await crew.stopped(life)
    said = await crew.start(third)
    assert said is not None
    assert said.refusal is not None
    owner = crew.state(bad).superseded_by or bad.run
    assert all(f"{name} is locked by run {owner}" in said.refusal.why for name in OLD_LOCKS)
    os.kill(life.pid, signal.SIGCONT)
    started = await starting
    assert started is not None
    assert started.ok, started.refusal
    assert crew.holders() == dict.fromkeys(BOTH, new.run)


async def test_a_draft_that_is_given_up_as_it_starts_has_started_or_has_left_the_earlier_run_alone(
    crew: Takers,
) -> None:
    """The earlier run's conductor is stopped, so that both orders are under way."""
    bad = await crew.bad()
    new = crew.draft(supersedes=bad.run)
    life = await crew.conduct(bad)
    await crew.conduct(new)
    os.kill(life.pid, signal.SIGSTOP)
    starting = crew.starting(new)
    await eventually(lambda: "api" in crew.holders(), "the draft has its own locks")
    async with Watched(new) as watched, Watched(new) as other:
        await watched.client.connect()
        given_up = asyncio.create_task(watched.do("Abort"))
        for _ in range(3):
            await other.client.connect()  # three times round the conductor's loop: it has read what was sent before
        os.kill(life.pid, signal.SIGCONT)
        await asyncio.gather(starting, given_up)
    assert bool(crew.state(bad).superseded_by) == (crew.state(new).started_at is not None)
    assert crew.state(new).phase == "closed"
    assert new.run not in crew.holders().values()


async def test_a_draft_that_is_too_late_by_a_moment_gives_back_the_locks_that_it_has_taken(crew: Takers) -> None:
    """It is stopped before it tells the earlier run; another one, with other locks of its own, is faster."""
    bad = await crew.bad()
    late, faster = crew.draft(supersedes=bad.run), crew.draft(("elsewhere",), supersedes=bad.run)
    await crew.conduct(bad)
    life = await crew.conduct(late, at="lock take", moment="after", with_=int(signal.SIGSTOP), locks=True)
    await crew.conduct(faster)
    starting = crew.starting(late)
    await crew.stopped(life)
    assert crew.holders()["api"] == late.run
    said = await crew.start(faster)
    assert said is not None
    assert said.ok, said.refusal
    os.kill(life.pid, signal.SIGCONT)
    assert_refused(crew, late, await starting, faster)
    assert crew.holders() == dict.fromkeys(("elsewhere", *OLD_LOCKS), faster.run)


async def test_a_reversal_that_is_just_being_made_is_not_taken_for_one_that_never_will_be(crew: Takers) -> None:
    """Who makes it is stopped after the closed run has named it, and before its first event."""
    bad = await crew.bad(closed=True, sandbox=True)
    new = crew.draft(supersedes=bad.run, sandbox=True)
    stop = {"at": "RunCreated", "moment": "before", "with_": int(signal.SIGSTOP)}
    life = await crew.nurse.start(Order(number=0, folder=str(bad.path), env=crew.env, reverse=True, **stop))
    await crew.stopped(life)
    back = crew.state(bad).reversed_by
    assert back
    await crew.conduct(new)
    assert_refused(crew, new, await crew.start(new), RunDir(crew.home / "runs" / back))
    os.kill(life.pid, signal.SIGCONT)
    await life.ended.wait()
    assert {folder.run: crew.state(folder).phase for folder in RunDir.all(crew.home)} == {
        bad.run: "closed",
        new.run: "draft",
        back: "rolling_back",
    }


async def test_what_was_left_by_a_draft_that_died_is_given_up_and_then_rolled_back(crew: Takers) -> None:
    """By the shell, with what the refusals say."""
    bad = await crew.bad(closed=True)
    new = crew.draft(supersedes=bad.run)
    life = await crew.conduct(new, at="RunStarted", moment="before")
    await crew.starting(new)
    await crew.died(life)

    async def shell(*args: str) -> Said:
        return await asyncio.to_thread(amplify, *args)

    assert f"superseded by run {new.run}" in (await shell("show", bad.run)).stdout
    said = await shell("rollback", bad.run, "--yes")
    assert_clear(said, f"run {new.run} supersedes it", f"amplify resume {new.run}", f"amplify do {new.run} abort")
    assert (await shell("resume", new.run)).returncode == 0
    assert (await shell("do", new.run, "abort")).returncode == 0
    assert crew.holders() == {}
    shown = json.loads((await shell("show", bad.run, "--json")).stdout)
    assert (shown["superseded_by"], shown["reversed_by"]) == (None, None), "it has nothing any more"
    assert (await shell("rollback", bad.run, "--yes")).returncode == 3
    back = crew.state(bad).reversed_by
    assert f"reversed by run {back}" in (await shell("show", bad.run)).stdout
    assert f"reverses run {bad.run}" in (await shell("show", back)).stdout
    assert f"reversed by run {back}" in (await shell("resume", bad.run)).stdout
    rows = {row["run"]: row for row in json.loads((await shell("runs", "--json")).stdout)}
    assert (rows[bad.run]["reversed_by"], rows[back]["reverses"]) == (back, bad.run)
    late = await shell("run", str(crew.bench.folder / "1.yaml"), "--supersedes", bad.run, "--headless")
    assert_clear(late, f"run {back} reverses it already")
