"""A clock that is set back by an hour: what waits for time waits as long as it would have, and no longer."""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run.undo import rollback_items
from amplify_tui.run.undo_turns import ready_items
from tests.run.world import FLAG, Run, readings

HOUR = 3600.0
FLAG_OFF, FLAG_SEEN = f"u1:flag:{FLAG.id}", f"u2:flag:{FLAG.id}"


def set_back(run: Run) -> Run:
    """The conductor's clock goes back by an hour, and it notices."""
    run.now -= HOUR
    run.ok(c.Jump, delta=-HOUR)
    return run


def due(run: Run) -> list[str]:
    return [entry.item.id for entry in ready_items(run.state, rollback_items(run.state), run.now)]


def test_an_undo_that_waits_for_its_next_try_waits_no_hour_longer() -> None:
    run = Run().at_full()
    run.ok(c.Rollback, reason="x")
    run.undo(FLAG_OFF, "absent", retryable=True, reason="the server is down")
    set_back(run)
    assert due(run) == []
    assert due(run.wait(1.5)) == [FLAG_OFF]


def test_the_clock_may_go_back_while_nobody_conducts() -> None:
    run = Run().at_full()
    run.ok(c.Rollback, reason="x")
    run.undo(FLAG_OFF, "absent", retryable=True, reason="the server is down")
    run.now -= HOUR
    run.lease()
    assert due(run.wait(1.5)) == [FLAG_OFF]


def test_a_trigger_that_is_disarmed_guards_again_when_its_minutes_are_over() -> None:
    run = Run().at_full()
    for actor in ("ana", "bo"):
        run.ok(c.Disarm, trigger="errors", until=run.now + 300.0, reason="prometheus is being moved", actor=actor)
    set_back(run).wait(301.0)
    assert "TriggerFired" in [type(event).__name__ for event in run.sense("bad")]


def test_a_bake_goes_on_by_evidence_from_after_the_clock_went_back() -> None:
    run = Run().deployed()
    run.begin("ramp")
    run.intend("ramp")
    run.outcome()
    run.ok(c.Enter, step="ramp")
    set_back(run).wait(60.0)
    moved = run.ok(c.Observe, step="ramp", evidence=readings("good", run.now), accrued=1e6)
    assert {"GateJudged", "PhaseAdvanced"} <= {type(event).__name__ for event in moved}


def test_a_question_waits_for_its_answer_as_long_as_it_was_given() -> None:
    run = Run().at_full()
    run.sense("bad")
    (trigger,) = run.state.open_triggers
    assert trigger.answer_by is not None
    left = trigger.answer_by - run.now
    set_back(run)
    assert run.state.open_triggers[0].answer_by == run.now + left


def test_what_a_verified_flag_is_looked_at_again_for_comes_in_time() -> None:
    run = Run().at_full()
    run.ok(c.Mitigate)
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    run.ok(c.Mitigated)
    set_back(run).wait(6.0)
    run.ok(c.Reread, effect=run.effect().id, agrees=True)


def test_a_clock_that_goes_ahead_moves_nothing_that_was_told() -> None:
    run = Run().at_full()
    before = run.state
    run.now += HOUR
    run.ok(c.Jump, delta=HOUR)
    assert run.state.effects == before.effects
    assert run.state.first_exposure_at == before.first_exposure_at
