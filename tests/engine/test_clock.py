"""A jump of the wall clock is noticed, whichever way; a slow pass is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from amplify_tui.engine.clock import ClockWatch
from amplify_tui.engine.lease import acquire
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.scribe import Scribe
from amplify_tui.engine.sqlite_journal import SqliteJournal
from amplify_tui.run import commands as c
from amplify_tui.run.events import EventData
from tests.run.world import Run


class Clocks:
    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.steady = 100.0
        self.watch = ClockWatch(lambda: self.wall, lambda: self.steady)

    def go(self, wall: float, steady: float) -> float:
        self.wall += wall
        self.steady += steady
        return self.watch.jumped()


@pytest.mark.parametrize("delta", [3600.0, -3600.0, 5.0])
def test_a_step_of_the_wall_clock_is_told_once_with_its_size(delta: float) -> None:
    clocks = Clocks()
    assert clocks.go(0.25 + delta, 0.25) == pytest.approx(delta)
    assert clocks.go(0.25, 0.25) == 0.0


def test_a_machine_that_slept_is_a_jump() -> None:
    assert Clocks().go(7200.0, 0.5) == pytest.approx(7199.5)


def test_a_pass_that_took_long_and_a_clock_that_is_slewed_are_none() -> None:
    clocks = Clocks()
    assert clocks.go(60.0, 60.0) == 0.0
    assert clocks.go(60.0, 59.5) == 0.0


def test_a_clock_that_went_back_is_told_of_before_anything_else_of_the_same_moment(tmp_path: Path) -> None:
    run = Run().ramping()
    wall, steady = [run.now], [50.0]
    journal = SqliteJournal.create(tmp_path / "journal.db", "r1")
    keeper = acquire(journal, FileLock(tmp_path / "lock"))
    told: list[EventData] = []
    watch = ClockWatch(wall=lambda: wall[0], steady=lambda: steady[0])
    scribe = Scribe(
        journal, keeper, run.state, clock=lambda: wall[0], watch=watch, told=lambda _, events: told.extend(events)
    )
    wall[0] -= 3600.0
    scribe.submit(c.PlaceHold(id="a", actor="captain", via="key", reason="look"))
    assert [type(event).__name__ for event in told[:2]] == ["ClockJumped", "HoldPlaced"]
    (hold,) = scribe.state.holds.values()
    assert hold.at == wall[0], "what was journaled on the new clock is not moved"
    assert (scribe.went_back(), scribe.went_back()) == (True, False)
    keeper.release()
    journal.close()
