"""A conductor that dies: what the next one may believe, and what goes on by itself (states.md 2, verdicts.md 5)."""

from __future__ import annotations

from datetime import UTC

import pytest
from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.agenda import agenda
from amplify_tui.run.envelope import decode
from amplify_tui.run.evolve import fold
from amplify_tui.run.select.headline import headline
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.undo import PROBES_LIKELY, rollback_items
from tests.run.world import DEPLOY, Run

FLAG_OFF = "u1:flag:unleash/checkout"


def crashed() -> Run:
    """The conductor died between the send and the outcome of the deploy."""
    run = Run().agreed()
    run.begin("deploy")
    run.intend("deploy")
    run.lease()
    return run


def kinds(events: tuple[ev.EventData, ...]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_what_was_intended_is_unknown_to_the_next_conductor_and_probed_at_once() -> None:
    run = crashed()
    assert run.effect("e1").status == "unknown"
    assert (run.step("deploy").status, run.step("deploy").cause) == ("stuck", "unknown")
    assert [todo.id for todo in agenda(run.state, run.now)] == ["probe:e1"]


def test_an_older_lease_is_refused() -> None:
    run = crashed()
    assert "epoch 2" in run.refused(c.TakeLease, host="old", pid=1, lease=2).why
    assert "unknown" in run.refused(c.Outcome, effect="e1", result="done").why


@pytest.mark.parametrize("result", ["done", "absent"])
def test_a_probe_that_answers_lets_the_step_go_on_by_itself(result: str) -> None:
    run = crashed()
    assert kinds(run.ok(c.Probed, effect="e1", result=result)) == ["EffectProbed", "AttemptStarted"]
    assert run.step("deploy").status == "running"
    intent = run.intend("deploy")
    repeated = isinstance(intent, tuple)
    assert repeated == (result == "absent"), "done once is never done again; absent keeps its ordinal"
    if repeated:
        assert run.effect().idem == run.effect("e1").idem


@pytest.mark.parametrize("result", ["done", "absent"])
def test_a_held_run_stays_where_it_is_and_goes_on_when_it_is_released(result: str) -> None:
    run = crashed()
    run.ok(c.PlaceHold)
    assert kinds(run.ok(c.Probed, effect="e1", result=result)) == ["EffectProbed"]
    assert run.step("deploy").status == "stuck"
    assert kinds(run.ok(c.Release, hold="h1")) == ["HoldReleased", "AttemptStarted"]
    assert run.step("deploy").status == "running"


def test_a_probe_waits_longer_each_time() -> None:
    run = crashed()
    for wait in (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        run.wait(wait)
        assert [todo.kind for todo in agenda(run.state, run.now)] == ["probe"]
        run.ok(c.Probed, effect="e1", result="unreachable")
        assert agenda(run.state, run.now + 0.5) == []


def test_a_target_that_is_neither_before_nor_after_is_a_persons_case() -> None:
    run = crashed()
    run.ok(c.Probed, effect="e1", result="diverged", detail="version 2.5 runs there")
    assert (run.step("deploy").cause, run.effect("e1").status) == ("drift", "diverged")
    assert agenda(run.state, run.now) == []
    run.ok(c.Settle, effect="e1", as_="absent", reason="rebuilt the host")
    assert run.step("deploy").status == "running"


def test_a_gate_that_was_open_stays_open_and_the_unwatched_time_gives_no_bake() -> None:
    run = Run().ramping().wait(29.0)
    run.observe(accrued=29.0)
    run.wait(3600.0).lease()
    assert run.step("ramp").status == "observing"
    run.wait(1.0).observe(accrued=1e9)
    assert run.step("ramp").phase == 0


def test_a_step_that_a_mitigation_stopped_stays_so_through_a_crash() -> None:
    run = Run().deployed()
    run.begin("ramp")
    run.intend("ramp")
    run.ok(c.Mitigate)
    run.lease()
    assert (run.effect("e2").status, run.step("ramp").cause) == ("unknown", "undo")
    assert FLAG_OFF in [todo.item.id for todo in agenda(run.state, run.now) if todo.item]


def test_a_mitigation_that_was_cut_off_goes_on() -> None:
    run = Run().ramping()
    run.ok(c.Mitigate)
    assert not isinstance(run.do(run.undo_intent(FLAG_OFF)), Refusal)
    run.lease()
    run.ok(c.Probed, effect=run.effect().id, result="absent")
    assert [todo.id for todo in agenda(run.state, run.now) if todo.kind == "undo"] == [f"undo:{FLAG_OFF}"]


def test_an_effect_that_somebody_accepted_survives_a_crash_and_is_polled() -> None:
    run = Run().agreed()
    run.begin("deploy")
    run.intend("deploy")
    run.outcome("accepted", handle="pipeline 7", waits_for="the pipeline")
    run.lease()
    assert run.effect("e1").status == "accepted"
    assert "poll" in [todo.kind for todo in agenda(run.state, run.now)]
    run.ok(c.Outcome, effect="e1", result="done")
    assert run.effect("e1").status == "done"


def test_code_that_nobody_can_vouch_for_is_probed_for_two_minutes_before_it_is_taken_back() -> None:
    run = crashed()
    run.ok(c.Rollback)
    for _ in range(PROBES_LIKELY):
        assert [todo.kind for todo in agenda(run.state, run.now + 30.0)].count("undo") == 0
        run.wait(30.0).ok(c.Probed, effect="e1", result="unreachable")
    assert [todo.kind for todo in agenda(run.state, run.now)].count("undo") == 1


@pytest.mark.parametrize("ended", ["done", "absent"])
def test_code_does_not_go_back_under_a_command_that_is_still_at_work(ended: str) -> None:
    run = crashed()
    run.ok(c.Rollback)
    for _ in range(3 * PROBES_LIKELY):
        run.wait(1.0).ok(c.Probed, effect="e1", result="running", detail="it still runs, as process 7")
        assert "undo" not in [todo.kind for todo in agenda(run.state, run.now + 30.0)]
    assert "probe" in run.refused(c.Settle, effect="e1", as_="done").why
    run.ok(c.Probed, effect="e1", result=ended)
    undone = "undo" in [todo.kind for todo in agenda(run.state, run.now)]
    assert undone == (ended == "done")


@pytest.mark.parametrize("outlived", [True, False], ids=["its conductor died", "its conductor lives"])
def test_no_code_goes_back_under_a_migration_that_runs(outlived: bool) -> None:
    run = Run(integrity=()).agreed()
    run.begin("deploy")
    run.intend("deploy")
    run.outcome("done")
    slow = {"deadline": run.now + 600.0, "undo": None, "on_rollback": "wait"}
    run.intend("deploy", target=replace(DEPLOY, id="migrate"), ordinal="1", **slow)
    migration = run.effect().id
    if outlived:
        run.lease()
        run.ok(c.Probed, effect=migration, result="running", detail="it still runs, as process 7")
    run.ok(c.Rollback)
    run.wait(60.0)
    [entry] = [entry for entry in rollback_items(run.state) if entry.item.target.id == "deploy"]
    assert migration in entry.detail
    assert {"undo", "stop"}.isdisjoint(todo.kind for todo in agenda(run.state, run.now))
    if outlived:
        run.ok(c.Probed, effect=migration, result="absent")
    else:
        run.outcome("done")
    assert "undo" in [todo.kind for todo in agenda(run.state, run.now)]


def test_a_command_that_outlives_its_conductor_is_ended_at_its_deadline() -> None:
    run = crashed()
    run.ok(c.Probed, effect="e1", result="running")
    deadline = run.effect("e1").deadline
    assert deadline > run.now
    assert "stop" not in [todo.kind for todo in agenda(run.state, deadline - 1.0)]
    assert "stop" in [todo.kind for todo in agenda(run.state, deadline)]


# --- what a conductor says of the one before it -----------------------------------------------------------------------


def test_after_a_crash_the_first_thing_said_is_how_long_nobody_watched_and_at_what_exposure() -> None:
    run = Run().ramping().wait(20.0)
    run.observe()
    begun = run.now
    run.wait(454.0).ok(c.TakeLease, host="box", pid=8, lease=9, watched_until=begun + 1.0)
    said = headline(run.state, run.now, tz=UTC).because
    assert said.startswith("no watch from 22:13:41 to 22:21:14 at 5 %; ")
    assert "no watch from" not in headline(Run().deployed().state, run.now).because
    again = run.fork()
    again.wait(10.0).ok(c.TakeLease, host="box", pid=9, lease=10)
    assert headline(again.state, again.now, tz=UTC).because.startswith("no watch from 22:13:41 to 22:21:14 at 5 %; ")
    run.wait(60.0).observe()  # on to the next phase: the gap is behind it
    run.intend("ramp")
    run.outcome()
    run.ok(c.Enter, step="ramp")
    assert run.state.unwatched is None


def test_a_short_change_of_conductors_and_one_that_exposes_nobody_leave_no_gap() -> None:
    run = Run().ramping()
    run.wait(2.0).lease()
    assert run.state.unwatched is None
    idle = Run().deployed()
    idle.wait(500.0).lease()
    assert idle.state.unwatched is None


def test_a_gap_is_told_until_a_person_has_spoken_or_exposure_is_gone() -> None:
    for kind, fields in ((c.Note, {"text": "seen"}), (c.Mitigate, {}), (c.Rollback, {})):
        run = Run().ramping()
        run.wait(500.0).lease()
        assert run.state.unwatched is not None
        run.ok(kind, **fields)
        assert run.state.unwatched is None


def test_a_replay_of_the_journal_knows_the_same_gap() -> None:
    run = Run().ramping().wait(20.0)
    run.observe()
    run.wait(500.0).lease()
    assert fold(decode(body) for body in run.journal) == run.state
