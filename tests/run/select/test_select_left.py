"""What is told at a prompt of a rollback that is not complete."""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run.select.left import what_is_left
from amplify_tui.run.undo import mitigation_items, rollback_items
from tests.run import test_run_data as data
from tests.run import test_run_fleet as fleet
from tests.run.world import FLAG, Run

FLAG_OFF = f"u1:flag:{FLAG.id}"


def left(run: Run) -> list[str]:
    return what_is_left(run.state, rollback_items(run.state))


def test_what_a_person_has_to_decide_is_told_with_its_command_and_not_as_something_to_do_by_hand() -> None:
    run = data.judged(data.released(), "fail", "accepts >=41 <43, it is 43")
    lines = left(run)
    assert "checkout-1 waits for a person: accepts >=41 <43, it is 43" in lines[0]
    assert f"decide-undo u3:instance:{data.UNIT.id} restore|waive" in lines[1]
    assert f"retry u3:instance:{data.UNIT.id}" in lines[1], "another look at the schema may say otherwise"
    assert not [line for line in lines if "back to 2.9.4" in line]


def test_a_flag_may_also_be_killed_or_go_back_as_far_as_it_is_ours() -> None:
    run = Run().at_full()
    run.ok(c.Rollback, reason="x")
    run.undo(FLAG_OFF, "absent", retryable=False, error="Conflict", reason="somebody changed it")
    assert any("ours|kill|restore|waive" in line for line in left(run))


def test_what_is_tried_again_by_itself_is_told_with_the_line_that_does_it_by_hand() -> None:
    run = Run().at_full()
    run.ok(c.Mitigate)
    run.undo(FLAG_OFF, "absent", retryable=True, reason="the server is down")
    first, *_, last = what_is_left(run.state, mitigation_items(run.state))
    assert first.startswith(FLAG.id)
    assert f"amplify attach {run.state.run}" in last


def test_of_a_mitigation_nothing_is_offered_that_only_a_rollback_takes() -> None:
    run = Run().at_full()
    run.ok(c.Mitigate)
    run.undo(FLAG_OFF, "absent", retryable=False, error="Forbidden", reason="the token may not")
    first, second, *_ = what_is_left(run.state, mitigation_items(run.state))
    assert "the token may not" in first
    assert "decide-undo" not in second
    run.ok(c.Retry, step=FLAG_OFF)
    assert f"retry {FLAG_OFF}" in second
    assert f"amplify rollback {run.state.run}" in second


def test_a_fleet_is_told_of_with_what_was_found_and_with_its_command_where_only_a_person_can_end_it() -> None:
    run = fleet.reverted()
    run.undo(fleet.FLEET, "absent", retryable=True, reason="odd", observed={"checkout-9": "3.0.0"})
    assert left(run)[0] == "checkout: odd"
    run.wait(60)
    run.undo(fleet.FLEET, "absent", retryable=False, reason="three times", observed={"checkout-2": "3.0.0"})
    assert "three times" in left(run)[0]
