"""Looks at an open gate, one after the other, through the scribe and a real journal: what a bake accrues, and loses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from amplify_tui.engine.board import Board
from amplify_tui.engine.lease import acquire
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.scribe import Scribe
from amplify_tui.engine.sqlite_journal import SqliteJournal
from amplify_tui.engine.ticks import Ticks
from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.agenda import Todo
from amplify_tui.run.events import EventData
from amplify_tui.run.shapes import ServiceFacts
from amplify_tui.run.state import StepState
from amplify_tui.verdict.model import InstanceReading
from tests.run.world import Run, readings

EVERY = 5.0


class Baking:
    """A ramp at 5 %, whose gate asks for nothing but errors, and one instance of a service beside it."""

    def __init__(self, folder: Path) -> None:
        run = Run().ramping()
        services = {"api": ServiceFacts(instances=("api-1",))}
        self.now = run.now
        self.events: list[EventData] = []
        self.board = Board()
        journal = SqliteJournal.create(folder / "journal.db", "r1")
        self.keeper = acquire(journal, FileLock(folder / "lock"))
        state = replace(run.state, services=services, baseline={"api": {"api-1": "3.0.0"}})
        self.scribe = Scribe(
            journal, self.keeper, state, clock=lambda: self.now, told=lambda _, events: self.events.extend(events)
        )
        self.ticks = Ticks(self.scribe, self.board)

    @property
    def ramp(self) -> StepState:
        found = self.scribe.state.step("ramp")
        assert found is not None
        return found

    def watch(self, polls: int, *, started: float = 1000.0, version: str = "3.0.0") -> None:
        """So many polls of the signal and of the instance, and a look after each."""
        for _ in range(polls):
            self.now += EVERY
            self.board.signal(readings("good", self.now, lasting=0.0).signals[0])
            self.board.instance(
                InstanceReading(
                    service="api", instance="api-1", url="http://api", status="ok", ok=True, version=version,
                    data_at=self.now, received_at=self.now, started=started,
                )
            )  # fmt: skip
            self.ticks.tick(Todo(kind="observe", step=self.ramp), self.now, EVERY)

    def broken(self) -> list[str]:
        return [event.broken_by for event in self.events if isinstance(event, ev.BakeAccrued) and event.broken_by]


@pytest.fixture
def baking(tmp_path: Path) -> Iterator[Baking]:
    found = Baking(tmp_path)
    yield found
    found.keeper.release()


def test_a_bake_is_full_after_its_time_with_evidence(baking: Baking) -> None:
    baking.watch(10)
    assert (baking.ramp.status, baking.ramp.phase) == ("running", 1)
    assert baking.broken() == []


def test_a_bake_starts_over_where_an_instance_is_restarted_although_no_gate_asks_for_health(baking: Baking) -> None:
    baking.watch(5)
    baking.watch(5, started=baking.now - 2.0)
    assert baking.broken() == ["api-1 was restarted"]
    assert (baking.ramp.status, baking.ramp.phase) == ("observing", 0)
    baking.watch(3, started=baking.now - 27.0)
    assert baking.ramp.phase == 1


def test_a_bake_starts_over_where_an_instance_changes_its_version(baking: Baking) -> None:
    baking.watch(5)
    baking.watch(5, version="2.9.4")
    assert baking.broken() == ["api-1 changed from 3.0.0 to 2.9.4"]
    assert baking.ramp.phase == 0


def test_a_bake_goes_on_while_a_person_holds_the_run_and_advances_only_after_it(baking: Baking) -> None:
    """Users are still exposed: what is seen of them meanwhile is evidence (verdicts.md 5)."""
    baking.scribe.submit(c.PlaceHold(id="c1", actor="captain", via="key"))
    baking.watch(10)
    assert (baking.ramp.status, baking.ramp.phase) == ("observing", 0)
    assert baking.ramp.accrued >= baking.ramp.need
    baking.scribe.submit(c.Release(id="c2", actor="captain", via="key", hold="h1"))
    baking.watch(1)
    assert baking.ramp.phase == 1


def test_a_clock_that_jumps_loses_the_open_span_of_a_bake_and_keeps_what_was_journaled(baking: Baking) -> None:
    baking.watch(4)
    before = baking.ramp.accrued
    baking.now += 3600.0
    baking.scribe.submit(c.Jump(id="c1", actor="conductor", via="engine", delta=3600.0))
    baking.watch(1)
    assert before <= baking.ramp.accrued <= before + EVERY
    assert baking.ramp.phase == 0
