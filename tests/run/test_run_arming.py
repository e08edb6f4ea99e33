"""Disarming a trigger takes two people and lasts an hour at most; what is disarmed does not fire, and all is told."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.select.headline import headline
from amplify_tui.run.undo import mitigation_items
from amplify_tui.run.undo_turns import ready_items
from tests.run.world import PLAN, T0, Run, readings

WHY = "the alert counts test traffic"


@pytest.fixture
def run() -> Run:
    """A run at its first phase, with one trigger armed."""
    return Run().ramping().wait(60)


def asks(run: Run, actor: str, minutes: float = 15.0, **more: object) -> tuple[ev.EventData, ...]:
    return run.ok(
        c.Disarm, **({"trigger": "errors", "until": run.now + minutes * 60, "actor": actor, "reason": WHY} | more)
    )


def fires(run: Run) -> bool:
    return any(isinstance(event, ev.TriggerFired) for event in run.ok(c.Sense, evidence=readings("bad", run.now)))


def test_one_person_alone_disarms_nothing_however_often_they_ask(run: Run) -> None:
    for _ in range(3):
        assert [type(event) for event in asks(run, "ana")] == [ev.Requested]
    assert fires(run)


def test_what_two_people_disarm_does_not_fire_until_its_time_is_over(run: Run) -> None:
    asks(run, "ana")
    assert isinstance(asks(run, "ben")[0], ev.TriggerDisarmed)
    assert not fires(run.wait(899))
    assert fires(run.wait(2))


def test_an_open_wish_is_no_agreement_for_ever(run: Run) -> None:
    asks(run, "ana")
    run.wait(601)
    assert [type(event) for event in asks(run, "ben")] == [ev.Requested]


def test_one_wish_disarms_once(run: Run) -> None:
    asks(run, "ana")
    asks(run, "ben", minutes=1)
    run.wait(61)
    assert [type(event) for event in asks(run, "ben")] == [ev.Requested]


@pytest.mark.parametrize(
    "wrong", [{"until": T0}, {"minutes": 61.0}, {"reason": "short"}, {"trigger": "nothing"}], ids=str
)
def test_it_takes_a_reason_a_trigger_that_is_there_and_no_more_than_an_hour(run: Run, wrong: dict[str, object]) -> None:
    minutes = float(str(wrong.pop("minutes", 15.0)))
    fields = {"trigger": "errors", "until": run.now + minutes * 60, "actor": "ana", "reason": WHY} | wrong
    run.refused(c.Disarm, **fields)


def test_a_trigger_that_asks_is_answered_and_not_disarmed(run: Run) -> None:
    assert fires(run)
    run.refused(c.Disarm, trigger="errors", until=run.now + 60, actor="ana", reason=WHY)


def test_one_of_both_holds_a_role_that_may_override() -> None:
    named = replace(PLAN, roles={"captain": ("cap",)})
    run = Run(plan=named).ramping().wait(60)
    asks(run, "ana")
    run.refused(c.Disarm, trigger="errors", until=run.now + 60, actor="ben", reason=WHY)
    assert isinstance(asks(run, "cap")[0], ev.TriggerDisarmed)


def test_one_person_arms_again_and_what_was_bad_meanwhile_fires_at_once(run: Run) -> None:
    asks(run, "ana")
    asks(run, "ben")
    assert not fires(run)
    run.ok(c.Arm, trigger="errors", actor="eve")
    assert fires(run)


def test_a_wish_to_disarm_can_be_turned_down_by_one_person(run: Run) -> None:
    asks(run, "ana")
    run.ok(c.Arm, trigger="errors", actor="eve")
    assert [type(event) for event in asks(run, "ben")] == [ev.Requested]


def test_nobody_arms_what_is_armed(run: Run) -> None:
    run.refused(c.Arm, trigger="errors")


def test_the_screen_says_what_is_disarmed_and_who_wants_it(run: Run) -> None:
    asks(run, "ana")
    assert "ana wants to disarm errors" in str(headline(run.state, run.now))
    asks(run, "ben")
    assert headline(run.state, run.now).because.startswith("errors is DISARMED for 15m; ")
    assert "DISARMED" not in str(headline(run.state, run.now + 901))


def test_a_run_with_a_disarmed_trigger_ends_with_an_exception(run: Run) -> None:
    asks(run, "ana")
    asks(run, "ben")
    assert any("ana and ben" in said for said in run.state.exceptions)


def test_a_ramp_that_starts_over_has_every_trigger_armed(run: Run) -> None:
    asks(run, "ana")
    asks(run, "ben")
    run.ok(c.Mitigate)
    while ready := ready_items(run.state, mitigation_items(run.state), run.now):
        run.undo(ready[0].item.id)
    run.ok(c.Mitigated)
    run.ok(c.Release, hold=next(iter(run.state.holds)), reason="it was the cache")
    run.ok(c.Retry, step="ramp")
    run.begin("ramp")
    assert run.state.triggers["errors"].disarmed_until == 0.0
