"""Integrity checks: a baseline before the rollout, the proof after a rollback."""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run.agenda import agenda
from tests.run.world import WATCH, Run


def checks(run: Run) -> list[str]:
    return [todo.name for todo in agenda(run.state, run.now) if todo.kind == "integrity"]


def test_the_baseline_is_taken_right_before_the_rollout_and_not_earlier() -> None:
    run = Run(integrity=("orders", "stock")).agreed()
    assert checks(run) == []
    run = Run(integrity=("orders", "stock")).deployed()
    assert checks(run) == ["orders", "stock"]


def test_no_rollout_begins_without_its_baseline() -> None:
    run = Run().deployed()
    run.ok(c.Begin, step="ramp", watch=WATCH)
    assert [wait.kind for wait in run.step("ramp").awaits] == ["integrity"]
    run.ok(c.Judged, check="orders", verdict="pass", when="baseline")
    run.ok(c.Begin, step="ramp", watch=WATCH)
    assert run.step("ramp").status == "running"


def test_a_baseline_that_fails_holds_the_run_until_a_person_says_to_go_on() -> None:
    run = Run().deployed()
    run.ok(c.Judged, check="orders", verdict="fail", when="baseline", detail="3 orphans")
    (hold,) = run.state.holds.values()
    assert "3 orphans" in hold.reason
    assert "held" in run.refused(c.Begin, step="ramp", watch=WATCH).why
    run.ok(c.Release, hold=hold.id, reason="known")
    run.ok(c.Begin, step="ramp", watch=WATCH)
    assert run.step("ramp").status == "running"


def test_a_baseline_is_taken_once_and_never_on_the_way_back() -> None:
    run = Run().ramping()
    assert "once" in run.refused(c.Judged, check="orders", verdict="pass", when="baseline").why
    early = Run()
    early.ok(c.Rollback)
    assert "before the rollout" in early.refused(c.Judged, check="orders", verdict="pass", when="baseline").why


def test_a_dry_run_takes_no_baseline() -> None:
    run = Run(mode="dry").agreed()
    assert checks(run) == []
    assert not any(wait.kind == "integrity" for wait in run.step("ramp").awaits)


def test_the_proof_is_not_taken_before_everything_is_back() -> None:
    run = Run().ramping()
    run.ok(c.Rollback)
    assert "back" in run.refused(c.Judged, check="orders", verdict="pass", when="after").why
