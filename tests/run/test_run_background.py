"""Monitors in the background: later steps go on, nothing closes over their heads, and what holds them holds those."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from amplify_tui.playbook.document import load
from amplify_tui.run import commands as c
from amplify_tui.run.agenda import agenda
from amplify_tui.run.autopilot import waits_for_person
from amplify_tui.run.background import is_behind
from amplify_tui.run.plan import draft_plan
from amplify_tui.run.shapes import Refusal, SignOffPlan
from amplify_tui.run.state import StepState
from amplify_tui.steps.registry import specs
from tests.run.watch_world import BACKGROUND_PLAN, BEHIND, Watched, at_purge, in_background


def todos(run: Watched, kind: str) -> set[str]:
    return {todo.step.ref for todo in agenda(run.state, run.now) if todo.kind == kind and todo.step is not None}


def to_the_end(run: Watched, step: str, kind: str = "good") -> StepState:
    while not run.step(step).is_over:
        run.watch(kind, step=step)
    return run.step(step)


def failed(run: Watched, step: str = "soak") -> Watched:
    """The gate of a monitor has failed."""
    while run.step(step).status == "observing":
        run.watch("bad", step=step)
    return run


# --- going on ---------------------------------------------------------------------------------------------------------


def test_the_steps_after_it_go_on_while_it_watches_and_both_are_looked_at() -> None:
    run = in_background()
    assert todos(run, "begin") == {"purge"}
    assert todos(run, "observe") == {"soak", "burn"}
    run.begin("purge")
    assert run.step("purge").status == "running"


def test_nothing_goes_on_before_it_watches() -> None:
    run = Watched(BACKGROUND_PLAN, BEHIND)
    run.begin("burn", watch=BEHIND)
    assert todos(run, "begin") == set()
    assert run.refused(c.Begin, step="purge").why == "what it needs is not done"


def test_a_step_that_needs_it_waits_for_its_end() -> None:
    run = at_purge()
    run.ok(c.Finish, step="purge", outcome="succeeded")
    assert run.refused(c.Begin, step="finish").why == "what it needs is not done"
    assert to_the_end(run, "soak").status == "succeeded"
    assert todos(run, "begin") == {"finish"}, "the other one, which it does not name, may watch on"


def test_the_run_does_not_close_before_the_last_monitor_has_ended() -> None:
    run = at_purge()
    run.ok(c.Finish, step="purge", outcome="succeeded")
    to_the_end(run, "soak")
    run.begin("finish")
    run.intend("finish")
    run.outcome()
    run.ok(c.Finish, step="finish", outcome="succeeded")
    assert todos(run, "observe") == {"burn"}
    assert run.refused(c.Close).why == "burn is not done"
    to_the_end(run, "burn")
    run.ok(c.Close)
    assert run.state.outcome == "completed"


def test_a_monitor_in_front_keeps_what_follows_it_waiting() -> None:
    run = Watched(BACKGROUND_PLAN, replace(BEHIND, background=False))
    assert run.refused(c.Begin, step="burn", watch=BEHIND).why == "what it needs is not done"


def test_a_person_who_is_waited_for_is_asked_although_a_monitor_watches_on() -> None:
    signed = replace(BACKGROUND_PLAN.steps["purge"], sign_off=SignOffPlan(roles={"qa": 1}))
    run = Watched(replace(BACKGROUND_PLAN, steps=BACKGROUND_PLAN.steps | {"purge": signed}), BEHIND)
    assert waits_for_person(run.state, run.now) == ""
    run.begin("burn", watch=BEHIND)
    run.ok(c.Enter, step="burn")
    run.begin("purge")
    assert waits_for_person(run.state, run.now) == "purge: sign-off by qa"


# --- its gate ---------------------------------------------------------------------------------------------------------


def test_while_its_gate_fails_nothing_behind_it_begins_acts_or_passes() -> None:
    run = in_background()
    run.begin("purge")
    failed(run)
    (hold,) = run.state.holds.values()
    assert (hold.scope, hold.kind) == ("soak", "gate")
    assert run.step("soak").question
    assert "held: errors" in str(run.refused(c.Intend, **_intent_of(run, "purge")))
    assert run.state.holds_on(run.step("burn").ref) == [hold]
    assert run.state.holds_on(run.step("ramp").ref) == []


def _intent_of(run: Watched, step: str) -> dict[str, object]:
    intent = run.intent(step)
    return {
        name: getattr(intent, name)
        for name in ("step", "verb", "target", "before", "after", "undo", "ordinal", "deadline")
    }


def test_when_it_is_good_again_what_it_held_goes_on_by_itself() -> None:
    run = failed(in_background())
    while run.step("soak").status == "stuck":
        run.watch("good")
    assert not run.state.holds
    run.begin("purge")
    assert run.step("purge").status == "running"


def test_what_is_behind_the_other_one_only_is_held_by_neither_s_end() -> None:
    run = failed(in_background(), "burn")
    assert run.refused(c.Begin, step="purge").why.startswith("held: errors")
    to_the_end(run, "soak")
    assert run.step("soak").status == "succeeded", "the first one is not behind the second"


def test_an_unknown_effect_that_is_settled_while_it_holds_is_gone_on_with() -> None:
    run = in_background()
    run.begin("purge")
    run.intend("purge")
    run.outcome("unknown")
    failed(run)
    run.ok(c.Settle, effect=run.effect().id, as_="done", reason="seen on the machine")
    assert run.step("purge").status == "running"


def test_an_automatic_rollback_by_its_gate_ends_everything() -> None:
    run = Watched(BACKGROUND_PLAN, replace(BEHIND, on_fail="rollback"))
    run.begin("burn", watch=BEHIND)
    run.ok(c.Enter, step="burn")
    run.begin("purge")
    failed(run)
    assert run.state.phase == "rolling_back"
    assert {run.step(name).status for name in ("soak", "burn", "purge", "finish")} == {"canceled"}


# --- what ends it, and what does not ------------------------------------------------------------------------------------


def test_triggers_stay_armed_and_a_rollback_ends_it() -> None:
    run = at_purge()
    assert [type(event).__name__ for event in run.sense("bad")] == ["TriggerFired"]
    run.ok(c.AnswerTrigger, trigger="errors", answer="rollback", reason="it burns")
    assert run.step("soak").status == run.step("burn").status == "canceled"
    assert todos(run, "observe") == set()


def test_a_mitigation_ends_it_and_it_begins_anew_once_the_ramp_is_there_again() -> None:
    run = at_purge()
    run.watch("slightly")
    run.ok(c.Mitigate, reason="it burns")
    assert run.step("soak").status == run.step("burn").status == "pending"
    assert todos(run, "observe") == set()
    assert run.step("soak").seen[0].worst == 0.02, "what it saw can still be read"
    assert run.step("purge").status == "running", "what has nothing to do with exposure goes on"


def test_a_mitigation_releases_the_hold_of_a_monitor_that_it_ends() -> None:
    run = failed(in_background())
    run.ok(c.Mitigate, reason="it burns")
    assert [hold.kind for hold in run.state.holds.values()] == ["human"]


def test_abandoning_the_run_ends_it() -> None:
    run = at_purge()
    run.ok(c.Abort, reason="enough")
    assert run.state.phase == "closed"
    assert agenda(run.state, run.now) == []


def test_a_crash_goes_on_with_both_where_the_journal_has_them() -> None:
    run = in_background()
    for _ in range(7):
        run.watch("good")
        run.watch("good", step="burn", seconds=0.0)
    before = {name: run.step(name).accrued for name in ("soak", "burn")}
    assert min(before.values()) >= 30.0
    run.wait(3600.0)
    run.kept.clear()
    run.lease()
    assert todos(run, "observe") == {"soak", "burn"}
    run.watch("good")
    assert run.step("soak").status == "observing", "an hour without a conductor is no hour of watching"
    assert run.step("burn").accrued == before["burn"]
    assert to_the_end(run, "soak").status == "succeeded"


def test_it_is_not_skipped_while_it_watches() -> None:
    run = in_background()
    result = run.order(c.Skip, step="soak", reason="no time")
    assert isinstance(result, Refusal)


def test_what_is_behind_what_goes_through_all_needs() -> None:
    assert is_behind(BACKGROUND_PLAN, "finish", "soak")
    assert is_behind(BACKGROUND_PLAN, "finish", "agree")
    assert not is_behind(BACKGROUND_PLAN, "soak", "burn")
    assert not is_behind(BACKGROUND_PLAN, "soak", "soak")
    assert not is_behind(BACKGROUND_PLAN, "tell", "soak")


@pytest.mark.parametrize("answer", ["rollback", "mitigate", "hold"])
def test_both_monitors_and_a_trigger_at_once_leave_the_way_back_open(answer: str) -> None:
    run = failed(failed(at_purge()), "burn")
    run.sense("bad")
    assert not isinstance(run.order(c.AnswerTrigger, trigger="errors", answer=answer, reason="so it is"), Refusal)
    if run.state.phase == "forward":
        assert not isinstance(run.fork().order(c.Rollback), Refusal)


PLAYBOOK = b"""
apiVersion: amplify/v1
kind: Playbook
name: shop
release: {repo: ., version: 1.0.0, environment: production}
services: {shop: {instances: ["http://127.0.0.1:1"]}}
stages:
  - id: watch
    steps:
      - {id: soak, monitor: {for: 1h, gate: [health], background: true}}
      - {id: purge, wait: {for: 1s, reason: "caches"}}
      - {id: beside, needs: [soak], wait: {for: 1s, reason: "caches"}}
  - id: next
    steps:
      - {id: tell, wait: {for: 1s, reason: "people"}}
  - id: last
    needs: [watch]
    steps:
      - {id: well, wait: {for: 1s, reason: "people"}}
"""


def test_what_a_playbook_names_in_needs_is_told_from_what_only_stands_above() -> None:
    document = load(PLAYBOOK, path="shop.yaml", registry=specs()).document
    assert document is not None
    plan = draft_plan("shop", document.structure(), document.raw, {})
    assert {step.id: (step.needs, step.named) for step in plan.steps.values()} == {
        "soak": ((), ()),
        "purge": (("soak",), ()),
        "beside": (("soak",), ("soak",)),
        "tell": (("soak", "purge", "beside"), ()),
        "well": (("soak", "purge", "beside"), ("soak", "purge", "beside")),
    }
