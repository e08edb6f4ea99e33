"""What a run's state is as JSON and as text."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from amplify_tui.report.show import report_text, run_json
from amplify_tui.run import commands as c
from tests.run.watch_world import WATCHED_PLAN, Watched
from tests.run.world import PLAN, Run

UNDEPLOY = "u3:command:deploy"


def going_back() -> Run:
    """A run that deployed, and now takes it back; its playbook hopes for a minute."""
    run = Run(replace(PLAN, complete_within=60.0, trusted_ref="origin/main")).deployed()
    run.ok(c.Rollback, reason="broken")
    return run


def test_a_rollback_says_how_long_it_may_take_and_that_it_is_not_complete() -> None:
    run = going_back()
    shown = run_json(run.state, {"state": "live"}, "")["rollback"]
    assert (shown["took"], shown["complete_within"], shown["in_time"]) == (None, 60.0, None)
    assert "rollback: not complete yet, complete_within 1m" in report_text(run.state)


@pytest.mark.parametrize(("seconds", "is_in_time"), [(30.0, True), (90.0, False)])
def test_a_rollback_is_measured_against_what_the_playbook_hoped_for(seconds: float, *, is_in_time: bool) -> None:
    run = going_back().wait(seconds)
    run.undo(UNDEPLOY)
    shown = run_json(run.state, {"state": "live"}, "")["rollback"]
    assert shown["took"] == pytest.approx(seconds)
    assert shown["in_time"] is is_in_time
    assert (": LATE" in report_text(run.state)) is not is_in_time


def test_a_run_says_first_how_it_stands_and_what_happens_next() -> None:
    run = going_back()
    says = run_json(run.state, {"state": "live"}, "")["says"]
    assert says["word"] == "undoing"
    first, second, third, *_ = report_text(run.state).splitlines()
    assert first.startswith("run r1")
    assert says["because"] in second
    assert says["next"] in third


def test_a_run_without_a_conductor_says_so_before_all_else() -> None:
    shown = run_json(going_back().state, {"state": "lost"}, "")
    assert shown["says"]["word"] == "no conductor"
    assert "amplify resume r1" in shown["says"]["next"]


def test_a_trigger_that_is_disarmed_or_asks_is_told_of() -> None:
    run = Run().at_full()
    (shown,) = run_json(run.state, {"state": "live"}, "")["triggers"]
    assert (shown["id"], shown["open"], shown["disarmed_until"]) == ("errors", False, None)
    for actor in ("ana", "bo"):
        run.ok(c.Disarm, trigger="errors", until=run.now + 300.0, reason="prometheus is being moved", actor=actor)
    state = run_json(run.state, {"state": "live"}, "", run.now)
    assert state["triggers"][0]["disarmed_until"] == run.now + 300.0
    assert "DISARMED" in state["says"]["because"]


def test_what_is_ready_to_be_taken_back_is_counted_as_on_the_screen() -> None:
    run = going_back()
    undo = run_json(run.state, {"state": "live"}, "")["undo"]
    assert (undo["ready"], undo["total"]) == (1, 1)


def test_a_run_that_goes_forward_has_no_rollback_to_measure() -> None:
    assert run_json(Run().deployed().state, {"state": "live"}, "")["rollback"] is None


def test_the_trusted_ref_is_shown_as_what_it_is() -> None:
    state = going_back().state
    assert run_json(state, {"state": "live"}, "")["release"]["trusted_ref"] == "origin/main"
    assert "its playbook has to be on origin/main" in report_text(state)


def test_a_monitor_stands_in_the_report_with_the_worst_of_each_condition_and_its_spells() -> None:
    run = Watched()
    for kind in ("good", "good", "slightly", "missing", "good"):
        run.watch(kind)
    run.wait(30.0).watch("good")
    text = report_text(run.state)
    assert "undecided, watched" in text or "pass, watched" in text
    line = next(line for line in text.splitlines() if line.strip().startswith("errors"))
    assert "worst 2 % at 2023-11-" in line
    assert "limit 1 %; good " in line
    (shown,) = [s for stage in run_json(run.state, {}, "")["stages"] for s in stage["steps"] if s["id"] == "soak"]
    (seen,) = shown["watch"]["conditions"]
    assert (seen["id"], seen["worst"], seen["limit"], seen["budget_spent"]) == ("errors", 0.02, 0.01, None)
    assert shown["watch"]["worst"].startswith("errors 2 %, limit 1 %")


def test_a_monitor_that_has_not_begun_says_nothing_in_the_report() -> None:
    assert "watched" not in report_text(Run(WATCHED_PLAN).deployed().state)


def test_a_monitor_that_a_mitigation_ended_says_so_with_what_it_had_seen() -> None:
    run = Watched()
    run.watch("slightly")
    run.ok(c.Mitigate, reason="it burns")
    text = report_text(run.state)
    assert "ended, since exposure was taken away; it begins anew. It had seen:" in text
    assert "worst 2 %" in text
