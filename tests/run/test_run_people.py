"""What people may order of the run and its steps, and what they are told when they may not (states.md 3)."""

from __future__ import annotations

from msgspec.structs import replace

from amplify_tui.playbook.model import Input
from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.shapes import Await, SignOffPlan, StepPlan
from tests.run.world import CONFIRM, PLAN, SHA, STEPS, Run, a_plan

HOUR = 3600.0


def signed(roles: dict[str, int], **more: bool) -> StepPlan:
    return replace(STEPS["agree"], sign_off=SignOffPlan(roles=roles, **more))


def kinds(events: tuple[ev.EventData, ...]) -> list[str]:
    return [type(event).__name__ for event in events]


# --- start, inputs ----------------------------------------------------------------------------------------------------


def test_a_start_names_each_input_that_is_missing_and_each_problem_of_the_world() -> None:
    needs = replace(PLAN, inputs={"ticket": Input(type="string"), "size": Input(type="int", default=1)})
    run = Run(needs, started=False)
    assert "ticket" in run.refused(c.Start, facts=run.facts()).why
    assert "size" in run.refused(c.Answer, step="inputs", values={"size": "big"}).why
    run.ok(c.Answer, step="inputs", values={"ticket": "T-1"})
    assert "dirty" in run.refused(c.Start, facts=run.facts(), problems=("the tree is dirty",)).why
    assert "looked" in run.refused(c.Start).why
    run.ok(c.Start, facts=run.facts())
    assert run.state.phase == "forward"
    assert "started" in run.refused(c.Answer, step="inputs", values={"ticket": "T-2"}).why


def test_roles_of_the_resolved_plan_count_and_those_taken_in_the_draft_stay() -> None:
    run = Run(replace(PLAN, roles={"qa": ()}), started=False)
    run.ok(c.TakeRole, role="qa", actor="sre")
    facts = run.facts()
    run.ok(c.Start, facts=replace(facts, plan=replace(facts.plan, roles={"dba": ("admin",)})))
    assert run.state.roles == {"qa": ("sre",), "dba": ("admin",)}
    assert "admin" in run.refused(c.TakeRole, role="dba").next


# --- answers and sign-offs --------------------------------------------------------------------------------------------


def test_a_declined_step_is_stuck_and_a_retry_asks_again_instead_of_going_on() -> None:
    run = Run()
    run.begin("agree")
    run.ok(c.Answer, step="agree", values={"accept": False}, reason="not yet")
    assert (run.step("agree").status, run.step("agree").cause) == ("stuck", "failed")
    assert kinds(run.ok(c.Retry, step="agree")) == ["StepAwaiting"]
    run.begin("agree")
    assert [a.kind for a in run.step("agree").awaits] == ["confirm", "sign_off"]


def test_a_rejected_sign_off_cannot_be_passed_by_a_retry() -> None:
    run = Run()
    run.begin("agree")
    run.ok(c.Answer, step="agree", values={"accept": True})
    run.ok(c.Reject, step="agree", role="qa", expect=SHA, reason="too early")
    assert "rejected by captain" in run.step("agree").detail
    run.ok(c.Retry, step="agree")
    run.begin("agree")
    assert [a.role for a in run.step("agree").awaits] == ["qa"]


def test_an_answer_is_checked_and_may_be_corrected_until_the_step_runs() -> None:
    run = Run()
    run.begin("agree", awaits=(Await(kind="input", fields={"n": Input(type="int")}),))
    assert "n" in run.refused(c.Answer, step="agree", values={"n": "x"}).why
    run.ok(c.Answer, step="agree", values={"n": 1})
    run.ok(c.Answer, step="agree", values={"n": 2})
    assert run.step("agree").answers == {"n": 2}
    run.refused(c.Answer, step="deploy", values={"n": 2})


