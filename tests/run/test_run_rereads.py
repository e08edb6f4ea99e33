"""What was taken back is looked at again, +5, +15 and +30 s after the write: exposure has to stay off."""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run.agenda import agenda
from amplify_tui.run.rereads import REREAD_AFTER
from amplify_tui.run.undo import ItemState, rollback_items
from tests.run.world import FLAG, Run

FLAG_OFF, FLAG_SEEN, UNDEPLOY = "u1:flag:unleash/checkout", "u2:flag:unleash/checkout", "u3:command:deploy"


def off(run: Run, *, by: type = c.Rollback) -> str:
    """Exposure is taken away and verified; the id of the verification."""
    run.ok(by, reason="errors")
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    look: str = run.effect().id
    return look


def due(run: Run) -> list[str]:
    return [todo.effect.id for todo in agenda(run.state, run.now) if todo.kind == "reread" and todo.effect]


def items(run: Run) -> dict[str, ItemState]:
    return {entry.item.id: entry for entry in rollback_items(run.state)}


def undos(run: Run) -> list[str]:
    return [todo.item.id for todo in agenda(run.state, run.now) if todo.kind == "undo" and todo.item]


def closes(run: Run) -> bool:
    return any(todo.kind == "close" for todo in agenda(run.state, run.now))


def finished(run: Run) -> Run:
    """All that is left of a rollback but the looks."""
    for item in undos(run):
        run.undo(item)
    run.ok(c.Judged, check="orders", verdict="pass", when="after")
    run.begin("tell")
    run.ok(c.Finish, step="tell", outcome="succeeded")
    return run


def test_a_verified_flag_is_looked_at_again_after_5_15_and_30_seconds() -> None:
    run = Run().ramping()
    look = off(run)
    since = run.now
    for after in REREAD_AFTER:
        run.now = since + after - 0.1
        assert due(run) == []
        assert "no look is due" in run.refused(c.Reread, effect=look, agrees=True).why
        run.now = since + after
        assert due(run) == [look]
        run.ok(c.Reread, effect=look, agrees=True)
    assert due(run) == []


def test_code_goes_back_beside_the_looks() -> None:
    run = Run().ramping()
    off(run)
    assert undos(run) == [UNDEPLOY]


def test_a_flag_that_comes_back_goes_off_again_before_the_code_that_has_not_begun() -> None:
    run = Run().ramping()
    look = off(run)
    run.wait(5.0)
    run.ok(c.Reread, effect=look, agrees=False, percent=5.0, observed={"percent": 5.0}, detail="on again")
    assert run.state.exposed_now == 5.0
    assert undos(run) == [FLAG_OFF]
    run.undo(FLAG_OFF)
    assert undos(run) == [FLAG_SEEN]
    run.undo(FLAG_SEEN)
    assert (run.state.exposed_now, undos(run)) == (0.0, [UNDEPLOY])
    run.wait(5.0)
    assert due(run) == [run.effect().id], "the looks start over with the write that took it away again"


def test_a_flag_that_comes_back_after_a_mitigation_is_mitigated_again_and_the_run_stays_held() -> None:
    run = Run().ramping()
    look = off(run, by=c.Mitigate)
    run.ok(c.Mitigated)
    run.wait(5.0)
    assert due(run) == [look]
    run.ok(c.Reread, effect=look, agrees=False, percent=5.0, detail="on again")
    assert (run.state.mitigation, len(run.state.holds)) == ("running", 1)
    assert undos(run) == [FLAG_OFF]


def test_nobody_looks_any_more_once_a_person_ramps_again() -> None:
    run = Run().ramping()
    off(run, by=c.Mitigate)
    run.ok(c.Mitigated)
    run.ok(c.Release, hold="h1")
    run.ok(c.Retry, step="ramp")
    run.begin("ramp")
    run.intend("ramp")
    assert due(run.wait(60.0)) == []


def test_the_closing_waits_for_the_looks_only_where_a_write_had_no_answer() -> None:
    answered = finished(_rolled(Run().ramping()))
    assert closes(answered)

    unanswered = Run().deployed()
    unanswered.begin("ramp")
    unanswered.intend("ramp")
    unanswered.outcome("unknown", reason="no answer")
    look = off(unanswered)
    finished(unanswered)
    assert not closes(unanswered)
    assert "may land late" in unanswered.refused(c.Close).why
    for after in (5.0, 10.0, 15.0):
        unanswered.wait(after).ok(c.Reread, effect=look, agrees=True)
    assert closes(unanswered)
    unanswered.ok(c.Close)
    assert unanswered.state.outcome == "rolled_back"


def test_a_late_write_counts_as_not_settled_again() -> None:
    run = Run().deployed()
    run.begin("ramp")
    run.intend("ramp")
    run.outcome("unknown", reason="no answer")
    late = run.effect().id
    look = off(run)
    assert run.effect(late).status == "absent"
    run.wait(5.0).ok(c.Reread, effect=look, agrees=False, percent=5.0, detail="on again")
    assert run.effect(late).status == "unknown"
    assert run.state.exposure == {FLAG.id: 5.0}


def unanswered_then(run: Run, by: type) -> str:
    """A first ramp write without an answer, taken back by a mitigation or a rollback: the id of the verification."""
    run.begin("ramp")
    run.intend("ramp")
    run.outcome("unknown", reason="no answer")
    return off(run, by=by)


def test_a_late_write_after_a_mitigation_is_taken_away_again() -> None:
    run = Run().deployed()
    look = unanswered_then(run, c.Mitigate)
    run.ok(c.Mitigated)
    run.wait(5.0).ok(c.Reread, effect=look, agrees=False, percent=5.0, detail="on again")
    assert (run.state.mitigation, undos(run)) == ("running", [FLAG_OFF])
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    run.ok(c.Mitigated)
    assert run.state.exposed_now == 0.0


def test_a_rollback_after_a_mitigation_still_watches_a_write_that_may_land() -> None:
    run = Run().deployed()
    unanswered_then(run, c.Mitigate)
    run.ok(c.Mitigated)
    run.wait(2.0).ok(c.Rollback)
    assert undos(run) == [FLAG_OFF]
    run.undo(FLAG_OFF)
    run.undo(FLAG_SEEN)
    finished(run)
    assert "may land late" in run.refused(c.Close).why


def test_looks_that_nobody_could_take_for_long_are_given_up_and_the_run_says_so() -> None:
    run = Run().deployed()
    unanswered_then(run, c.Rollback)
    finished(run)
    assert not closes(run)
    run.wait(3600.0)
    assert due(run) == []
    run.ok(c.Close)
    assert run.state.outcome == "rolled_back_partly"


def _rolled(run: Run) -> Run:
    off(run)
    return run
