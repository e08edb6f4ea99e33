"""Phases, gates and what a person may do at one: verdicts.md 3, 4 and 7, with real readings."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from msgspec.structs import replace

from amplify_tui.playbook.model import Condition
from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.agenda import agenda
from amplify_tui.run.envelope import decode
from amplify_tui.run.shapes import OnBlindPlan, ServiceFacts
from amplify_tui.run.state import StepState
from amplify_tui.verdict.model import Evidence, InstanceReading, Term
from tests.run.world import ERRORS, SERVED, TRIGGER, WATCH, Run, readings

LATENCY = replace(ERRORS, id="late", condition=Condition(signal="late", above=0.01, for_=10.0))
TRAFFIC = Term(id="calls", condition=Condition(signal="errors", below=0.4, for_=10.0), signal=SERVED)


def watching(**changes: Any) -> Run:
    """At 5 %, its gate open, with another watch."""
    run = Run().deployed()
    run.begin("ramp", watch=replace(WATCH, **changes))
    run.intend("ramp")
    run.outcome()
    run.ok(c.Enter, step="ramp")
    return run


def overriding(run: Run, *conditions: str, kind: str = "bad", **more: Any) -> dict[str, Any]:
    given = {"percent": 5.0, "reason": "known since Monday", "evidence": readings(kind, run.now)}
    return {"step": "ramp", "conditions": conditions or ("errors",)} | given | more


def kinds(events: tuple[ev.EventData, ...]) -> list[str]:
    return [type(event).__name__ for event in events]


# --- advancing --------------------------------------------------------------------------------------------------------


def test_a_phase_needs_the_pass_and_the_whole_bake() -> None:
    run = Run().ramping().wait(20.0)
    assert "PhaseAdvanced" not in kinds(run.observe())
    assert "PhaseAdvanced" in kinds(run.wait(15.0).observe())
    assert (run.step("ramp").status, run.step("ramp").phase) == ("running", 1)


def test_a_bake_never_holds_more_than_the_time_that_passed() -> None:
    run = Run().ramping().wait(10.0)
    run.observe(accrued=1e9)
    assert run.step("ramp").accrued <= 10.0
    run.ok(c.Jump, delta=3600.0)
    assert "PhaseAdvanced" not in kinds(run.wait(10.0).observe(accrued=1e9))


def test_nothing_is_judged_while_a_phase_settles() -> None:
    run = watching(settle=60.0)
    assert run.wait(59.0).observe("bad") == ()
    assert run.wait(60.0).observe("bad") != ()


@pytest.mark.parametrize("kind", ["bad", "missing"])
def test_no_evidence_and_bad_evidence_never_advance(kind: str) -> None:
    run = Run().ramping()
    for _ in range(10):
        assert "PhaseAdvanced" not in kinds(run.wait(20.0).observe(kind))


def test_a_person_advances_early_only_on_a_pass() -> None:
    run = Run().ramping().wait(20.0)
    refused = run.refused(c.Advance, step="ramp", evidence=readings("missing", run.now))
    assert "gate says" in refused.why
    assert "looked" in run.refused(c.Advance, step="ramp").why
    assert "phase" in run.refused(c.Advance, step="ramp", expect=1, evidence=readings("good", run.now)).why
    run.ok(c.PlaceHold)
    assert "held" in run.refused(c.Advance, step="ramp", evidence=readings("good", run.now)).why
    run.ok(c.Release, hold="h1")
    advanced = run.ok(c.Advance, step="ramp", expect=0, evidence=readings("good", run.now))
    assert kinds(advanced) == ["GateJudged", "PhaseAdvanced"]
    assert "waived" in advanced[1].why  # type: ignore[union-attr]


def test_a_verdict_is_journaled_when_it_changes_and_every_half_minute() -> None:
    run = Run().ramping().wait(20.0)
    assert "GateJudged" in kinds(run.observe(accrued=0.0))
    assert run.wait(5.0).observe(accrued=0.0) == ()
    assert "GateJudged" in kinds(run.wait(26.0).observe(accrued=0.0))


def late_too(now: float, kind: str) -> Evidence:
    """Good errors, and what the trigger on `late` looks at."""
    return Evidence(signals=readings("good", now).signals + readings(kind, now, signal="late").signals)


def test_no_tick_both_triggers_and_advances() -> None:
    """What would fire a trigger stops the advance, whoever looks first, and a person's advance too."""
    run = Run(triggers=(replace(TRIGGER, id="late", term=LATENCY),)).ramping().wait(60.0)
    bad = late_too(run.now, "bad")
    refused = run.refused(c.Advance, step="ramp", evidence=bad)
    assert refused.why.startswith("trigger late: late 50 %")
    assert "PhaseAdvanced" not in kinds(run.ok(c.Observe, step="ramp", evidence=bad, accrued=1e6))
    looks = [todo.kind for todo in agenda(run.state, run.now) if todo.kind in ("sense", "observe")]
    assert looks == ["sense", "observe"]
    assert kinds(run.ok(c.Sense, evidence=bad)) == ["TriggerFired"]
    assert "PhaseAdvanced" not in kinds(run.ok(c.Observe, step="ramp", evidence=bad, accrued=1e6))
    run.ok(c.AnswerTrigger, trigger="late", answer="ignore", reason="a test caller")
    assert "PhaseAdvanced" in kinds(run.ok(c.Observe, step="ramp", evidence=bad, accrued=1e6))