def test_one_person_gives_one_signature_also_in_two_roles() -> None:
    run = Run(a_plan(agree=signed({"qa": 1, "dba": 1})))
    run.begin("agree", awaits=())
    run.ok(c.Approve, step="agree", role="qa", actor="sre", expect=SHA)
    assert "one signature" in run.refused(c.Approve, step="agree", role="dba", actor="sre").why
    run.ok(c.Approve, step="agree", role="dba", actor="admin", expect=SHA)
    run.begin("agree", awaits=())
    assert run.step("agree").status == "running"


def test_two_of_a_role_are_two_people() -> None:
    run = Run(a_plan(agree=signed({"qa": 2})))
    run.begin("agree", awaits=())
    run.ok(c.Approve, step="agree", role="qa", actor="sre")
    run.begin("agree", awaits=())
    assert (run.step("agree").status, run.step("agree").awaits[0].count) == ("awaiting", 1)


def test_the_starter_may_not_sign_where_the_playbook_says_so() -> None:
    run = Run(a_plan(agree=signed({"qa": 1}, not_starter=True)))
    run.begin("agree", awaits=())
    assert "started the run" in run.refused(c.Approve, step="agree", role="qa").why
    run.ok(c.Approve, step="agree", role="qa", actor="sre")


def test_a_sign_off_needs_the_role() -> None:
    run = Run(replace(PLAN, roles={"qa": ("sre",)}))
    run.begin("agree")
    assert "does not hold" in run.refused(c.Approve, step="agree", role="qa").why
    assert "does not hold" in run.refused(c.Reject, step="agree", role="qa").why
    assert "not for dba" in run.refused(c.Approve, step="agree", role="dba", actor="sre").why


def test_a_sign_off_expires_and_falls_when_the_preview_changes() -> None:
    run = Run()
    run.begin("agree", awaits=())
    run.ok(c.Approve, step="agree", role="qa", expect=SHA)
    expired = run.fork().wait(4 * HOUR + 1)
    expired.begin("agree", awaits=())
    assert expired.step("agree").status == "awaiting"
    run.begin("agree", awaits=(), preview_sha="preview-2")
    assert (run.step("agree").status, run.step("agree").preview_sha) == ("awaiting", "preview-2")


def test_a_signed_off_step_whose_attempt_changed_nothing_is_asked_for_again() -> None:
    run = Run(a_plan(deploy=replace(STEPS["deploy"], sign_off=SignOffPlan(roles={"qa": 1})))).agreed()
    run.begin("deploy")
    run.ok(c.Approve, step="deploy", role="qa", expect=SHA)
    run.begin("deploy")
    run.intend("deploy")
    run.outcome("absent", reason="exit 1")
    run.ok(c.Finish, step="deploy", outcome="failed", reason="exit 1")
    run.wait(5 * HOUR)
    assert kinds(run.ok(c.Retry, step="deploy")) == ["StepAwaiting"]
    run.begin("deploy")
    assert [a.kind for a in run.step("deploy").awaits] == ["sign_off"]


def test_a_stale_expectation_is_refused() -> None:
    run = Run()
    run.begin("agree")
    assert "changed" in run.refused(c.Approve, step="agree", role="qa", expect="older").why
    assert "changed" in run.refused(c.Reject, step="agree", role="qa", expect="older").why
    run = Run().gate_failed()
    assert "attempt" in run.refused(c.Retry, step="ramp", expect=7).why
    assert "attempt" in run.refused(c.Skip, step="ramp", expect=7, reason="because").why
    assert "phase" in run.refused(c.Retreat, step="ramp", percent=5.0, expect=1).why
    run.refused(c.Release, hold="h99")
    run = Run().deployed()
    run.begin("ramp")
    run.intend("ramp")
    run.outcome("unknown", reason="silence")
    assert "not diverged" in run.refused(c.Settle, effect="e2", as_="done", expect="diverged", reason="seen").why


# --- holds ------------------------------------------------------------------------------------------------------------


