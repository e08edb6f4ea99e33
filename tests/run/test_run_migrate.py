"""Migrate: only what has not begun changes, protection gets stricter, and what was done is taken back as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from amplify_tui.playbook.model import Condition, Input, Limit
from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.envelope import decode
from amplify_tui.run.evolve import fold
from amplify_tui.run.migration import Proposal, Text, difference, trigger_changes
from amplify_tui.run.shapes import (
    Bundle,
    Course,
    File,
    OnBlindPlan,
    Plan,
    Refusal,
    StepPlan,
    TriggerSpec,
    Trust,
    ref_of,
)
from amplify_tui.run.undo import undo_plan
from amplify_tui.verdict.model import Term
from tests.run.test_run_properties import walks
from tests.run.world import ERRORS, ON_BLIND, PLAN, SERVED, SHA, STEPS, TRIGGER, WATCH, Run

SHA_B = "b" * 64
ENTRIES = {
    "name": "1", "release": "1", "rollback.complete_within": "1", "service shop": "1", "input ticket": "1",
    "role qa": "1", "source unleash": "1", "source prom": "1", "signal errors": "1", "stakeholder team": "1",
}  # fmt: skip


def text(plan: Plan) -> Text:
    steps = {
        name: {f"{step.verb}.argv": "1", f"{step.verb}.gate": "1", "title": "1"} for name, step in plan.steps.items()
    }
    return Text(steps=steps, checks={"orders": {"command.argv": "1"}}, entries=ENTRIES, flags=("unleash",))


def proposed(run: Run, plan: Plan | None = None, **more: Any) -> Proposal:
    """The file says something else: by default only words of it. *steps*, *checks*, *entries*: what differs."""
    was = text(run.state.plan)
    plan = plan or run.state.plan
    steps = {name: was.steps.get(name, {"new": "1"}) for name in plan.steps}
    steps |= {name: steps[name] | parts for name, parts in more.pop("steps", {}).items()}
    now = replace(was, steps=steps)
    now = replace(now, entries=was.entries | more.pop("entries", {}), checks=more.pop("checks", was.checks))
    course = Course(
        bundle=Bundle(sha256=SHA_B, files=(File(path="release.yaml", sha256=SHA_B, text="text b"),)),
        plan=plan,
        triggers=tuple(one.spec for one in run.state.triggers.values()),
        on_blind=run.state.on_blind,
        integrity=run.state.integrity,
    )
    trust = more.pop("trust", Trust())
    return Proposal(pinned=run.state.bundle_sha, trust=trust, course=replace(course, **more), was=was, now=now)


def held(run: Run) -> Run:
    run.ok(c.PlaceHold, reason="the playbook has a mistake")
    return run


def why(run: Run, plan: Plan | None = None, **more: Any) -> str:
    return run.refused(c.Migrate, sha256=SHA_B, proposal=proposed(run, plan, **more)).why


def taken(run: Run, plan: Plan | None = None, **more: Any) -> ev.PlaybookMigrated:
    before = undo_plan(run.state)
    (event,) = run.ok(c.Migrate, sha256=SHA_B, proposal=proposed(run, plan, **more))
    assert isinstance(event, ev.PlaybookMigrated)
    assert undo_plan(run.state) == before
    return event


def without(plan: Plan, name: str) -> Plan:
    stages = tuple(replace(s, steps=tuple(x for x in s.steps if x != name)) for s in plan.stages)
    return replace(plan, stages=stages, steps={k: v for k, v in plan.steps.items() if k != name})


def with_step(plan: Plan, **steps: StepPlan) -> Plan:
    stages = tuple(replace(s, steps=(*s.steps, *steps)) for s in plan.stages)
    return replace(plan, stages=stages, steps=plan.steps | steps)


# --- when, and which text ---------------------------------------------------------------------------------------------


def test_only_a_held_run_is_migrated_with_nothing_running_open_or_being_taken_away() -> None:
    run = Run().ramping()
    assert "not held" in why(run)
    taken(held(run))
    run = Run().agreed()
    run.begin("deploy")
    assert "deploy is running" in why(held(run.fork()))
    run.intend("deploy")
    assert "e1" in why(held(run.fork()))
    run.outcome("unknown", reason="a timeout")
    assert "e1" in why(held(run))
    run = Run().at_full()
    run.ok(c.Mitigate)
    assert "taken away" in why(run)


def test_a_run_that_rolls_back_or_is_over_is_not_migrated() -> None:
    run = Run().ramping()
    run.ok(c.Rollback)
    assert "rolling back" in why(run)


def test_the_hash_that_is_named_has_to_be_that_of_the_file() -> None:
    run = held(Run().ramping())
    proposal = proposed(run)
    for sha in ("", "bbbb", "c" * 64):
        assert "the file is bbbbbbbbbbbb" in run.refused(c.Migrate, sha256=sha, proposal=proposal).why
    run.ok(c.Migrate, sha256="b" * 12, proposal=proposal)
    assert run.state.bundle_sha == SHA_B
    assert "as it was pinned" in run.refused(c.Migrate, sha256=SHA_B, proposal=proposed(run)).why
    assert "meanwhile" in run.refused(c.Migrate, sha256=SHA_B, proposal=proposal).why


def test_a_text_that_is_not_sound_is_refused_in_its_own_words() -> None:
    run = held(Run().ramping())
    assert "line 3" in run.refused(c.Migrate, sha256=SHA_B, problems=("line 3: no such verb",)).why
    assert "read" in run.refused(c.Migrate, sha256=SHA_B).why


def test_a_draft_takes_any_text_and_keeps_the_values_that_it_still_takes() -> None:
    run = Run(replace(PLAN, inputs={"ticket": Input(type="string"), "size": Input(type="int")}), started=False)
    run.ok(c.Answer, step="inputs", values={"ticket": "T-1", "size": 3})
    run.ok(c.TakeRole, role="qa", actor="sre")
    plan = replace(without(PLAN, "deploy"), inputs={"ticket": Input(type="string"), "size": Input(type="string")})
    taken(run, plan, entries={"release": "2", "name": "2"}, integrity=(), triggers=())
    assert run.state.inputs == {"ticket": "T-1"}
    assert (run.state.plan, run.state.bundle_text) == (plan, "text b")
    assert set(run.state.steps) == {"agree", "ramp", "tell"}
    assert run.state.roles["qa"] == ("sre",)


# --- steps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["rollout.gate", "rollout.argv", "title"])
def test_a_step_with_history_keeps_every_part_of_its_definition(part: str) -> None:
    run = held(Run().ramping())
    said = why(run, steps={"ramp": {part: "2"}})
    assert f"ramp has begun, and its {part} changed" in said
    assert ("override" in said) == (part == "rollout.gate")


def test_a_step_with_history_neither_goes_nor_becomes_another_verb_nor_waits_for_more() -> None:
    run = held(Run().ramping())
    assert "deploy has begun, and is gone" in why(run, without(run.state.plan, "deploy"))
    other = replace(run.state.plan, steps=run.state.plan.steps | {"deploy": replace(STEPS["deploy"], verb="http")})
    assert "begun as a command, and is a http" in why(run, other)
    more = with_step(run.state.plan, check=StepPlan(id="check", stage="go", verb="verify"))
    late = replace(more, steps=more.steps | {"ramp": replace(STEPS["ramp"], needs=("deploy", "check"))})
    assert "put new steps after what has begun" in why(run, late)


def test_a_step_that_only_was_asked_about_has_begun_and_one_that_waits_for_its_turn_has_not() -> None:
    run = Run()
    run.begin("agree")
    held(run)
    assert "agree has begun" in why(run, steps={"agree": {"confirm.argv": "2"}})
    taken(run, steps={"deploy": {"command.argv": "2"}, "ramp": {"rollout.gate": "2"}, "tell": {"title": "2"}})


def test_pending_steps_change_appear_and_vanish_and_the_run_goes_on_with_the_new_ones() -> None:
    run = held(Run().deployed())
    done = run.state.steps["deploy"]
    plan = with_step(
        without(run.state.plan, "ramp"), check=StepPlan(id="check", stage="go", verb="verify", needs=("deploy",))
    )
    event = taken(run, plan)
    assert event.diff == "step check: new; step ramp: gone"
    assert run.state.steps["deploy"] == done
    assert run.state.step("ramp") is None
    assert run.step("check").status == "pending"
    run.ok(c.Release, hold=next(iter(run.state.holds)))
    run.ok(c.Begin, step="check", preview_sha=SHA, bundle=SHA_B)
    assert run.step("check").status == "running"


def test_what_was_prepared_by_the_text_before_does_not_begin_any_more() -> None:
    run = held(Run().deployed())
    old = run.state.bundle_sha
    taken(run, steps={"ramp": {"rollout.gate": "2"}})
    run.ok(c.Release, hold=next(iter(run.state.holds)))
    run.take_baseline()
    refused = run.refused(c.Begin, step="ramp", preview_sha=SHA, watch=WATCH, bundle=old)
    assert "another text" in refused.why


# --- triggers ---------------------------------------------------------------------------------------------------------


def trigger(condition: Condition | None = None, **more: Any) -> TriggerSpec:
    term = Term(id="errors", condition=condition or ERRORS.condition, signal=more.pop("signal", SERVED))
    return replace(TRIGGER, term=term, **more)


AT = Condition(signal="errors", above=0.01, for_=10.0)
BELOW = Condition(signal="errors", below=0.5, for_=10.0)
LIMITED = replace(SERVED, limit=Limit(above=0.01, for_=10.0))
BARE = Condition(signal="errors")


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (trigger(AT), trigger(replace(AT, above=0.005))),
        (trigger(AT), trigger(replace(AT, for_=5.0))),
        (trigger(BELOW), trigger(replace(BELOW, below=0.6))),
        (trigger(AT), trigger(AT, mode="auto")),
        (trigger(AT), trigger(AT, answer_within=10.0)),
        (trigger(AT), trigger(AT, then="rollback")),
        (trigger(BARE, signal=LIMITED), trigger(BARE, signal=replace(LIMITED, limit=Limit(above=0.001, for_=10.0)))),
        (trigger(replace(AT, for_=None)), trigger(replace(AT, for_=5.0))),
    ],
    ids=[
        "lower",
        "sooner",
        "below, higher",
        "auto",
        "less time to answer",
        "rolls back",
        "by its signal",
        "of a default",
    ],
)
def test_a_trigger_may_get_stricter_and_never_looser(was: TriggerSpec, now: TriggerSpec) -> None:
    run = held(Run(triggers=(was,)).ramping())
    event = taken(run.fork(), triggers=(now,))
    assert event.diff.startswith("trigger errors: ")
    back = held(Run(triggers=(now,)).ramping())
    (change,) = trigger_changes(now, was)
    assert f"trigger errors is not known to be stricter: {change}" in why(back, triggers=(was,))


@pytest.mark.parametrize(
    "now",
    [
        trigger(replace(AT, cohort="treatment")),
        trigger(replace(AT, above=None, worse_than="control")),
        trigger(replace(AT, above=None, below=0.9)),
        trigger(replace(AT, min_samples=5)),
        trigger(AT, scope="full"),
        trigger(AT, signal=replace(SERVED, bad="other")),
        replace(TRIGGER, term=Term(id="errors", builtin="health")),
    ],
)
def test_what_cannot_be_told_to_be_stricter_is_refused(now: TriggerSpec) -> None:
    assert "not known to be stricter" in why(held(Run(triggers=(trigger(AT),)).ramping()), triggers=(now,))


def test_no_trigger_goes_and_one_may_come() -> None:
    run = held(Run().ramping())
    assert "trigger errors is gone" in why(run, triggers=())
    taken(run, triggers=(TRIGGER, replace(TRIGGER, id="errors-2", mode="auto")))
    assert set(run.state.triggers) == {"errors", "errors-2"}


def test_a_trigger_keeps_what_it_has_been_through() -> None:
    run = Run().at_full().wait(60.0)
    run.sense("bad")
    run.ok(c.AnswerTrigger, trigger="errors", answer="hold")
    before = run.state.triggers["errors"]
    assert before.fired == 1
    stricter = replace(TRIGGER, mode="auto")
    taken(run, triggers=(stricter,))
    assert run.state.triggers["errors"] == replace(before, spec=stricter)


def test_a_trigger_that_compares_keeps_its_part_of_the_false_alarms() -> None:
    compares = Term(id="errors", condition=Condition(signal="errors", worse_than="control"), signal=SERVED, alpha=0.01)
    run = held(Run(triggers=(replace(TRIGGER, term=compares),)).ramping())
    half = replace(TRIGGER, term=replace(compares, alpha=0.005), mode="auto")
    taken(run, triggers=(half,))
    assert run.state.triggers["errors"].spec.term == compares


def test_what_a_trigger_reads_does_not_change_behind_its_back() -> None:
    assert "reads source prom" in why(held(Run().ramping()), entries={"source prom": "2"})


def test_a_phase_without_evidence_is_held_no_later_than_before() -> None:
    run = held(Run().ramping())
    taken(run.fork(), on_blind=OnBlindPlan(after=10.0, do="rollback"))
    assert "on_blind" in why(run, on_blind=replace(ON_BLIND, after=60.0))
    assert "on_blind" in why(run, on_blind=replace(ON_BLIND, do="hold"))


# --- checks, and what stands around -----------------------------------------------------------------------------------


def test_integrity_checks_stay_and_are_those_whose_baseline_was_taken() -> None:
    changed = {"orders": {"command.argv": "2"}}
    run = held(Run().deployed())
    assert "orders is gone" in why(run, integrity=())
    taken(run.fork(), checks=changed)
    more = {"orders": {"command.argv": "1"}, "stock": {"command.argv": "1"}}
    taken(run.fork(), checks=more, integrity=("orders", "stock"))
    run = held(Run().ramping())
    assert "baseline of orders" in why(run, checks=changed)
    assert "stock is new" in why(run, checks=more, integrity=("orders", "stock"))


@pytest.mark.parametrize("name", ["release", "name", "service shop", "service other", "rollback.complete_within"])
def test_what_the_start_has_pinned_stays(name: str) -> None:
    assert f"{name} changed" in why(held(Run().ramping()), entries={name: "2"})


@pytest.mark.parametrize("name", ["input ticket", "role qa"])
def test_what_was_agreed_stays(name: str) -> None:
    assert "agreed" in why(held(Run().ramping()), entries={name: "2"})


def test_a_flag_server_and_what_an_undo_names_stay() -> None:
    run = held(Run().ramping())
    assert "taken back there" in why(run, entries={"source unleash": "2"})
    run = Run().deployed()
    run.begin("ramp")
    run.do(run.intent("ramp", undo=replace(run.intent("ramp").undo, spec={"traffic": {"signal": "errors"}})))
    run.outcome()
    run.ok(c.Enter, step="ramp")
    assert "an undo needs it" in why(held(run), entries={"signal errors": "2"})


def test_what_nothing_has_used_yet_may_change_and_more_may_come() -> None:
    run = held(Run().ramping())
    more = {"signal errors": "2", "stakeholder team": "2", "source other": "1", "role dba": "1", "input size": "1"}
    plan = replace(run.state.plan, inputs=run.state.plan.inputs | {"size": Input(type="int", default=1)})
    taken(run.fork(), replace(plan, roles={"dba": ("admin",)}), entries=more)
    asks = replace(plan, inputs=run.state.plan.inputs | {"size": Input(type="int")})
    assert "size has no default" in why(run, asks, entries=more)


def test_a_refusal_names_what_is_wrong_and_how_much_more() -> None:
    run = held(Run().ramping())
    parts = {name: {"title": "2"} for name in ("agree", "deploy", "ramp")}
    said = why(run, steps=parts, triggers=(), integrity=(), entries={"release": "2"})
    assert said.endswith("and 2 more")


# --- for every run ----------------------------------------------------------------------------------------------------


@st.composite
def changes(draw: st.DrawFn, run: Run) -> Proposal:
    """Anything that a file may say: steps that go, come, change or are wired anew, in any run."""
    plan = run.state.plan
    for name in draw(st.lists(st.sampled_from(sorted(plan.steps)), unique=True, max_size=2)):
        plan = without(plan, name)
    if draw(st.booleans()):
        after = draw(st.lists(st.sampled_from(sorted(plan.steps) or ["none"]), unique=True, max_size=2))
        plan = with_step(plan, late=StepPlan(id="late", stage="go", verb="command", needs=tuple(after)))
    for name in draw(st.lists(st.sampled_from(sorted(plan.steps) or ["none"]), unique=True, max_size=2)):
        if name in plan.steps:
            wired = replace(plan.steps[name], undo_after=("deploy",), needs=("agree",))
            plan = replace(plan, steps=plan.steps | {name: wired})
    steps = draw(st.lists(st.sampled_from(sorted(plan.steps) or ["none"]), unique=True, max_size=2))
    parts = {name: {"undo_after": "2"} for name in steps if name in plan.steps}
    parts |= {n: {"undo_after": "2"} for n, s in plan.steps.items() if s.undo_after}
    return proposed(run, plan, steps=parts)


@given(run=walks, data=st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_is_migrated_the_undo_plan_and_all_that_was_done_stay(run: Run, data: st.DataObject) -> None:
    if run.state.phase == "forward" and not run.state.is_held:
        run.order(c.PlaceHold)
    before = run.state
    result = run.order(c.Migrate, sha256=SHA_B, proposal=data.draw(changes(run)))
    if isinstance(result, Refusal):
        assert run.state is before
        return
    assert undo_plan(run.state) == undo_plan(before)
    assert run.state.effects == before.effects
    assert run.state.exposure == before.exposure
    done = {ref: step for ref, step in before.steps.items() if step.status != "pending"}
    assert {ref: run.state.steps[ref] for ref in done} == done
    assert set(run.state.steps) == {ref_of(s.id, key) for s in run.state.plan.steps.values() for key in s.keys}
    assert fold([decode(body) for body in run.journal]) == run.state
    if run.state.phase == "forward":
        run.ok(c.Rollback)


def test_a_migration_that_a_version_before_only_told_of_changes_nothing() -> None:
    run = Run().ramping()
    before = run.state
    run.fold(ev.PlaybookMigrated(from_="a", to="b", diff="c"))
    assert replace(run.state, seq=before.seq, last_at=before.last_at, head=before.head) == before


def test_the_difference_is_told_by_step_trigger_and_entry() -> None:
    run = held(Run().ramping())
    told = difference(
        run.state,
        proposed(
            run,
            steps={"ramp": {"rollout.gate": "2"}, "tell": {"title": "2"}},
            entries={"signal errors": "2"},
            triggers=(replace(TRIGGER, mode="auto"),),
        ),
    )
    assert told == (
        "step ramp: rollout.gate (it has begun)",
        "step tell: title",
        "trigger errors: mode ask → auto",
        "signal errors: changed",
    )


# --- trust ------------------------------------------------------------------------------------------------------------


def test_a_file_that_no_commit_vouches_for_takes_a_reason_and_one_off_its_branch_takes_none() -> None:
    run = held(Run().ramping())
    doubted = proposed(run, trust=Trust(doubts=("release.yaml is not committed",)))
    assert "not committed" in run.refused(c.Migrate, sha256=SHA_B, proposal=doubted).why
    barred = proposed(run, trust=Trust(barred="it is not on main"))
    assert "not on main" in run.refused(c.Migrate, sha256=SHA_B, proposal=barred, reason="it is urgent").why
    run.refused(c.Migrate, sha256=SHA_B, proposal=proposed(run, trust=None))
    run.ok(c.Migrate, sha256=SHA_B, proposal=doubted, reason="the argv had a typo")