def test_what_applications_saw_before_they_asked_for_their_flags_counts_for_no_phase() -> None:
    """A window counts from one poll of the applications after the phase began, and no sooner (verdicts.md 3)."""
    run = watching(poll=15.0)
    run.wait(29.0).observe("bad")  # the window of 10 s ago begins 14 s after the phase: two readings count, for 5 s
    assert run.step("ramp").status == "observing"
    run.wait(5.0).observe("bad")
    assert run.step("ramp").cause == "gate"


# --- a gate that fails ------------------------------------------------------------------------------------------------


def test_a_failed_gate_holds_and_lets_go_once_and_the_second_time_a_person_has_to() -> None:
    run = Run().gate_failed()
    assert run.state.holds["h1"].auto_release
    assert "pass" in run.refused(c.Release, hold="h1").next
    assert "HoldReleased" in kinds(run.wait(60.0).observe("good"))
    assert run.step("ramp").status == "observing"
    run.wait(60.0).observe("bad")
    assert not run.state.holds["h2"].auto_release
    assert "HoldReleased" not in kinds(run.wait(60.0).observe("good"))
    run.ok(c.Release, hold="h2")
    assert run.step("ramp").status == "observing"


def test_a_pass_of_long_ago_releases_no_gate() -> None:
    run = Run().gate_failed()
    run.wait(60.0).observe("good")
    run.wait(60.0).observe("bad")
    run.wait(60.0).observe("good")
    run.wait(3600.0).refused(c.Release, hold="h2")


def test_on_fail_retreat_goes_back_a_phase_and_only_a_person_goes_on() -> None:
    run = watching(on_fail="retreat")
    run.wait(60.0).observe()
    run.intend("ramp")
    run.outcome()
    run.ok(c.Enter, step="ramp")
    assert kinds(run.wait(60.0).observe("bad"))[-2:] == ["PhaseRetreated", "HoldPlaced"]
    run.intend("ramp")
    run.outcome()
    assert run.state.exposure == {"unleash/checkout": 5.0}
    run.ok(c.Enter, step="ramp")
    assert "PhaseAdvanced" not in kinds(run.wait(60.0).observe())
    run.ok(c.Release, hold="h1")
    assert "PhaseAdvanced" in kinds(run.wait(60.0).observe())


def test_on_fail_rollback_rolls_back_and_ask_asks() -> None:
    run = watching(on_fail="rollback")
    run.wait(60.0).observe("bad")
    assert (run.state.phase, run.state.automatic_rollbacks) == ("rolling_back", 1)
    run = watching(on_fail="ask")
    run.wait(60.0).observe("bad")
    assert run.step("ramp").question


# --- blind, undecided -------------------------------------------------------------------------------------------------


def test_blind_for_long_enough_holds_and_asks_and_never_advances() -> None:
    run = Run().ramping().wait(60.0)
    assert kinds(run.observe("missing", accrued=0.0)) == ["GateJudged"]
    assert "HoldPlaced" not in kinds(run.wait(10.0).observe("missing"))
    assert kinds(run.wait(15.0).observe("missing"))[-2:] == ["StepStuck", "HoldPlaced"]
    assert run.state.holds["h1"].kind == "blind"
    assert "HoldReleased" in kinds(run.wait(60.0).observe("good"))