def test_a_hold_stops_beginnings_effects_and_the_end_but_not_what_is_under_way() -> None:
    run = Run().deployed()
    run.begin("ramp")
    run.ok(c.PlaceHold)
    assert "held already" in run.refused(c.PlaceHold).what
    assert "held" in run.refused(c.Intend, **fields_of(run.intent("ramp"))).why
    run.ok(c.Release, hold="h1")
    run.intend("ramp")
    run.ok(c.PlaceHold)
    run.outcome()
    run.ok(c.Enter, step="ramp")
    assert run.wait(60.0).observe() != ()
    assert run.step("ramp").phase == 0
    assert "held" in run.refused(c.Close).why or "not done" in run.refused(c.Close).why


def fields_of(order: c.Intend) -> dict[str, object]:
    own = {"id", "actor", "via", "reason"}
    return {name: getattr(order, name) for name in order.__struct_fields__ if name not in own}


def test_a_held_run_neither_skips_by_condition_nor_closes() -> None:
    run = Run()
    run.ok(c.PlaceHold)
    refusal = run.begin("agree", when=False)
    assert not isinstance(refusal, tuple)
    assert "held" in refusal.why
    run.ok(c.Release, hold="h1")
    for name in ("agree", "deploy", "ramp"):
        run.begin(name, when=False)
    run.ok(c.PlaceHold)
    assert "held" in run.refused(c.Close).why
    run.ok(c.Release, hold="h2")
    run.ok(c.Close)
    assert run.state.outcome == "completed"


def test_a_condition_that_cannot_be_resolved_is_never_false() -> None:
    run = Run()
    run.begin("agree", when=None, problem="inputs.x is not there")
    assert (run.step("agree").status, run.step("agree").detail) == ("stuck", "inputs.x is not there")


# --- skip, retry, failures --------------------------------------------------------------------------------------------


def failing(**more: object) -> Run:
    run = Run(a_plan(deploy=replace(STEPS["deploy"], **more))).agreed()
    run.begin("deploy")
    run.intend("deploy")
    run.outcome("absent", reason="exit 1")
    return run


def test_a_skip_needs_permission_a_reason_and_known_effects() -> None:
    run = failing(skippable=False)
    run.ok(c.Finish, step="deploy", outcome="failed", reason="exit 1")
    assert "skippable" in run.refused(c.Skip, step="deploy", reason="because").why
    run = failing(skippable=("dba",))
    assert "at work" in run.refused(c.Skip, step="deploy", reason="because").why
    run.ok(c.Finish, step="deploy", outcome="failed", reason="exit 1")
    run.fold(ev.RoleTaken(role="dba"), actor="admin")
    assert "does not hold" in run.refused(c.Skip, step="deploy", reason="because").why
    assert "reason" in run.refused(c.Skip, step="deploy", actor="admin").why
    run.ok(c.Skip, step="deploy", actor="admin", reason="by hand")
    assert run.state.exceptions == ("deploy skipped: by hand",)
    assert "skipped" in run.refused(c.Skip, step="deploy", actor="admin", reason="x").why


def test_retries_wait_for_their_time_and_come_to_an_end() -> None:
    run = failing(retries=1)
    run.ok(c.Finish, step="deploy", outcome="failed", reason="exit 1")
    assert run.step("deploy").not_before == run.now + 2.0
    assert "backoff" in run.refused(c.Retry, step="deploy", via="engine").why
    run.wait(2.0).ok(c.Retry, step="deploy", via="engine")
    run.intend("deploy")
    run.outcome("absent", reason="exit 1")
    run.ok(c.Finish, step="deploy", outcome="failed", reason="exit 1")
    assert (run.step("deploy").status, run.step("deploy").not_before) == ("stuck", 0.0)
    assert "backoff" in run.refused(c.Retry, step="deploy", via="engine").why


