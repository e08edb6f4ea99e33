"""What people are told again of: only what waits for one of them, and that they do not know of themselves."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run.reminders import waiting
from tests.run.world import STEPS, TRIGGER, WATCH, Run, a_plan


def asking(on_fail: str) -> Run:
    run = Run().deployed()
    run.begin("ramp", watch=replace(WATCH, on_fail=on_fail))
    run.intend("ramp")
    run.outcome()
    run.ok(c.Enter, step="ramp")
    run.wait(60.0).observe("bad")
    return run


def test_a_gate_that_asks_is_told_of_with_its_question_and_one_that_only_holds_is_not() -> None:
    (words,) = waiting(asking("ask").state).values()
    assert words.startswith("still held at 5 %, and nobody is there: errors 50 %, limit 1 % for 10s")
    assert words.endswith("it asks: advance is refused: wait, go back, override, mitigate or roll back?")
    assert waiting(asking("hold").state) == {}


def test_the_second_hold_of_a_gate_waits_for_a_person() -> None:
    run = asking("hold")
    run.wait(60.0).observe("good")
    run.wait(60.0).observe("bad")
    assert list(waiting(run.state)) == ["h2"]


def test_a_trigger_that_nobody_answered_is_told_of_from_its_hold_on() -> None:
    run = Run(triggers=(replace(TRIGGER, then="hold"),)).ramping().wait(60.0)
    run.sense("bad")
    assert waiting(run.state) == {}
    run.wait(30.0).ok(c.Expire, what="errors")
    assert list(waiting(run.state)) == ["h1"]
    run.ok(c.Release, hold="h1")
    assert waiting(run.state) == {}


def test_blindness_is_told_of_once_it_asks() -> None:
    run = Run().ramping()
    run.wait(60.0).observe("missing")
    run.wait(30.0).observe("missing")
    assert "wait, go back, mitigate or roll back?" in waiting(run.state)["h1"]


@pytest.mark.parametrize("act", [c.PlaceHold, c.Mitigate])
def test_what_a_person_holds_needs_no_telling(act: type) -> None:
    run = Run().ramping()
    run.ok(act)
    assert run.state.is_held
    assert waiting(run.state) == {}


def test_a_step_that_failed_and_asks_is_told_of_too() -> None:
    run = Run(a_plan(deploy=replace(STEPS["deploy"], on_fail="ask"))).agreed()
    run.begin("deploy")
    run.intend("deploy")
    run.outcome("absent", reason="exit 1")
    run.ok(c.Finish, step="deploy", outcome="failed", reason="exit 1")
    (words,) = waiting(run.state).values()
    assert words.startswith("deploy is stuck: exit 1; it asks: ")
