"""Somebody else changes a flag of the run: it is held, and a person says whose flag it is to be."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.agenda import agenda
from amplify_tui.run.drift import image, left_by
from amplify_tui.run.undo import undo_plan
from tests.run.world import FLAG, Run, changed, mend


def drifted(percent: float = 50.0) -> Run:
    run = Run().ramping()
    run.ok(c.Drifted, drift=changed(run, percent))
    return run


@pytest.mark.parametrize("percent", [0.0, 50.0], ids=["the brake is pulled", "more users have it"])
def test_a_foreign_change_holds_the_run_whether_exposure_grew_or_shrank(percent: float) -> None:
    run = drifted(percent)
    assert [(hold.scope, hold.kind) for hold in run.state.holds.values()] == [("run", "drift")]
    assert "outside@example.com" in run.state.holds["h1"].reason
    run.wait(60.0).observe()
    assert run.step("ramp").phase == 0


def test_exposure_is_never_told_lower_than_it_may_be() -> None:
    assert drifted(50.0).state.exposed_now == 50.0
    assert drifted(0.0).state.exposed_now == 5.0


def test_the_same_change_is_told_once_and_a_further_one_replaces_the_question() -> None:
    run = drifted(50.0)
    assert run.ok(c.Drifted, drift=changed(run, 50.0)) == ()
    run.ok(c.Drifted, drift=changed(run, 70.0))
    assert list(run.state.holds) == ["h2"]
    assert "no hold h1" in run.refused(c.Release, hold="h1", choice="ours").what


def test_a_comparison_with_an_older_effect_of_ours_accuses_nobody() -> None:
    run = Run().at_full()
    first = next(e for e in run.state.effects.values() if e.target == FLAG)
    run.refused(c.Drifted, drift=changed(run, 50.0, effect=first.id))


def test_nobody_is_accused_while_our_own_write_has_no_outcome() -> None:
    run = Run().ramping()
    drift = changed(run)
    run.wait(60.0).observe()
    run.intend("ramp")
    run.refused(c.Drifted, drift=drift)


def test_a_drift_is_not_released_without_a_choice() -> None:
    assert "--choice" in drifted().refused(c.Release, hold="h1").next


def test_ours_is_written_and_read_back_before_the_run_goes_on() -> None:
    run = drifted()
    run.ok(c.Release, hold="h1", choice="ours")
    assert "h1" in run.state.holds
    assert [todo.name for todo in agenda(run.state, run.now) if todo.kind == "mend"] == ["h1"]
    run.take(mend(run, "h1"))
    assert not [todo for todo in agenda(run.state, run.now) if todo.kind == "mend"]
    run.outcome()
    assert run.state.holds == {}
    assert run.state.exposed_now == 5.0


def test_what_ours_wrote_is_one_item_of_the_rollback_with_the_state_before_the_release() -> None:
    run = drifted()
    first = next(i for i in undo_plan(run.state) if i.target == FLAG and i.band == 1)
    run.ok(c.Release, hold="h1", choice="ours")
    run.take(mend(run, "h1"))
    run.outcome()
    item = next(i for i in undo_plan(run.state) if i.target == FLAG and i.band == 1)
    assert item.before == first.before
    assert len(item.effects) == len(first.effects) + 1


def test_a_flag_server_that_is_down_is_asked_again_and_later_each_time() -> None:
    run = drifted()
    run.ok(c.Release, hold="h1", choice="ours")
    for wait in (1.0, 2.0, 4.0):
        run.take(mend(run, "h1"))
        run.outcome("absent", reason="no answer", retryable=True)
        assert not [todo for todo in agenda(run.state, run.now) if todo.kind == "mend"]
        run.wait(wait)
        assert [todo for todo in agenda(run.state, run.now) if todo.kind == "mend"]


def test_where_ours_cannot_be_written_the_question_is_asked_anew_and_says_why() -> None:
    run = drifted()
    run.ok(c.Release, hold="h1", choice="ours")
    run.ok(c.Unmended, hold="h1", detail="it was changed once more")
    assert run.state.holds["h1"].choice == ""
    assert "once more" in run.state.holds["h1"].reason


def test_a_further_change_to_fewer_users_is_told_as_such() -> None:
    run = drifted(50.0)
    run.ok(c.Drifted, drift=changed(run, 0.0))
    assert run.state.exposed_now == 5.0  # what we left, and no longer their 50 %


def test_a_pulled_brake_that_is_accepted_is_not_released_by_the_next_phase() -> None:
    run = drifted(0.0)
    run.ok(c.Release, hold="h1", choice="accept")
    assert (run.step("ramp").status, run.step("ramp").cause) == ("stuck", "undo")
    run.ok(c.Retry, step="ramp")
    assert (run.step("ramp").phase, run.step("ramp").ramp) == (0, 1)


def test_accept_makes_theirs_our_after_image_and_the_bake_starts_over() -> None:
    run = Run().ramping().wait(20.0)
    run.observe()
    run.ok(c.Drifted, drift=replace(changed(run, 5.0), what="a rule is gone"))
    run.wait(3.0).ok(c.Release, hold="h1", choice="accept")
    left = left_by(run.state, FLAG.id)
    assert left is not None
    assert image(left) == {"percent": 5.0, "theirs": True}
    assert next(i for i in undo_plan(run.state) if i.target == FLAG).after == {"percent": 5.0, "theirs": True}
    assert (run.state.exposed_now, run.state.holds) == (5.0, {})
    assert (run.step("ramp").accrued, run.step("ramp").phase_at) == (0.0, run.now)


def test_a_change_that_reaches_more_users_than_the_phase_is_not_accepted() -> None:
    run = drifted(50.0)
    assert "not accepted" in run.refused(c.Release, hold="h1", choice="accept").what
    assert "h1" in run.state.holds


def test_kill_takes_exposure_away_and_leaves_the_run_held_by_a_person() -> None:
    run = drifted()
    said = run.ok(c.Release, hold="h1", choice="kill", reason="not today")
    assert any(isinstance(event, ev.MitigationStarted) for event in said)
    assert [hold.kind for hold in run.state.holds.values()] == ["human"]
    assert run.state.mitigation == "running"


def test_a_rollback_waits_for_no_answer() -> None:
    run = drifted()
    run.ok(c.Rollback, reason="enough")
    assert run.state.phase == "rolling_back"