def test_blind_and_error_by_turns_count_as_one_stretch() -> None:
    run = Run().ramping().wait(60.0)
    for kind in ("missing", "error", "missing"):
        last = run.ok(c.Observe, step="ramp", evidence=silent(kind, run.now), accrued=0.0)
        run.wait(11.0)
    assert "HoldPlaced" in kinds(last)


def silent(kind: str, now: float) -> Evidence:
    if kind == "missing":
        return Evidence()
    history = readings("good", now).signals
    return Evidence(signals=tuple(replace(reading, status="error") for reading in history))


def test_blind_rolls_back_only_where_the_playbook_says_so() -> None:
    run = Run(on_blind=OnBlindPlan(after=20.0, do="rollback")).ramping().wait(60.0)
    run.observe("missing")
    run.wait(25.0).observe("missing")
    assert run.state.phase == "rolling_back"


def test_undecided_past_the_longest_wait_asks() -> None:
    run = watching(max_wait=90.0)
    run.wait(60.0)
    few = Evidence(signals=readings("good", run.now + 40.0, lasting=5.0).signals)
    assert kinds(run.wait(40.0).ok(c.Observe, step="ramp", evidence=few, accrued=0.0))[-2:] == [
        "StepStuck",
        "HoldPlaced",
    ]
    assert run.step("ramp").cause == "timeout"


# --- override ---------------------------------------------------------------------------------------------------------


def test_an_override_names_phase_conditions_percentage_and_a_reason() -> None:
    run = Run().gate_failed()
    assert "no fleet" in run.refused(c.Override, **overriding(run, "fleet")).why
    assert "no condition" in run.refused(c.Override, **overriding(run, conditions=())).why
    assert "characters" in run.refused(c.Override, **overriding(run, reason="short")).why
    assert "5" in run.refused(c.Override, **overriding(run, percent=25.0)).next
    assert "phase" in run.refused(c.Override, **overriding(run, expect=1)).why
    assert "looked" in run.refused(c.Override, **overriding(run, evidence=None)).why
    run.fold(ev.RoleTaken(role="captain"), actor="sre")
    assert "does not hold" in run.refused(c.Override, **overriding(run)).why
    run.ok(c.Override, **overriding(run, actor="sre"))
    assert (run.step("ramp").status, run.state.holds) == ("observing", {})
    run.wait(60.0).sense("bad")
    run.ok(c.AnswerTrigger, trigger="errors", answer="ignore", reason="a test caller")
    assert "PhaseAdvanced" in kinds(run.observe("bad"))


def test_the_evidence_that_an_override_hashes_stands_beside_it_in_the_journal() -> None:
    run = Run().gate_failed()
    run.ok(c.Override, **overriding(run))
    judged, overridden = (decode(body).data for body in run.journal[-2:])
    assert isinstance(judged, ev.GateJudged)
    assert isinstance(overridden, ev.Overridden)
    assert judged.verdict.terms[0].value == pytest.approx(0.5)
    assert overridden.evidence_sha == hashlib.sha256(repr(judged.verdict).encode()).hexdigest()


def test_an_override_disarms_no_trigger() -> None:
    run = Run().gate_failed()
    run.ok(c.Override, **overriding(run))
    assert "PhaseAdvanced" not in kinds(run.wait(60.0).observe("bad"))
    assert kinds(run.sense("bad")) == ["TriggerFired"]


def test_an_override_lasts_for_its_phase_only() -> None:
    run = Run(triggers=()).gate_failed()
    run.ok(c.Override, **overriding(run))
    run.wait(60.0).observe("bad")
    run.intend("ramp")
    run.outcome()
    run.ok(c.Enter, step="ramp")
    run.wait(60.0).observe("bad")
    assert run.step("ramp").cause == "gate"


def test_an_override_ends_when_it_gets_a_fifth_worse() -> None:
    run = Run().ramping().wait(60.0)
    run.observe("slightly")
    run.ok(c.Override, **overriding(run, kind="slightly"))
    assert run.step("ramp").overridden_at["errors"] == pytest.approx(0.02)
    run.wait(20.0).observe("slightly", accrued=0.0)
    assert run.step("ramp").status == "observing"
    run.wait(60.0).observe("worse", accrued=0.0)
    assert (run.step("ramp").cause, run.step("ramp").overridden) == ("gate", ())


