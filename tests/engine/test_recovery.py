"""What waited for a silent target goes on when it answers: undo is tried, unknown effects are looked at."""

from __future__ import annotations

from amplify_tui.engine.board import Board
from amplify_tui.engine.recovery import probes_now, retriable_now
from amplify_tui.run import commands as c
from amplify_tui.run.lacking import NO_SECRET
from amplify_tui.verdict.model import FlagReading, Status
from tests.run.world import FLAG, Run

FLAG_OFF = "u1:flag:unleash/checkout"


def heard(board: Board, at: float, status: Status) -> None:
    source, _, flag = FLAG.id.partition("/")
    board.flag(FlagReading(source=source, flag=flag, status=status, data_at=at, received_at=at))


def refused(run: Run) -> Run:
    run.ok(c.Rollback)
    run.undo(FLAG_OFF, "absent", reason="refused", retryable=True)
    return run


def test_an_undo_is_tried_once_its_target_answers_after_a_silence() -> None:
    run, board = refused(Run().ramping()), Board()
    heard(board, run.now - 5.0, "ok")
    heard(board, run.now - 1.0, "error")
    assert retriable_now(run.state, board) == []
    heard(board, run.now + 1.0, "ok")
    assert [entry.item.id for entry in retriable_now(run.state, board)] == [FLAG_OFF]


def test_a_target_that_answers_all_the_time_brings_no_tries_beyond_the_backoff() -> None:
    run, board = refused(Run().ramping()), Board()
    heard(board, run.now - 1.0, "ok")
    heard(board, run.now + 1.0, "ok")
    assert retriable_now(run.state, board) == []


def test_one_return_brings_one_try() -> None:
    run, board = refused(Run().ramping()), Board()
    heard(board, run.now - 1.0, "error")
    heard(board, run.now + 0.5, "ok")
    run.wait(1.0).ok(c.Retry, step=FLAG_OFF, reason="answers again", actor="conductor", via="engine")
    assert retriable_now(run.state, board) == []
    run.undo(FLAG_OFF, "absent", reason="refused", retryable=True)
    assert retriable_now(run.state, board) == []


def test_what_a_person_has_to_decide_is_not_tried_because_the_target_is_back() -> None:
    run, board = Run().ramping(), Board()
    run.ok(c.Rollback)
    run.undo(FLAG_OFF, "absent", reason="403", retryable=False)
    heard(board, run.now - 1.0, "error")
    heard(board, run.now + 1.0, "ok")
    assert retriable_now(run.state, board) == []


def test_an_unknown_effect_is_looked_at_once_its_target_answers_again() -> None:
    run, board = Run().deployed(), Board()
    run.begin("ramp")
    run.intend("ramp")
    run.outcome("unknown", reason="silence")
    heard(board, run.now, "error")
    assert probes_now(run.state, board) == []
    heard(board, run.now + 1.0, "ok")
    assert [todo.effect.id for todo in probes_now(run.state, board) if todo.effect] == [run.effect().id]
    run.wait(2.0).ok(c.Probed, effect=run.effect().id, result="unreachable")
    assert probes_now(run.state, board) == []


def test_an_undo_that_lacked_a_secret_is_tried_at_once_by_the_next_conductor_and_not_again() -> None:
    run, board = Run().ramping(), Board()
    run.ok(c.Rollback)
    run.undo(FLAG_OFF, "absent", reason="$TOKEN is not set", retryable=True, error=NO_SECRET)
    assert retriable_now(run.state, board) == []
    run.wait(1.0).lease()
    assert [entry.item.id for entry in retriable_now(run.state, board)] == [FLAG_OFF]
    run.wait(1.0).undo(FLAG_OFF, "absent", reason="$TOKEN is not set", retryable=True, error=NO_SECRET)
    assert retriable_now(run.state, board) == []
    run.wait(1.0).ok(c.HandOver, host="box", has=("TOKEN",), uses=("TOKEN",), lacks=("TOKEN",))
    assert retriable_now(run.state, board) == [], "who leaves begins nothing"