def test_a_person_need_not_wait_for_the_backoff() -> None:
    run = failing(retries=1)
    run.ok(c.Finish, step="deploy", outcome="failed", reason="exit 1")
    run.ok(c.Retry, step="deploy")
    run.intend("deploy")
    assert run.effect().idem == "r1/deploy//0"


def test_on_fail_says_what_a_failure_becomes() -> None:
    stop, go_on, ask = failing(), failing(on_fail="continue"), failing(on_fail="ask")
    for run in (stop, go_on, ask):
        run.ok(c.Finish, step="deploy", outcome="failed", reason="exit 1")
    assert (stop.step("deploy").status, stop.step("deploy").question) == ("stuck", "")
    assert (go_on.step("deploy").status, go_on.step("deploy").skipped_by) == ("skipped", "failed")
    assert go_on.state.exceptions
    assert ask.step("deploy").question


def test_a_retry_is_refused_while_held_and_where_nothing_is_stuck() -> None:
    run = failing()
    assert "not stuck" in run.refused(c.Retry, step="deploy").why
    run.ok(c.Finish, step="deploy", outcome="failed", reason="exit 1")
    run.ok(c.PlaceHold)
    assert "release h1" in run.refused(c.Retry, step="deploy").next


# --- settle, abort, close ---------------------------------------------------------------------------------------------


def unknown() -> Run:
    run = Run().agreed()
    run.begin("deploy")
    run.intend("deploy")
    run.outcome("unknown", reason="silence")
    return run


def test_nothing_acts_on_an_unknown_effect() -> None:
    run = unknown()
    assert (run.step("deploy").status, run.step("deploy").cause) == ("stuck", "unknown")
    for order in ({"step": "deploy"}, {"step": "deploy", "reason": "because"}):
        kind = c.Skip if "reason" in order else c.Retry
        assert "e1" in run.refused(kind, **order).why
    assert "e1" in run.refused(c.Abort).why


def test_settling_waits_for_the_probe_unless_there_is_a_reason() -> None:
    run = unknown()
    assert "probe" in run.refused(c.Settle, effect="e1", as_="done").why
    assert kinds(run.ok(c.Settle, effect="e1", as_="done", reason="seen on the host")) == [
        "EffectSettled",
        "AttemptStarted",
    ]
    assert run.effect("e1").human
    assert "done" in run.refused(c.Settle, effect="e1", as_="absent", reason="x").why
    run = unknown()
    for _ in range(7):
        run.ok(c.Probed, effect="e1", result="unreachable")
    run.ok(c.Settle, effect="e1", as_="absent")


def test_an_abort_leaves_no_partial_exposure_behind_unless_told() -> None:
    run = Run().ramping()
    assert "5 %" in run.refused(c.Abort).why
    run.ok(c.Abort, leave_partial=True)
    assert run.state.outcome == "abandoned"
    run = Run().at_full()
    run.ok(c.Mitigate)
    assert "taken away" in run.refused(c.Abort).why
    run = Run(started=False)
    run.ok(c.Abort)
    assert run.state.outcome == "canceled"


def test_an_abort_waits_for_an_effect_under_way() -> None:
    run = Run().agreed()
    run.begin("deploy")
    run.intend("deploy")
    assert "wait" in run.refused(c.Abort).next


def test_a_run_without_exceptions_is_completed_and_one_with_a_skip_is_not_quite() -> None:
    run = Run().at_full().wait(60.0)
    run.observe()
    assert run.step("ramp").status == "succeeded"
    run.ok(c.Close)
    assert run.state.outcome == "completed"
    run = Run().deployed()
    run.ok(c.Skip, step="ramp", reason="another day")
    run.ok(c.Close)
    assert run.state.outcome == "completed_with_exceptions"


def test_a_confirm_wants_a_yes_or_a_no() -> None:
    run = Run()
    run.begin("agree", awaits=(CONFIRM,))
    assert "true nor false" in run.refused(c.Answer, step="agree", values={"accept": "yes"}).why
