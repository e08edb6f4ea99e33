"""A run that reverses a closed one: what it begins with, what it refuses, and what waits for a person (states.md 3)."""

from __future__ import annotations

from typing import Any

from amplify_tui.report.card import card_text
from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.agenda import agenda
from amplify_tui.run.autopilot import waits_for_person
from amplify_tui.run.decide import decide
from amplify_tui.run.envelope import decode
from amplify_tui.run.evolve import fold
from amplify_tui.run.select.headline import headline
from amplify_tui.run.select.log_lines import log_line
from amplify_tui.run.shapes import VERIFY_BAND, Refusal
from amplify_tui.run.state import State
from amplify_tui.run.undo import rollback_items
from tests.run.test_run_takeback import FLAG_OFF, FLAG_SEEN, UNDEPLOY, closing, due, statuses
from tests.run.world import Run


def released() -> Run:
    """A run that is over, with its flag at 100 %."""
    run = Run().at_full().wait(60.0)
    run.observe()
    run.ok(c.Close)
    assert run.state.outcome == "completed"
    return run


def order(closed: State, **more: Any) -> c.Reverse:
    return c.Reverse(id="r", actor="captain", via="cli", closed=closed, **more)


def reversing(closed: Run, **more: Any) -> Run:
    """The run that takes *closed* back, a day later, with a conductor."""
    run = Run(state=State(), now=closed.now + 86_400.0)
    run.take(order(closed.state, **more))
    run.lease()
    return run


def refused(closed: State, **more: Any) -> Refusal:
    result = decide(State(), order(closed, **more), 0.0)
    assert isinstance(result, Refusal)
    return result


def test_it_rolls_back_from_its_first_event_on_and_goes_through_the_bands_to_its_own_end() -> None:
    closed = released()
    before = closed.state
    run = Run(state=State(), now=closed.now + 86_400.0)
    run.take(order(before, reason="broken in the morning"))
    assert (run.state.seq, run.state.phase, run.state.reverses) == (1, "rolling_back", before.run)
    run.lease()
    assert list(statuses(run)) == [FLAG_OFF, FLAG_SEEN, UNDEPLOY]
    assert due(run) == [FLAG_OFF], "no code before exposure is verified"
    for item in (FLAG_OFF, FLAG_SEEN, UNDEPLOY):
        run.undo(item)
    closing(run)
    assert run.state.outcome == "rolled_back"
    assert run.state.rollback_reason == "broken in the morning"
    assert closed.state is before


def test_it_needs_nothing_but_its_own_journal() -> None:
    run = reversing(released())
    assert fold(map(decode, run.journal)) == run.state


def test_an_effect_of_its_own_never_takes_the_id_of_one_that_it_takes_back() -> None:
    run = reversing(released())
    known = set(run.state.effects)
    run.undo(FLAG_OFF)
    assert run.effect().id not in known


def test_what_was_read_back_is_looked_at_again_as_in_any_rollback() -> None:
    run = reversing(released())
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    run.wait(6.0)
    assert "reread" in {todo.kind for todo in agenda(run.state, run.now)}


def test_only_a_closed_run_that_left_something_is_reversed_and_only_once() -> None:
    assert "not closed" in refused(Run().at_full().state).why
    assert "nothing" in refused(_aborted_draft().state).why
    closed = released()
    closed.ok(c.LeaveUndo, by="r2")
    twice = refused(closed.state)
    assert "run r2 reverses it already" in twice.why
    assert "amplify rollback r2" in twice.next
    assert "locked by r9" in refused(released().state, problems=("x is locked by r9",)).why


def test_a_closed_run_leaves_its_undo_to_one_run_and_says_to_which() -> None:
    closed = released()
    closed.ok(c.LeaveUndo, by="r2")
    assert closed.ok(c.LeaveUndo, by="r2") == (), "who lost the answer asks again"
    assert "run r2 reverses it already" in closed.refused(c.LeaveUndo, by="r3").why
    said = closed.refused(c.Supersede, by="r3")
    assert "run r2 reverses it already" in said.why
    assert "--supersedes r2" in said.next
    assert closed.state.outcome == "completed"
    assert "reversed by run r2" in headline(closed.state, closed.now).because
    assert "REVERSED by run r2" in card_text(closed.state)
    assert "run r2 takes back" in log_line(State(), decode(closed.journal[-1])).text


