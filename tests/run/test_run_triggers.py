"""Triggers of `rollback.when`: asking, acting, running out, and being armed again (verdicts.md 4 and 6)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from amplify_tui.playbook.model import Cohorts
from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.agenda import agenda
from amplify_tui.run.reminders import waiting
from amplify_tui.run.select.headline import headline
from amplify_tui.run.shapes import OnBlindPlan, Target
from tests.run.world import SERVED, TRIGGER, Run, readings

FLAG_OFF, FLAG_SEEN = "u1:flag:unleash/checkout", "u2:flag:unleash/checkout"


def kinds(events: tuple[ev.EventData, ...]) -> list[str]:
    return [type(event).__name__ for event in events]


def fired(**changes: Any) -> Run:
    run = Run(triggers=(replace(TRIGGER, **changes),)).ramping().wait(60.0)
    run.sense("bad")
    return run


def test_triggers_sleep_before_the_first_exposure_and_watch_through_holds() -> None:
    run = Run().deployed().wait(60.0)
    assert run.sense("bad") == ()
    run = Run().ramping().wait(60.0)
    run.ok(c.PlaceHold)
    assert kinds(run.sense("bad")) == ["TriggerFired"]
    assert run.sense("bad") == ()


def waved(**changes: Any) -> Run:
    """A release without a flag, one instance deployed."""
    run = Run(triggers=(replace(TRIGGER, **changes),)).agreed()
    run.begin("deploy")
    run.intend("deploy", target=Target(kind="instance", id="checkout/1"))
    run.outcome()
    run.ok(c.Finish, step="deploy", outcome="succeeded")
    return run.wait(60.0)


def test_triggers_watch_a_release_without_a_flag_from_its_first_instance_on() -> None:
    run = waved()
    assert kinds(run.sense("bad")) == ["TriggerFired"]
    run.ok(c.AnswerTrigger, trigger="errors", answer="ignore", reason="a test caller")
    assert kinds(run.wait(60.0).sense("good")) == ["TriggerArmed"]
    assert kinds(run.wait(60.0).sense("bad")) == ["TriggerFired"]


def test_an_automatic_trigger_holds_where_there_is_no_flag_to_switch_off_and_says_what_would_help() -> None:
    run = waved(mode="auto")
    assert kinds(run.sense("bad")) == ["TriggerFired", "HoldPlaced"]
    (hold,) = run.state.holds.values()
    assert "rollback" in hold.reason
    assert run.state.mitigation == ""


def test_an_automatic_trigger_that_was_told_to_rolls_a_release_without_a_flag_back() -> None:
    run = waved(mode="auto", scope="full")
    assert kinds(run.sense("bad")) == ["TriggerFired", "RollbackStarted"]


def test_a_trigger_that_asks_stops_the_advance_until_it_is_answered() -> None:
    run = fired()
    assert "answer" in run.refused(c.Advance, step="ramp", evidence=readings("good", run.now)).next
    assert "PhaseAdvanced" not in kinds(run.wait(60.0).observe())
    assert "reason" in run.refused(c.AnswerTrigger, trigger="errors", answer="ignore").why
    run.ok(c.AnswerTrigger, trigger="errors", answer="ignore", reason="a test caller")
    assert "answered" in run.refused(c.AnswerTrigger, trigger="errors", answer="hold").why
    assert "known are" in run.refused(c.AnswerTrigger, trigger="x", answer="hold").why


def test_an_answered_trigger_fires_again_only_after_it_was_good_in_between() -> None:
    run = fired()
    run.ok(c.AnswerTrigger, trigger="errors", answer="hold")
    assert run.wait(300.0).sense("bad") == ()
    assert kinds(run.wait(60.0).sense("good")) == ["TriggerArmed"]
    assert kinds(run.wait(60.0).sense("bad")) == ["TriggerFired"]
    run.ok(c.AnswerTrigger, trigger="errors", answer="hold")
    assert list(run.state.holds) == ["h1"]


def test_the_answers_do_what_they_say() -> None:
    done = {"rollback": "rolling_back", "mitigate": "forward", "hold": "forward"}
    for answer, phase in done.items():
        run = fired()
        run.ok(c.AnswerTrigger, trigger="errors", answer=answer)
        assert (run.state.phase, run.state.mitigation == "running") == (phase, answer == "mitigate")
        assert run.state.automatic_rollbacks == 0


def test_an_automatic_trigger_takes_exposure_away_and_only_a_written_scope_does_more() -> None:
    run = fired(mode="auto")
    assert (run.state.phase, run.state.mitigation) == ("forward", "running")
    assert run.state.is_held_by_person
    full = fired(mode="auto", scope="full")
    assert (full.state.phase, full.state.automatic_rollbacks) == ("rolling_back", 1)
    assert isinstance(full.order(c.Sense, evidence=readings("bad", full.now)), tuple) is False


def test_after_one_automatic_rollback_a_trigger_only_asks() -> None:
    run = Run(triggers=(replace(TRIGGER, mode="auto", scope="full"),)).ramping().wait(60.0)
    run.state = replace(run.state, automatic_rollbacks=1)
    assert run.sense("bad")[0].mode == "ask"  # type: ignore[union-attr]
    assert run.state.phase == "forward"


def test_nobody_answers_and_then_happens_what_then_says() -> None:
    run = fired()
    assert "not over" in run.wait(29.0).refused(c.Expire, what="errors").why
    run.wait(1.0).ok(c.Expire, what="errors")
    assert (run.state.is_held_by_person, run.state.mitigation) == (True, "")
    run = fired(then="rollback")
    run.wait(30.0).ok(c.Expire, what="errors")
    assert (run.state.phase, run.state.mitigation) == ("forward", "running")
    run = fired(then="rollback", scope="full")
    run.wait(30.0).ok(c.Expire, what="errors")
    assert run.state.phase == "rolling_back"


def test_a_question_that_ran_out_while_nobody_conducted_is_judged_by_what_is_there_now() -> None:
    run = fired(then="rollback").wait(300.0)
    run.lease()
    assert "nobody conducted" in run.refused(c.Expire, what="errors").why
    assert "expire" not in [todo.kind for todo in agenda(run.state, run.now)]
    assert run.sense("missing") == ()
    still, better = run.fork(), run.fork()
    still.sense("bad")
    assert still.state.mitigation == "running"
    better.sense("good")
    assert (better.state.mitigation, better.state.open_triggers) == ("", [])


def test_a_ramp_that_starts_over_is_watched_again() -> None:
    run = fired(mode="auto")
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    run.ok(c.Mitigated)
    assert run.sense("bad") == ()
    run.ok(c.Release, hold="h1")
    run.ok(c.Retry, step="ramp")
    run.begin("ramp")
    run.intend("ramp")
    run.outcome()
    assert kinds(run.wait(60.0).sense("bad"))[0] == "TriggerFired"


def test_an_open_question_keeps_the_run_from_closing() -> None:
    run = Run().at_full().wait(60.0)
    run.observe()
    run.sense("bad")
    assert "answer" in run.refused(c.Close).why


# --- triggers that see nothing ------------------------------------------------------------------------------------------


def unseeing(**on_blind: Any) -> Run:
    """At 5 %, and the signal of the trigger is gone; the gate asks for another."""
    run = Run(on_blind=OnBlindPlan(**({"after": 120.0} | on_blind))).ramping().wait(60.0)
    assert kinds(run.sense("missing")) == ["TriggerSight"]
    return run


def test_a_trigger_without_data_stops_the_advance_at_once_and_holds_the_run_after_a_while() -> None:
    run = unseeing()
    assert run.wait(60.0).sense("missing") == ()
    assert "PhaseAdvanced" not in kinds(run.fork().observe())
    assert "trigger errors sees nothing" in headline(run.state, run.now).because
    assert kinds(run.wait(60.0).sense("missing")) == ["HoldPlaced"]
    (hold,) = run.state.holds.values()
    assert hold.reason == "trigger errors sees nothing: errors: no data: a fresh reading never, limit 20s"
    assert list(waiting(run.state)) == [hold.id]
    assert run.wait(60.0).sense("missing") == ()


def test_the_hold_goes_when_every_trigger_sees_again() -> None:
    run = unseeing()
    run.wait(120.0).sense("missing")
    assert run.state.is_held
    assert kinds(run.wait(60.0).sense("good")) == ["TriggerSight", "HoldReleased"]
    assert "PhaseAdvanced" in kinds(run.wait(60.0).observe())


def test_a_person_goes_on_without_a_trigger_with_a_reason_and_is_not_held_for_it_again() -> None:
    run = unseeing()
    run.wait(120.0).sense("missing")
    assert "needs a reason" in run.refused(c.Release, hold="h1").why
    run.ok(c.Release, hold="h1", reason="prometheus is being moved")
    assert run.wait(600.0).sense("missing") == ()
    assert "PhaseAdvanced" in kinds(run.observe())
    run.sense("good")
    run.wait(60.0).sense("missing")
    assert kinds(run.wait(120.0).sense("missing")) == ["HoldPlaced"]


def test_a_blind_trigger_rolls_back_only_where_the_playbook_says_so() -> None:
    run = unseeing(do="rollback")
    assert kinds(run.wait(120.0).sense("missing")) == ["RollbackStarted"]
    assert (run.state.phase, run.state.automatic_rollbacks) == ("rolling_back", 1)


def test_neither_an_empty_board_after_a_crash_nor_a_flag_that_exposes_nobody_makes_a_trigger_blind() -> None:
    run = Run().ramping().wait(60.0)
    run.lease()
    assert run.wait(30.0).sense("missing") == ()
    assert kinds(run.wait(30.0).sense("missing")) == ["TriggerSight"]
    run.ok(c.Mitigate)
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    run.ok(c.Mitigated)
    assert kinds(run.sense("missing")) == ["TriggerSight"]
    assert not run.state.triggers["errors"].blind


def test_a_trigger_on_the_treatment_is_not_blind_while_waves_go_out_and_no_flag_exposes_anybody() -> None:
    cohorts = Cohorts(treatment="on", control="off")
    of_cohort = replace(TRIGGER.term, signal=replace(SERVED, cohorts=cohorts))
    assert waved(term=of_cohort).sense("missing") == ()
    assert kinds(waved().sense("missing")) == ["TriggerSight"]


@pytest.mark.parametrize("waits", ["hold", "gate", "question"])
def test_triggers_fire_through_holds_and_questions(waits: str) -> None:
    run = Run().ramping().wait(60.0)
    if waits == "hold":
        run.ok(c.PlaceHold)
    else:
        run.observe("bad" if waits == "gate" else "missing")
        run.wait(30.0).observe("bad" if waits == "gate" else "missing")
        assert run.step("ramp").status == "stuck"
    assert "sense" in [todo.kind for todo in agenda(run.state, run.now)]
    assert "TriggerFired" in kinds(run.sense("bad"))
