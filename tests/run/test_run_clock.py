"""A clock that is set back by an hour: what waits for time waits as long as it would have, and no longer."""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run.shapes import TriggerSpec
from amplify_tui.run.undo import rollback_items
from amplify_tui.run.undo_turns import ready_items
from amplify_tui.verdict.model import Cohort, Evidence, Reading
from tests.run.world import FLAG, Run, readings
from tests.verdict.test_verdict_sequential import TERM

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


def compared(at: float, cohort: Cohort, share: float, total: float) -> Reading:
    window = {"window_from": at - 30.0, "window_to": at, "data_at": at, "received_at": at}
    per_second = {"bad": share * total / 30.0, "total": total / 30.0, "value": share, "n": total}
    return Reading(signal="errors", source="prom", cohort=cohort, status="ok", **window, **per_second)


def test_a_trigger_that_compares_with_the_control_goes_on_counting() -> None:
    run = Run(triggers=(TriggerSpec(id="worse", term=TERM, answer_within=30.0),)).at_full()
    seen: list[Reading] = []

    def watch(share: float, minutes: int) -> None:
        for _ in range(2 * minutes):
            run.wait(30.0)
            seen.extend([compared(run.now, "treatment", share, 300.0), compared(run.now, "control", 0.01, 900.0)])
            run.order(c.Sense, evidence=Evidence(signals=tuple(seen[-40:])))

    watch(0.01, 5)
    set_back(run)
    seen.clear()
    watch(1.0, 20)
    assert run.state.triggers["worse"].fired_at is not None


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