def test_in_place_of_a_run_that_can_never_begin_another_one_is_named() -> None:
    closed = released()
    closed.ok(c.LeaveUndo, by="r2")
    closed.ok(c.Supersede, by="r3", instead_of="r2")
    assert (closed.state.superseded_by, closed.state.reversed_by) == ("r3", "")
    assert "run r3 supersedes it" in closed.refused(c.LeaveUndo, by="r4", instead_of="r2").why
    closed.ok(c.LeaveUndo, by="r4", instead_of="r3")
    assert (closed.state.superseded_by, closed.state.reversed_by) == ("", "r4")


def test_what_is_not_closed_leaves_its_undo_to_nobody() -> None:
    assert "under way" in Run().at_full().refused(c.LeaveUndo, by="r2").why
    assert "changed nothing" in _aborted_draft().refused(c.LeaveUndo, by="r2").why


def _aborted_draft() -> Run:
    run = Run(started=False)
    run.ok(c.Abort)
    return run


def test_a_rollback_that_took_all_back_leaves_nothing_to_reverse_and_one_that_waived_leaves_that() -> None:
    whole = Run().at_full()
    whole.ok(c.Rollback)
    for item in (FLAG_OFF, FLAG_SEEN, UNDEPLOY):
        whole.undo(item)
    assert "nothing of it is left" in refused(closing(whole).state).why

    part = Run().at_full()
    part.ok(c.Rollback)
    part.undo(FLAG_OFF)
    part.undo(FLAG_SEEN)
    part.ok(c.DecideUndo, effect=UNDEPLOY, choice="waive", reason="not now")
    assert closing(part).state.outcome == "rolled_back_partly"
    assert list(statuses(reversing(part))) == [UNDEPLOY]


def test_mitigating_a_closed_run_waits_after_band_2_until_somebody_orders_the_rest() -> None:
    run = reversing(released(), until_band=VERIFY_BAND)
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    assert due(run) == []
    assert "amplify rollback" in waits_for_person(run.state, run.now + 60.0)
    assert not [t for t in agenda(run.state, run.now) if t.kind in ("begin", "close")], "nobody is told of an end yet"
    run.refused(c.Close)
    began = run.state.rollback_at
    run.wait(60.0).ok(c.Rollback, reason="the code as well")
    assert due(run) == [UNDEPLOY]
    assert (run.state.rollback_at, run.state.rollback_reason) == (began, "the code as well")
    run.undo(UNDEPLOY)
    assert closing(run).state.outcome == "rolled_back"


def test_mitigating_a_closed_run_that_exposes_nobody_is_refused() -> None:
    run = Run().deployed()
    run.begin("ramp", watch=None)
    run.ok(c.Abort)
    assert "exposes anybody" in refused(run.state, until_band=VERIFY_BAND).why


def test_what_another_run_touched_later_waits_for_a_decision_and_no_retry_moves_it() -> None:
    run = reversing(released(), touched={FLAG_OFF: "run r7 changed it later"})
    (entry, *_) = rollback_items(run.state)
    assert (entry.status, entry.detail) == ("blocked", "run r7 changed it later")
    assert due(run) == []
    assert "run r7" in waits_for_person(run.state, run.now)
    run.refused(c.Retry, step=FLAG_OFF)
    run.refused(c.Rollback)
    assert due(run) == []
    run.ok(c.DecideUndo, effect=FLAG_OFF, choice="ours", reason="theirs stays")
    assert due(run) == [FLAG_OFF]


def test_what_another_run_touched_later_may_be_waived_and_then_the_run_ends_partly() -> None:
    run = reversing(released(), touched={UNDEPLOY: "run r7 deployed there later"})
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    assert due(run) == []
    run.ok(c.DecideUndo, effect=UNDEPLOY, choice="waive", reason="r7 is better")
    assert closing(run).state.outcome == "rolled_back_partly"


def test_the_first_event_says_what_is_reversed() -> None:
    run = reversing(released(), reason="orders are missing")
    first = decode(run.journal[0])
    assert isinstance(first.data, ev.RunCreated)
    assert "ROLLBACK of run r1" in log_line(State(), first).text
