"""Taking back: the plan, mitigate, roll back, decisions about single items, and how it ends (states.md 6)."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.agenda import STOP_AFTER, agenda
from amplify_tui.run.autopilot import waits_for_person
from amplify_tui.run.shapes import CODE_BAND, DATA_BAND, WORDS_BAND, Refusal, ServiceFacts, StepPlan, Target, Undo
from amplify_tui.run.undo import mitigation_items, rollback_items, undo_plan
from tests.run.world import FLAG, STEPS, Run, a_plan, deploy_undo, flag_undo

FLAG_OFF, FLAG_SEEN, UNDEPLOY = "u1:flag:unleash/checkout", "u2:flag:unleash/checkout", "u3:command:deploy"


def kinds(events: tuple[ev.EventData, ...]) -> list[str]:
    return [type(event).__name__ for event in events]


def statuses(run: Run) -> dict[str, str]:
    return {entry.item.id: entry.status for entry in rollback_items(run.state)}


def due(run: Run) -> list[str]:
    return [todo.item.id for todo in agenda(run.state, run.now) if todo.kind == "undo" and todo.item is not None]


def closing(run: Run) -> Run:
    """What is left once all is taken back."""
    run.ok(c.Judged, check="orders", verdict="pass", when="after")
    run.begin("tell")
    run.ok(c.Finish, step="tell", outcome="succeeded")
    run.ok(c.Close)
    return run


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_effects_on_one_target_are_one_item_back_to_the_first_before() -> None:
    run = Run().at_full()
    plan = {item.id: item for item in undo_plan(run.state)}
    assert list(plan) == [FLAG_OFF, FLAG_SEEN, UNDEPLOY]
    assert plan[FLAG_OFF].effects == ("e2", "e3")
    assert (plan[FLAG_OFF].before, plan[FLAG_OFF].after) == ({"percent": 0.0}, {"percent": 100.0})
    assert plan[FLAG_SEEN].needs == (FLAG_OFF,)


def test_what_proved_absent_is_not_taken_back_and_what_is_unknown_is() -> None:
    run = Run().agreed()
    run.begin("deploy")
    run.intend("deploy")
    assert [item.id for item in undo_plan(run.state)] == [UNDEPLOY]
    run.outcome("unknown", reason="silence")
    assert [item.id for item in undo_plan(run.state)] == [UNDEPLOY]
    run.ok(c.Probed, effect="e1", result="absent")
    assert undo_plan(run.state) == ()


def commands(*names: str, bands: dict[str, int] | None = None, plans: dict[str, StepPlan] | None = None) -> Run:
    """A run that did a command a step, each step after the one before."""
    needs: tuple[str, ...] = ()
    steps = {}
    for name in names:
        steps[name] = (plans or {}).get(name) or StepPlan(id=name, stage="go", verb="command", needs=needs)
        needs = (name,)
    run = Run(replace(a_plan(), steps=steps), integrity=())
    for name in names:
        run.begin(name)
        undo: Undo | None = replace(deploy_undo(), band=(bands or {}).get(name, CODE_BAND))
        run.intend(name, undo=undo)
        run.outcome()
        run.ok(c.Finish, step=name, outcome="succeeded")
    return run


def test_bands_go_one_after_the_other_and_words_come_last() -> None:
    run = commands("a", "b", "d", bands={"a": WORDS_BAND, "b": DATA_BAND})
    run.ok(c.Rollback)
    for item in ("u3:command:d", "u4:command:b", "u5:command:a"):
        assert due(run) == [item]
        run.undo(item)
    assert due(run) == []


def test_what_was_built_on_a_step_goes_back_before_it() -> None:
    run = commands("a", "b", "d")
    run.ok(c.Rollback)
    assert [item.needs for item in run.state.rollback_plan] == [
        (),
        ("u3:command:d",),
        ("u3:command:d", "u3:command:b"),
    ]
    assert due(run) == ["u3:command:d"]


def test_independent_items_go_on_when_one_fails() -> None:
    apart = {name: StepPlan(id=name, stage="go", verb="command") for name in ("a", "b")}
    run = commands("a", "b", plans=apart)
    run.ok(c.Rollback)
    assert due(run) == ["u3:command:b", "u3:command:a"]
    run.undo("u3:command:b", "absent", reason="exit 1")
    assert due(run) == ["u3:command:a"]


def test_undo_after_of_the_playbook_goes_before_the_order_of_building() -> None:
    chain = {
        "a": StepPlan(id="a", stage="go", verb="command"),
        "b": StepPlan(id="b", stage="go", verb="command", needs=("a",), undo_after=("a",)),
    }
    run = commands("a", "b", plans=chain)
    run.ok(c.Rollback)
    assert due(run) == ["u3:command:a"]


def test_instances_go_back_wave_by_wave_and_a_service_after_those_that_require_it() -> None:
    run = Run(integrity=()).agreed()
    facts = {"api": ServiceFacts(instances=("a1", "a2"), requires={"db": ">=1"}), "db": ServiceFacts(instances=("d1",))}
    run.state = replace(run.state, services=facts)
    run.begin("deploy")
    for unit, phase in (("db/d1", 0), ("api/a1", 1), ("api/a2", 2)):
        step = "deploy" if unit.startswith("db") else "ramp"
        if step == "ramp" and run.step("ramp").status == "pending":
            run.ok(c.Finish, step="deploy", outcome="succeeded")
            run.begin("ramp")
        run.intend(
            step, target=Target(kind="instance", id=unit), phase=phase, ordinal=unit, undo=deploy_undo(), exposure=None
        )
        run.outcome()
    run.ok(c.Rollback)
    for item in ("u3:instance:api/a2", "u3:instance:api/a1", "u3:instance:db/d1"):
        assert due(run) == [item]
        run.undo(item)


def test_what_cannot_be_undone_is_kept_and_named() -> None:
    run = Run(integrity=()).agreed()
    run.begin("deploy")
    run.intend("deploy", undo=replace(deploy_undo(), cls="none", says="the mail is out"))
    run.outcome()
    run.ok(c.Rollback)
    assert statuses(run) == {UNDEPLOY: "kept"}
    run.begin("tell")
    run.ok(c.Finish, step="tell", outcome="succeeded")
    run.ok(c.Close)
    assert (run.state.outcome, run.state.follow_ups) == ("rolled_back", ("the mail is out",))


# --- mitigate ---------------------------------------------------------------------------------------------------------


def test_mitigate_takes_exposure_away_holds_and_then_the_ramp_may_start_over() -> None:
    run = Run().at_full()
    assert kinds(run.ok(c.Mitigate)) == ["MitigationStarted", "HoldPlaced"]
    assert (run.step("ramp").status, run.step("ramp").cause, run.step("ramp").phase) == ("stuck", "undo", 0)
    assert due(run) == [FLAG_OFF]
    assert "under way" in run.refused(c.Mitigate).why
    assert "verified" in run.refused(c.Release, hold="h1").next
    run.undo(FLAG_OFF)
    assert "verified" in run.refused(c.Mitigated).what
    run.undo(FLAG_SEEN)
    run.ok(c.Mitigated)
    assert (run.state.mitigation, run.state.exposed_now) == ("done", 0.0)
    assert "held" in run.refused(c.Retry, step="ramp").why
    run.ok(c.Release, hold="h1", reason="the cache was cold")
    run.ok(c.Retry, step="ramp")
    run.begin("ramp")
    assert (run.state.mitigation, run.step("ramp").status, run.step("ramp").phase) == ("", "running", 0)
    run.intend("ramp")
    assert run.effect().idem == "r1/ramp//1.0"


def test_a_rollout_that_had_succeeded_is_not_done_any_more_once_its_exposure_is_taken_away() -> None:
    run = Run().at_full().wait(60.0)
    run.observe()
    assert run.step("ramp").status == "succeeded"
    run.ok(c.Mitigate)
    assert (run.step("ramp").status, run.step("ramp").cause) == ("stuck", "undo")


def test_a_mitigation_that_is_stuck_is_tried_again_with_the_same_key() -> None:
    run = Run().ramping()
    run.ok(c.Mitigate)
    run.undo(FLAG_OFF, "absent", reason="403", retryable=False)
    assert next(entry.status for entry in mitigation_items(run.state)) == "blocked"
    assert kinds(run.ok(c.Mitigate)) == ["UndoDecided"]
    assert due(run) == [FLAG_OFF]


def test_a_rollback_after_a_mitigation_knows_what_the_mitigation_wrote_until_the_next_ramp() -> None:
    run = Run().ramping()
    run.ok(c.Mitigate)
    run.undo(FLAG_OFF, observed={"percent": 0.0, "enabled": False})
    run.undo(FLAG_SEEN)
    run.ok(c.Mitigated)
    again = run.fork()
    assert undo_plan(run.state)[0].after == {"percent": 0.0, "enabled": False}
    again.ok(c.Release, hold="h1", reason="the cache was cold")
    again.ok(c.Retry, step="ramp")
    again.begin("ramp")
    again.intend("ramp")
    again.outcome()
    assert undo_plan(again.state)[0].after == {"percent": 5.0}


def test_a_mitigation_asks_no_reason_and_the_run_neither_goes_on_nor_ends_before_there_is_one() -> None:
    run = Run().ramping()
    run.ok(c.Mitigate)
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    run.ok(c.Mitigated)
    assert "reason" in run.refused(c.Release, hold="h1").next
    assert "reason" in run.refused(c.Abort).next
    assert not isinstance(run.fork().order(c.Rollback), Refusal)
    noted = run.fork()
    noted.ok(c.Note, text="errors at the checkout")
    noted.ok(c.Release, hold="h1")
    run.ok(c.Abort, reason="errors at the checkout")


def test_a_mitigation_with_a_reason_is_released_without_another() -> None:
    run = Run().ramping()
    run.ok(c.Mitigate, reason="errors at the checkout")
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    run.ok(c.Mitigated)
    run.ok(c.Release, hold="h1")


def test_nothing_forward_is_intended_while_exposure_is_taken_away() -> None:
    run = Run().deployed()
    run.begin("ramp")
    run.ok(c.Mitigate)
    refusal = run.intend("ramp")
    assert not isinstance(refusal, tuple)


# --- roll back --------------------------------------------------------------------------------------------------------


def test_code_waits_until_exposure_is_read_back_as_gone() -> None:
    run = Run().ramping()
    run.ok(c.Rollback)
    assert due(run) == [FLAG_OFF]
    run.undo(FLAG_OFF, "absent", reason="503", retryable=True)
    assert "turn" in run.refused(c.Intend, **intending(run, UNDEPLOY)).why
    assert due(run) == []
    run.wait(1.0).undo(FLAG_OFF)
    assert due(run) == [FLAG_SEEN]
    run.undo(FLAG_SEEN)
    assert due(run) == [UNDEPLOY]
    run.undo(UNDEPLOY)
    closing(run)
    assert run.state.outcome == "rolled_back"


def intending(run: Run, item: str) -> dict[str, Any]:
    order = run.undo_intent(item)
    own = {"id", "actor", "via", "reason"}
    return {name: getattr(order, name) for name in order.__struct_fields__ if name not in own}


def test_an_undo_that_fails_retryably_is_tried_again_by_itself_after_1_2_4_to_30_seconds() -> None:
    run = Run().ramping()
    run.ok(c.Rollback)
    for wait in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        assert due(run) == [FLAG_OFF]
        run.undo(FLAG_OFF, "absent", reason="503", retryable=True)
        assert due(run.wait(wait - 0.1)) == []
        run.wait(0.1)


def test_an_undo_that_waits_for_its_backoff_is_tried_at_once_where_its_target_answers_again() -> None:
    run = Run().ramping()
    run.ok(c.Rollback)
    assert "planned" in run.refused(c.Retry, step=FLAG_OFF).why
    run.undo(FLAG_OFF, "absent", reason="refused", retryable=True)
    assert due(run) == []
    run.ok(c.Retry, step=FLAG_OFF, reason="unleash answers again", actor="conductor", via="engine")
    assert due(run) == [FLAG_OFF]
    run.undo(FLAG_OFF)
    assert statuses(run)[FLAG_OFF] == "done"


def test_a_mitigation_that_waits_for_its_backoff_is_tried_at_once_too() -> None:
    run = Run().ramping()
    run.ok(c.Mitigate)
    run.undo(FLAG_OFF, "absent", reason="refused", retryable=True)
    assert due(run) == []
    run.ok(c.Retry, step=FLAG_OFF, reason="unleash answers again", actor="conductor", via="engine")
    assert due(run) == [FLAG_OFF]


def test_breaking_the_order_needs_a_reason_and_starts_code_at_once() -> None:
    run = Run().ramping()
    assert "reason" in run.refused(c.Rollback, force_order=True).why
    run.ok(c.Rollback, force_order=True, reason="the flag server is gone")
    assert due(run) == [FLAG_OFF, UNDEPLOY]


def test_a_rollback_is_accepted_at_a_failing_gate_in_a_hold_and_with_a_sign_off_open() -> None:
    waiting = Run()
    waiting.begin("agree")
    held = Run().ramping()
    held.ok(c.PlaceHold)
    for run in (Run(), waiting, held, Run().gate_failed(), Run().deployed()):
        run.ok(c.Rollback)
        assert run.state.phase == "rolling_back"
        assert all(s.is_over for s in run.state.steps.values() if s.step != "tell")
        assert run.state.holds == {}


def test_the_steps_of_the_rollback_section_run_although_the_run_was_held() -> None:
    run = Run(integrity=())
    run.ok(c.PlaceHold)
    run.ok(c.Rollback)
    run.begin("tell")
    assert run.step("tell").status == "running"


def test_a_step_of_the_rollback_section_that_cannot_succeed_is_no_dead_end() -> None:
    run = Run(integrity=())
    run.ok(c.Rollback)
    run.begin("tell")
    run.ok(c.Finish, step="tell", outcome="failed", reason="404")
    assert "tell" in waits_for_person(run.state, run.now)
    assert "reason" in run.refused(c.Skip, step="tell").why
    run.ok(c.Skip, step="tell", reason="told them by phone")
    assert "canceled" in run.refused(c.Skip, step="ramp", reason="x").why
    run.ok(c.Close)
    assert run.state.outcome == "rolled_back_partly"


def test_a_step_never_goes_forward_again_after_a_rollback() -> None:
    run = Run().gate_failed()
    run.ok(c.Rollback)
    assert "forward" in run.refused(c.Retry, step="ramp").why
    assert run.ok(c.Mitigate) == ()
    assert "already" in run.refused(c.Rollback).what


def test_code_whose_effect_is_on_its_way_waits_for_its_outcome_and_exposure_does_not() -> None:
    run = Run().agreed()
    run.begin("deploy")
    run.intend("deploy")
    run.ok(c.Rollback)
    assert (due(run), statuses(run)) == ([], {UNDEPLOY: "planned"})
    run.outcome("absent", reason="exit 1")
    assert statuses(run) == {UNDEPLOY: "done"}
    run = Run().deployed()
    run.begin("ramp")
    run.intend("ramp")
    run.ok(c.Rollback)
    assert due(run) == [FLAG_OFF]
    run.undo(FLAG_OFF)
    assert due(run) == []
    run.wait(1.0).ok(c.Outcome, effect="e2", result="done")
    assert run.state.exposed_now == 5.0
    assert due(run) == [FLAG_SEEN]
    run.undo(FLAG_SEEN)
    assert run.state.exposed_now == 0.0


def test_an_unknown_effect_needs_nobodys_word_once_it_was_taken_back() -> None:
    run = Run().deployed()
    run.begin("ramp")
    run.intend("ramp")
    run.outcome("unknown", reason="silence")
    run.ok(c.Rollback)
    run.undo(FLAG_OFF)
    assert run.effect("e2").status == "absent"
    assert run.state.exposed_now == 0.0


def test_reading_back_is_done_again_after_a_crash_whatever_the_flag_looks_like() -> None:
    run = Run().ramping()
    run.ok(c.Rollback)
    run.undo(FLAG_OFF)
    run.do(run.undo_intent(FLAG_SEEN))
    run.lease()
    look = run.effect().id
    assert "reads back" in run.refused(c.Settle, effect=look, as_="done", reason="seen").why
    run.ok(c.Probed, effect=look, result="done")
    assert due(run) == [FLAG_SEEN]


# --- decisions --------------------------------------------------------------------------------------------------------


def blocked() -> Run:
    run = Run().ramping()
    run.ok(c.Rollback)
    run.undo(FLAG_OFF, "absent", reason="403", retryable=False)
    assert statuses(run)[FLAG_OFF] == "blocked"
    return run


def test_a_decision_allows_one_more_try_and_no_endless_ones() -> None:
    run = blocked()
    run.ok(c.DecideUndo, effect=FLAG_OFF, choice="ours", expect="absent")
    assert due(run) == [FLAG_OFF]
    run.undo(FLAG_OFF, "absent", reason="403", retryable=False)
    assert due(run) == []
    assert statuses(run)[FLAG_OFF] == "blocked"


def test_another_try_never_decides_about_what_others_changed() -> None:
    for again in (c.Rollback, c.Retry):
        run = blocked()
        run.ok(again, **({"step": FLAG_OFF} if again is c.Retry else {}))
        assert run.state.decisions[FLAG_OFF].choice == ""
        assert due(run) == [FLAG_OFF]
    run.ok(c.DecideUndo, effect=FLAG_OFF, choice="kill")
    run.undo(FLAG_OFF, "absent", reason="403", retryable=False)
    run.ok(c.Retry, step=FLAG_OFF)
    assert run.state.decisions[FLAG_OFF].choice == "kill"


def test_a_diverged_try_can_be_tried_again() -> None:
    run = Run().ramping()
    run.ok(c.Rollback)
    run.undo(FLAG_OFF, "unknown", reason="silence")
    run.ok(c.Probed, effect=run.effect().id, result="diverged")
    assert statuses(run)[FLAG_OFF] == "blocked"
    run.ok(c.Retry, step=FLAG_OFF)
    assert due(run) == [FLAG_OFF]


def test_what_may_be_decided_about_an_item() -> None:
    run = blocked()
    assert "reason" in run.refused(c.DecideUndo, effect=FLAG_OFF, choice="waive").why
    assert "not unknown" in run.refused(c.DecideUndo, effect=FLAG_OFF, choice="ours", expect="unknown").why
    assert "flags" in run.refused(c.DecideUndo, effect=UNDEPLOY, choice="kill").why
    assert "none of that id" in run.refused(c.DecideUndo, effect="u9", choice="restore").why
    assert "none of that id" in run.refused(c.Retry, step="u9").why
    assert "planned" in run.refused(c.Retry, step=UNDEPLOY).why


def test_a_waived_item_is_not_read_back_and_the_run_is_rolled_back_partly() -> None:
    run = blocked()
    run.ok(c.DecideUndo, effect=FLAG_OFF, choice="waive", reason="it stays on for them")
    assert statuses(run)[FLAG_SEEN] == "waived"
    assert "is waived" in run.refused(c.DecideUndo, effect=FLAG_OFF, choice="restore").why
    run.undo(UNDEPLOY)
    closing(run)
    assert run.state.outcome == "rolled_back_partly"
    assert any("it stays on" in words for words in run.state.exceptions)


def test_waiving_what_nobody_can_vouch_for_settles_it() -> None:
    run = Run().agreed()
    run.begin("deploy")
    run.intend("deploy")
    run.outcome("unknown", reason="silence")
    run.ok(c.Rollback)
    run.ok(c.DecideUndo, effect=UNDEPLOY, choice="waive", reason="looked at the host")
    closing(run)
    assert run.state.phase == "closed"


def test_a_failing_integrity_check_makes_it_partly_and_an_unknown_check_is_refused() -> None:
    run = Run()
    run.ok(c.Rollback)
    assert "none of that name" in run.refused(c.Judged, check="x", verdict="pass", when="after").why
    run.begin("tell")
    run.ok(c.Finish, step="tell", outcome="succeeded")
    assert "integrity" in run.refused(c.Close).why
    run.ok(c.Judged, check="orders", verdict="fail", when="after")
    run.ok(c.Close)
    assert run.state.outcome == "rolled_back_partly"


def test_a_run_does_not_close_with_an_item_open() -> None:
    run = blocked()
    assert "not taken back" in run.refused(c.Close).why


def test_the_flag_undo_of_the_plan_is_the_one_that_was_journaled() -> None:
    run = Run().ramping()
    assert undo_plan(run.state)[0].spec == flag_undo().spec | {"receipt": {}}
    assert undo_plan(run.state)[0].target == FLAG
    assert STEPS["ramp"].lane == "forward"


def test_a_rollback_ends_what_still_goes_forward_and_never_its_own_steps() -> None:
    run = Run(integrity=()).agreed()
    run.begin("deploy")
    run.intend("deploy")
    run.ok(c.Rollback)
    run.wait(STOP_AFTER)
    assert [todo.effect.id for todo in agenda(run.state, run.now) if todo.kind == "stop" and todo.effect] == ["e1"]
    run.outcome("absent", reason="ended")
    run.begin("tell")
    run.intend("tell")
    run.wait(60.0)
    assert not [todo for todo in agenda(run.state, run.now) if todo.kind == "stop"]
