"""kill -9 at every append and every step of a lock while one run takes over from another, then `amplify resume`.

Before the earlier run's journal names the other one nothing has changed hands; from there on all of it is that one's.
At no place is a lock of what is still exposed free, and none has two owners.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterable

import pytest
import pytest_asyncio
from msgspec import Struct

from amplify_tui.engine.rundir import RunDir
from amplify_tui.run.shapes import Refusal
from tests.engine.crash_world import PATIENCE, eventually
from tests.engine.takers_world import BOTH, OLD_LOCKS, Takers, reverse, takers
from tests.reliability.nurse import Life
from tests.reliability.nursery import Order

pytestmark = pytest.mark.asyncio(loop_scope="module")

OF_THE_DRAFT = ("lock release", "ConductorAttached", "lock take", "lock hand_over", "lock take #2", "RunStarted")
OF_THE_HELD = ("ConductorAttached", "Superseded+RunClosed", "lock hand_over")
OF_A_CLOSED = (
    *("lock release", "ConductorAttached", "lock take", "Superseded", "lock hand_over", "lock hand_over #2"),
    *("lock take #2", "RunStarted"),
)
OF_A_REVERSAL = ("lock take", "Reversed", "lock release", "RunCreated")


def places(names: Iterable[str]) -> list[tuple[str, str]]:
    """An append has a moment more: it is committed, and the head outside does not say so yet."""
    return [
        (name, moment)
        for name in names
        for moment in ("before", "between", "after")
        if moment != "between" or not name.startswith("lock")
    ]


class Stage(Struct, frozen=True):
    """A bad release, held or closed, and the draft of a hotfix for it; both without a conductor."""

    crew: Takers
    bad: RunDir
    new: RunDir

    async def begin(self, name: str) -> Stage:
        """The same runs in a fresh home, as they were kept under that name."""
        await self.crew.begin(name)
        runs = self.crew.home / "runs"
        return Stage(self.crew, RunDir(runs / self.bad.run), RunDir(runs / self.new.run))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stages(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Stage]]:
    """Made once: each case begins with a copy."""
    folder = tmp_path_factory.mktemp("takers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMPLIFY_HOME", str(folder))
        async with takers(folder) as crew:
            made = {}
            for name in ("held", "closed"):
                bad = await crew.bad(closed=name == "closed")
                made[name] = Stage(crew, bad, crew.draft(supersedes=bad.run))
                crew.keep(name)
                await crew.sweep()
                shutil.rmtree(crew.home)
                (crew.bench.folder / "work.did").unlink()
            yield made


@pytest_asyncio.fixture(loop_scope="module")
async def held(stages: dict[str, Stage]) -> Stage:
    return await stages["held"].begin("held")


@pytest_asyncio.fixture(loop_scope="module")
async def closed(stages: dict[str, Stage]) -> Stage:
    return await stages["closed"].begin("closed")


def traced(crew: Takers, name: str) -> tuple[str, ...]:
    return tuple((crew.folder / name).read_text(encoding="utf-8").splitlines())


async def test_the_places_at_which_the_two_are_killed_are_all_that_there_are(held: Stage) -> None:
    crew, bad, new = held.crew, held.bad, held.new
    await crew.conduct(bad, trace=str(crew.folder / "old"), locks=True)
    await crew.conduct(new, trace=str(crew.folder / "new"), locks=True)
    assert (await crew.start(new)) is not None
    assert traced(crew, "old")[: len(OF_THE_HELD)] == OF_THE_HELD
    assert traced(crew, "new")[: len(OF_THE_DRAFT)] == OF_THE_DRAFT


async def test_the_places_at_which_a_hotfix_of_a_closed_run_is_killed_are_all_that_there_are(closed: Stage) -> None:
    crew = closed.crew
    await crew.conduct(closed.new, trace=str(crew.folder / "hotfix"), locks=True)
    assert (await crew.start(closed.new)) is not None
    assert traced(crew, "hotfix")[: len(OF_A_CLOSED)] == OF_A_CLOSED


async def test_the_places_at_which_who_makes_a_reversal_is_killed_are_all_that_there_are(closed: Stage) -> None:
    life = await reversing(closed, trace=str(closed.crew.folder / "back"))
    assert life.status == 0
    assert traced(closed.crew, "back") == OF_A_REVERSAL


async def reversing(closed: Stage, **more: str) -> Life:
    """Who makes the reversal of the closed run, to its end."""
    order = Order(
        number=0, folder=str(closed.bad.path), env=closed.crew.env, reverse=True, locks=True, **more,
    )  # fmt: skip
    life = await closed.crew.nurse.start(order)
    async with asyncio.timeout(PATIENCE):
        await life.ended.wait()
    return life


# --- a run that is held ----------------------------------------------------------------------------------------------


async def assert_one_owner(crew: Takers, bad: RunDir, new: RunDir, resumed: Iterable[RunDir]) -> None:
    """All is the draft's, or all is the earlier run's: by the journals, and by what a third run is told.

    A conductor that the draft gave to the earlier run before it died may be at it yet; it comes to an end.
    """
    found: list[str] = []

    def fits() -> bool:
        found[:] = strange(crew, bad, new, resumed)
        return not found

    with contextlib.suppress(AssertionError):
        await eventually(fits, "all is of one run", within=10.0)
    assert found == []


def strange(crew: Takers, bad: RunDir, new: RunDir, resumed: Iterable[RunDir]) -> list[str]:
    """What does not fit: empty where one run owns all of it."""
    old, draft, holders = crew.state(bad), crew.state(new), crew.holders()
    owner, found = new if old.superseded_by else bad, []
    if {holders.get(name) for name in OLD_LOCKS} != {owner.run}:
        found.append(f"{owner.run} owns it, and the locks are {holders}")
    if owner is new and (old.phase, old.superseded_by) != ("closed", new.run):
        found.append(f"the earlier run is {old.phase}, superseded by {old.superseded_by}")
    if owner is bad and not (old.phase == "forward" and old.is_held_by_person and draft.phase == "draft"):
        found.append(f"the earlier run is {old.phase} {old.holds}, the draft {draft.phase}")
    if owner is bad and new in resumed and new.run in holders.values():
        found.append(f"the draft has not given back what it took: {holders}")
    said = crew.in_the_way()
    if len(said) < len(OLD_LOCKS) or not all(owner.run in one for one in said):
        found.append(f"a third run is told {said}")
    return found


async def to_its_end(crew: Takers, bad: RunDir, new: RunDir) -> None:
    """Started anew, or once more: the draft goes on, and has it all."""
    await crew.resume(bad)
    await crew.resume(new)
    await crew.start(new)
    assert (crew.state(new).phase, crew.state(new).supersedes) == ("forward", bad.run)
    assert (crew.state(bad).phase, crew.state(bad).superseded_by) == ("closed", new.run)
    assert {effect.of_run for effect in crew.state(new).effects.values()} >= {bad.run}
    assert crew.holders() == dict.fromkeys(BOTH, new.run)
    assert len(crew.in_the_way()) == len(BOTH)
    assert max(Counter(crew.bench.did("work")).values()) == 1


CASES = [
    pytest.param(victim, at, moment, order, marks=[] if order == "old" and moment != "between" else [pytest.mark.slow])
    for victim, names in (("new", OF_THE_DRAFT), ("old", OF_THE_HELD))
    for at, moment in places(names)
    for order in ("old", "new")
]


@pytest.mark.parametrize(("victim", "at", "moment", "resumed_first"), CASES)
async def test_both_dead_in_the_middle_of_it_the_first_that_is_resumed_finds_one_owner(
    held: Stage, victim: str, at: str, moment: str, resumed_first: str
) -> None:
    """The one dies at that place, and the other one in the same moment."""
    crew, bad, new = held.crew, held.bad, held.new
    fault = {"at": at, "moment": moment, "locks": True}
    old_life = await crew.conduct(bad, **(fault if victim == "old" else {}))
    new_life = await crew.conduct(new, **(fault if victim == "new" else {}))
    dies, other = (new_life, old_life) if victim == "new" else (old_life, new_life)
    starting = crew.starting(new)
    await crew.died(dies)
    await crew.kill(other)
    await starting
    assert set(OLD_LOCKS) <= set(crew.holders()), "what is exposed is locked at every moment"

    first, second = (bad, new) if resumed_first == "old" else (new, bad)
    await crew.resume(first)
    await assert_one_owner(crew, bad, new, (first,))
    await crew.resume(second)
    await assert_one_owner(crew, bad, new, (first, second))
    await to_its_end(crew, bad, new)


@pytest.mark.parametrize(("at", "moment"), places(OF_THE_DRAFT))
@pytest.mark.slow
async def test_the_drafts_conductor_dead_the_earlier_run_that_lives_on_is_whole_or_has_ended(
    held: Stage, at: str, moment: str
) -> None:
    crew, bad, new = held.crew, held.bad, held.new
    await crew.conduct(bad)
    life = await crew.conduct(new, at=at, moment=moment, locks=True)
    starting = crew.starting(new)
    await crew.died(life)
    await starting
    await assert_one_owner(crew, bad, new, (bad,))
    await to_its_end(crew, bad, new)


@pytest.mark.parametrize(("at", "moment"), places(OF_THE_HELD))
@pytest.mark.slow
async def test_the_earlier_runs_conductor_dead_the_draft_gives_it_another_one_and_goes_on(
    held: Stage, at: str, moment: str
) -> None:
    crew, bad, new = held.crew, held.bad, held.new
    await crew.conduct(bad, at=at, moment=moment, locks=True)
    await crew.conduct(new)
    said = await crew.start(new)
    assert said is not None
    assert said.ok, said.refusal
    await assert_one_owner(crew, bad, new, (new,))
    await to_its_end(crew, bad, new)


async def test_an_answer_that_is_lost_is_read_from_the_earlier_journal(held: Stage) -> None:
    """Its conductor dies right after it has decided, and no other one can be started: its log cannot be written."""
    crew, bad, new = held.crew, held.bad, held.new
    life = await crew.conduct(bad, at="Superseded+RunClosed", moment="after")
    bad.log.unlink()
    bad.log.mkdir()
    await crew.conduct(new)
    said = await crew.start(new)
    await crew.died(life)
    assert said is not None
    assert said.ok, said.refusal
    await assert_one_owner(crew, bad, new, (new,))


# --- a run that is closed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "moment"), places(OF_A_CLOSED))
async def test_dead_as_it_takes_from_a_closed_run_a_hotfix_has_it_once_its_journal_says_so(
    closed: Stage, at: str, moment: str
) -> None:
    crew, bad, new = closed.crew, closed.bad, closed.new
    life = await crew.conduct(new, at=at, moment=moment, locks=True)
    await crew.starting(new)
    await crew.died(life)
    is_named = bool(crew.state(bad).superseded_by)
    assert crew.in_the_way(OLD_LOCKS) == [] if not is_named else len(crew.in_the_way(OLD_LOCKS)) == len(OLD_LOCKS)
    await crew.resume(bad)
    await crew.resume(new)
    assert set(crew.holders().values()) == ({new.run} if is_named else set())
    if is_named:
        said = await reverse(crew, bad)
        assert isinstance(said, Refusal)
        assert new.run in said.why
    await to_its_end(crew, bad, new)


@pytest.mark.parametrize(("at", "moment"), places(OF_A_REVERSAL))
async def test_who_makes_a_reversal_and_dies_leaves_none_or_a_whole_one(closed: Stage, at: str, moment: str) -> None:
    crew, bad, late = closed.crew, closed.bad, closed.new
    assert (await reversing(closed, at=at, moment=moment)).status == -9
    again = await reverse(crew, bad)
    made = [folder for folder in RunDir.all(crew.home) if crew.state(folder).reverses == bad.run]
    (back,) = made
    if isinstance(again, Refusal):
        assert back.run in again.why
    assert crew.state(bad).reversed_by == back.run
    assert crew.holders() == dict.fromkeys(OLD_LOCKS, back.run)
    await crew.conduct(late)
    said = await crew.start(late)
    assert said is not None
    assert said.refusal is not None
    assert back.run in said.refusal.why