def test_an_override_ends_when_another_condition_fails() -> None:
    run = watching(gate=(ERRORS, LATENCY)).wait(60.0)
    both = readings("bad", run.now).signals + readings("good", run.now, signal="late").signals
    run.ok(c.Override, **overriding(run, evidence=Evidence(signals=both)))
    run.wait(60.0)
    late = readings("bad", run.now).signals + readings("bad", run.now, signal="late").signals
    run.ok(c.Observe, step="ramp", evidence=Evidence(signals=late))
    assert (run.step("ramp").cause, run.step("ramp").overridden) == ("gate", ())
    assert "late" in run.step("ramp").detail


def test_less_is_worse_where_a_condition_asks_for_more() -> None:
    run = watching(gate=(TRAFFIC,)).wait(60.0)
    run.ok(c.Override, **overriding(run, "calls", kind="worse"))
    run.wait(20.0).observe("worse", accrued=0.0)
    assert run.step("ramp").status == "observing"
    run.wait(60.0).observe("good", accrued=0.0)
    assert run.step("ramp").cause == "gate"


def test_two_people_override_the_fleet_and_each_names_the_instances_that_are_not_as_expected() -> None:
    run = watching(gate=(ERRORS, Term(id="fleet", builtin="fleet")))
    services = {"api": ServiceFacts(instances=("api-1", "api-2"))}
    run.state = replace(run.state, services=services, baseline={"api": {"api-1": "2.9.4", "api-2": "2.9.4"}})
    run.wait(60.0)
    told = {"service": "api", "status": "ok", "ok": True, "data_at": run.now, "received_at": run.now, "url": ""}
    fleet = tuple(
        InstanceReading(instance=name, version=version, **told)
        for name, version in (("api-1", "2.9.4"), ("api-2", "3"))
    )
    seen = {"evidence": Evidence(fleet=fleet), "instances": ("api-2",)}
    assert "api-2" in run.refused(c.Override, **overriding(run, "fleet", evidence=seen["evidence"])).why
    both = overriding(run, "fleet", evidence=seen["evidence"], instances=("api-1", "api-2"))
    assert "no others" in run.refused(c.Override, **both).next
    assert kinds(run.ok(c.Override, **overriding(run, "fleet", **seen))) == ["Requested"]
    assert kinds(run.ok(c.Override, **overriding(run, "fleet", **seen))) == ["Requested"]
    _, overridden = run.ok(c.Override, **overriding(run, "fleet", actor="sre", **seen))
    assert isinstance(overridden, ev.Overridden)
    assert overridden.reason == "known since Monday (instances: api-2)"


def test_a_gate_that_is_not_open_is_not_overridden() -> None:
    run = Run().deployed()
    assert "no gate is open" in run.refused(c.Override, **overriding(run)).why
    done = Run().at_full().wait(60.0)
    done.observe()
    assert "no gate is open" in done.refused(c.Override, **overriding(done, percent=100.0)).why


# --- retreat ----------------------------------------------------------------------------------------------------------


def test_a_retreat_lowers_exposure_at_once_and_is_left_by_a_person() -> None:
    run = Run().at_full()
    assert "earlier" in run.refused(c.Retreat, step="ramp", percent=50.0).next
    run.ok(c.PlaceHold)
    assert kinds(run.ok(c.Retreat, step="ramp", percent=5.0)) == ["PhaseRetreated", "HoldPlaced"]
    taken = run.intend("ramp")
    assert isinstance(taken, tuple), str(taken)
    run.outcome()
    assert run.state.exposure == {"unleash/checkout": 5.0}


def test_a_retreat_waits_for_an_effect_under_way_and_for_an_unknown_one() -> None:
    run = Run().ramping().wait(60.0)
    run.observe()
    run.intend("ramp")
    assert "under way" in run.refused(c.Retreat, step="ramp", percent=5.0).why
    run.outcome("unknown", reason="silence")
    assert "nobody knows" in run.refused(c.Retreat, step="ramp", percent=5.0).why


def test_only_a_ramp_of_a_flag_goes_back() -> None:
    run = Run().deployed()
    assert "ramps no flag" in run.refused(c.Retreat, step="deploy", percent=5.0).why
    run.begin("ramp")
    assert "earlier" in run.refused(c.Retreat, step="ramp", percent=5.0).next


def phase(step: StepState) -> float | None:
    return step.phase_plan.percent if step.phase_plan else None


def test_the_last_phase_also_needs_its_gate() -> None:
    run = Run().at_full().wait(60.0)
    assert phase(run.step("ramp")) == 100.0
    run.observe("bad")
    assert run.step("ramp").status == "stuck"
