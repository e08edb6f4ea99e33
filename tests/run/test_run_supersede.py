"""Fix forward: a run that supersedes an earlier one, and what each of the two is and may after that (states.md 6)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from amplify_tui.report.card import card_text
from amplify_tui.run import commands as c
from amplify_tui.run.decide import decide
from amplify_tui.run.envelope import decode
from amplify_tui.run.evolve import fold
from amplify_tui.run.select.headline import headline
from amplify_tui.run.select.log_lines import log_line
from amplify_tui.run.shapes import CODE_BAND, Plan, Refusal, ServiceFacts, Target, Undo
from amplify_tui.run.state import State
from amplify_tui.run.undo import rollback_items, undo_plan
from tests.run import test_run_data as data
from tests.run.test_run_takeback import FLAG_OFF, FLAG_SEEN, UNDEPLOY, closing, due, statuses
from tests.run.world import PLAN, Run

UNIT = Target(kind="instance", id="checkout/checkout-1")


def bad(percent: float = 5.0) -> Run:
    """A release that is held with the flag at *percent*, as a captain leaves it who fixes forward."""
    run = Run().ramping() if percent < 100.0 else Run().at_full()
    run.ok(c.PlaceHold, reason="errors at the checkout")
    return run


def superseded(run: Run, by: str = "r2") -> Run:
    run.ok(c.Supersede, by=by, reason="the hotfix")
    return run


def draft(earlier: Run, name: str = "r2", plan: Plan = PLAN) -> Run:
    return Run(plan=plan, started=False, now=earlier.now + 600.0, name=name, supersedes=earlier.name)


def hotfix(earlier: Run, **more: Any) -> Run:
    run = draft(earlier, **more)
    run.ok(c.Start, facts=run.facts(), earlier=earlier.state)
    return run


def test_what_is_superseded_ends_with_its_effects_in_place_and_says_by_whom() -> None:
    run = superseded(bad())
    assert (run.state.phase, run.state.outcome, run.state.superseded_by) == ("closed", "abandoned", "r2")
    assert run.state.exposure == {"unleash/checkout": 5.0}
    assert "superseded by run r2" in headline(run.state, run.now).because
    assert "superseded by run r2" in log_line(State(), decode(run.journal[-2])).text
    assert run.ok(c.Supersede, by="r2") == (), "a hotfix that crashed as it started finds itself named, and goes on"
    assert "run r2 supersedes it already" in run.refused(c.Supersede, by="r3").why
    run.ok(c.Supersede, by="r3", instead_of="r2")
    assert run.state.superseded_by == "r3", "where the other never started"


def test_the_undo_of_a_hotfix_goes_back_to_before_the_release_that_it_mends() -> None:
    earlier = superseded(bad())
    run = hotfix(earlier)
    assert run.state.exposure == {"unleash/checkout": 5.0}, "its users are exposed already"
    assert (run.state.supersedes, run.state.is_armed) == ("r1", False), "triggers judge its own release, not that one"
    run.deployed().begin("ramp")
    run.intend("ramp")
    run.outcome()
    (flag,) = [item for item in undo_plan(run.state) if item.id == FLAG_OFF]
    assert flag.before == {"percent": 0.0}
    run.ok(c.Rollback, reason="no better")
    assert list(statuses(run)) == [FLAG_OFF, FLAG_SEEN, UNDEPLOY, "u3:command:r1/deploy"]
    for name in (FLAG_OFF, FLAG_SEEN):
        run.undo(name)
    assert set(due(run)) == {UNDEPLOY, "u3:command:r1/deploy"}
    run.undo(UNDEPLOY)
    run.undo("u3:command:r1/deploy")
    assert closing(run).state.outcome == "rolled_back"


def test_a_hotfix_takes_its_own_steps_although_the_earlier_run_did_steps_of_that_name() -> None:
    run = hotfix(superseded(bad()))
    assert list(run.state.effects_of(run.step("deploy"))) == []
    run.agreed().begin("deploy")
    run.intend("deploy")
    assert (run.effect().step, run.effect().of_run) == ("deploy", "")


def test_a_hotfix_can_be_rolled_back_and_mitigated_before_its_first_step() -> None:
    rolled = hotfix(superseded(bad()))
    rolled.ok(c.Rollback)
    assert list(statuses(rolled)) == [FLAG_OFF, FLAG_SEEN, "u3:command:r1/deploy"]
    mitigated = hotfix(superseded(bad()))
    mitigated.ok(c.Mitigate)
    assert [item.id for item in mitigated.state.mitigation_plan] == [FLAG_OFF, FLAG_SEEN]


def test_it_needs_nothing_but_its_own_journal() -> None:
    run = hotfix(superseded(bad()))
    run.ok(c.Rollback)
    assert fold(map(decode, run.journal)) == run.state
    assert "instead of run r1" in log_line(State(), decode(run.journal[2])).text


def test_a_hotfix_of_a_hotfix_still_goes_back_to_the_state_before_the_first() -> None:
    second = hotfix(superseded(bad()))
    second.deployed()
    second.ok(c.PlaceHold)
    third = hotfix(superseded(second, by="r3"), name="r3")
    third.ok(c.Rollback)
    assert set(statuses(third)) == {FLAG_OFF, FLAG_SEEN, "u3:command:r1/deploy", "u3:command:r2/deploy"}
    flag = next(item for item in third.state.rollback_plan if item.id == FLAG_OFF)
    assert flag.before == {"percent": 0.0}


def test_what_a_mitigation_wrote_is_known_as_ours_in_the_hotfix() -> None:
    run = Run().ramping()
    run.ok(c.Mitigate, reason="errors")
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    run.ok(c.Mitigated)
    (was,) = [item.after for item in undo_plan(run.state) if item.id == FLAG_OFF]
    new = hotfix(superseded(run))
    (flag,) = [item for item in undo_plan(new.state) if item.id == FLAG_OFF]
    assert (flag.before, flag.after) == ({"percent": 0.0}, was)
    assert new.state.exposed_now == 0.0


def test_the_card_of_a_superseded_run_sends_its_reader_to_the_other_one_which_has_the_lines_of_both() -> None:
    earlier = superseded(bad())
    said = card_text(earlier.state)
    assert "SUPERSEDED by run r2" in said
    assert "amplify rollback r1" not in said
    assert "checkout off" in card_text(hotfix(earlier).state)


# --- when a run may be superseded ---------------------------------------------------------------------------------------


def test_a_run_that_nobody_holds_is_not_superseded_in_silence() -> None:
    said = Run().ramping().refused(c.Supersede, by="r2")
    assert "nobody holds it" in said.why
    assert "amplify do r1 hold" in said.next


def test_a_run_with_an_effect_under_way_or_unknown_is_not_superseded() -> None:
    run = Run().agreed()
    run.begin("deploy")
    run.intend("deploy")
    run.ok(c.PlaceHold)
    assert "under way" in run.refused(c.Supersede, by="r2").why
    run.outcome("unknown", reason="no answer")
    said = run.refused(c.Supersede, by="r2")
    assert "e1 happened" in said.why
    assert "settle e1" in said.next
    run.ok(c.Settle, effect="e1", as_="done", reason="seen")
    superseded(run)


def test_a_write_to_a_flag_that_may_still_land_is_waited_for() -> None:
    run = Run().deployed()
    run.begin("ramp")
    run.intend("ramp")
    run.outcome("unknown", reason="no answer")
    run.ok(c.Probed, effect=run.effect().id, result="absent")
    run.ok(c.PlaceHold)
    assert "may yet land" in run.refused(c.Supersede, by="r2").why
    run.wait(40.0).ok(c.Probed, effect=run.effect().id, result="absent")
    superseded(run)


def test_a_run_whose_exposure_is_being_taken_away_is_not_superseded() -> None:
    run = Run().ramping()
    run.ok(c.Mitigate)
    assert "taken away" in run.refused(c.Supersede, by="r2").why


def test_a_rollback_is_superseded_only_where_nothing_of_it_goes_on_by_itself() -> None:
    run = Run().ramping()
    run.ok(c.Rollback)
    assert "rolling back" in run.refused(c.Supersede, by="r2").why
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    run.do(run.undo_intent(UNDEPLOY))
    assert "under way" in run.refused(c.Supersede, by="r2").why
    run.outcome("absent", reason="refused", retryable=False)
    assert statuses(run)[UNDEPLOY] == "blocked"
    assert superseded(run).state.outcome == "rolled_back_partly"
    new = hotfix(run)
    new.ok(c.Rollback)
    assert list(statuses(new)) == ["u3:command:r1/deploy"], "what is back already is nobody's any more"


def test_a_run_that_left_nothing_to_take_back_is_not_superseded() -> None:
    run = Run()
    run.ok(c.PlaceHold)
    assert "nothing to take back" in run.refused(c.Supersede, by="r2").why
    assert "refused" in Run(started=False).refused(c.Supersede, by="r2").what


def test_a_closed_run_is_superseded_too_and_then_reversed_no_more() -> None:
    run = Run().at_full().wait(60.0)
    run.observe()
    run.ok(c.Close)
    superseded(run)
    assert (run.state.outcome, run.state.superseded_by) == ("completed", "r2")
    order = c.Reverse(id="r", actor="captain", via="cli", closed=run.state)
    said = decide(State(), order, run.now)
    assert isinstance(said, Refusal)
    assert "run r2 supersedes it" in said.why
    assert "amplify rollback r2" in said.next


# --- when a run may start instead of it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"environment": "staging"}, "that one is of staging"),
        ({"sandbox": True}, "sandbox"),
        ({"phase": "draft"}, "has not started"),
        ({"superseded_by": "r9"}, "run r9 supersedes it already"),
        ({"run": "r8"}, "cannot be read"),
    ],
)
def test_a_hotfix_starts_only_instead_of_a_run_of_its_own_world(change: dict[str, Any], why: str) -> None:
    earlier = superseded(bad())
    run = draft(earlier)
    assert why in run.refused(c.Start, facts=run.facts(), earlier=replace(earlier.state, **change)).why


def test_a_hotfix_of_another_repository_or_one_that_cannot_be_read_does_not_start() -> None:
    earlier = superseded(bad())
    assert earlier.state.subject is not None
    other = replace(earlier.state, subject=replace(earlier.state.subject, repo="elsewhere"))
    run = draft(earlier)
    assert "another repository" in run.refused(c.Start, facts=run.facts(), earlier=other).why
    assert "cannot be read" in run.refused(c.Start, facts=run.facts()).why
    dry = Run(started=False, mode="dry", name="r2", supersedes="r1")
    assert "dry run" in dry.refused(c.Start, facts=dry.facts(), earlier=earlier.state).why


def test_a_run_that_supersedes_none_takes_nothing_over_whatever_its_sender_says() -> None:
    run = Run(started=False)
    run.ok(c.Start, facts=run.facts(), earlier=superseded(bad()).state)
    assert (run.state.effects, run.state.supersedes) == ({}, "")


# --- past the point of no return ------------------------------------------------------------------------------------------


def test_code_from_before_an_earlier_contract_waits_for_a_person_also_in_the_hotfix() -> None:
    """The hotfix deploys to the same instance after the contract; going back would still go behind it."""
    earlier = data.released(contract=True, facts=ServiceFacts(instances=("checkout-1",)))
    entry = data.item(earlier.state, UNIT.id)
    assert (entry.status, "--supersedes" in entry.detail) == ("blocked", True), "it says how to fix forward"
    run = hotfix(superseded(earlier), plan=data.BEHIND)
    assert run.state.armed_since is None, "what the bad release deployed arms no trigger of the hotfix"
    run.agreed()
    data.made(run, "migrate", undo=data.data_undo("expand", undoable=False))
    back = Undo(band=CODE_BAND, verb="rollout", spec={}, cls="guarded", says="back")
    data.made(run, "wave", target=UNIT, undo=back)
    run.ok(c.Rollback)
    assert "point of no return" in data.item(run.state, UNIT.id).detail


def test_what_the_code_before_accepts_is_what_the_earlier_run_said_of_it() -> None:
    earlier = superseded(_with_schema())
    run = draft(earlier)
    facts = replace(
        run.facts(),
        services={"checkout": ServiceFacts(instances=("checkout-1",), schema_field="schema", previous_accepts=">=99")},
    )
    run.ok(c.Start, facts=facts, earlier=earlier.state)
    assert run.state.services["checkout"].previous_accepts == earlier.state.services["checkout"].previous_accepts


def _with_schema() -> Run:
    run = data.judged(data.released(), "fail", "it is 43")
    assert rollback_items(run.state)
    return run
