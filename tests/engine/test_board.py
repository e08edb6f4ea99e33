"""How much of the past the board keeps: as much as a judge asks for, and no more than that."""

from __future__ import annotations

from amplify_tui.engine.board import Board
from amplify_tui.playbook.model import Cohorts, Condition, Signal
from amplify_tui.verdict.conditions import looks_back
from amplify_tui.verdict.gate import judge
from amplify_tui.verdict.model import BudgetReading, Expected, Reading, Term, Verdict

ERRORS = Signal(golden="errors", source="prom", bad="b", total="t")
START = 1_000.0


def term(for_: float) -> Term:
    return Term(id="errors", condition=Condition(signal="errors", above=0.01, for_=for_), signal=ERRORS)


def watched(board: Board, seconds: int) -> Verdict:
    """The verdict of a condition that asks for twenty minutes, after so many seconds in which half of it was bad."""
    for at in range(0, seconds + 1, 5):
        now = START + at
        window = {"window_from": now - 30.0, "window_to": now}
        reading = {"signal": "errors", "source": "prom", "status": "ok", "data_at": now, "received_at": now, **window}
        board.signal(Reading(**reading, value=0.5, n=3_000.0, bad=50.0, total=100.0))
    return judge([term(1200.0)], board.evidence(), Expected(since=START - 30.0), START + seconds)


def test_a_condition_that_asks_for_twenty_minutes_fails_after_twenty_minutes() -> None:
    for seconds, answer in ((1195, "undecided"), (1200, "fail")):
        board = Board()
        board.keep(looks_back(term(1200.0)))
        assert watched(board, seconds).answer == answer


def test_a_sequential_test_has_two_of_its_blocks() -> None:
    cohorts = Cohorts(treatment="on", control="off")
    slow = Signal(golden="errors", source="prom", bad="b", total="t", cohorts=cohorts, block=300.0)
    compared = Term(id="errors", condition=Condition(signal="errors", worse_than="control"), signal=slow)
    assert looks_back(compared) >= 600.0


def test_what_nobody_asks_for_is_forgotten() -> None:
    board = Board()
    assert watched(board, 1200).answer == "undecided"
    assert len(board.evidence().signals) <= 2.0 * 60 + 1


def test_signals_that_began_together_are_not_all_forgotten_of_in_one_moment_and_none_too_soon() -> None:
    """Whose oldest readings go is judged anew, and a tick that has to do so for all of them is a late one."""
    board = Board()
    names = [f"errors-{number}" for number in range(50)]
    most, before = 0, dict.fromkeys(names, START)
    for poll in range(240):
        at = START + 5.0 * poll
        for name in names:
            window = {"data_at": at, "received_at": at, "window_from": at - 30.0, "window_to": at}
            board.signal(Reading(signal=name, source="prom", status="ok", value=0.0, **window))
        oldest = {key[0]: told[0].received_at for key, told in board.evidence().series.items()}
        most = max(most, sum(oldest[name] != before[name] for name in names))
        assert all(max(START, at - 2.0 * 300.0 - 5.0) <= since <= max(START, at - 300.0) for since in oldest.values())
        before = oldest
    assert most <= 50 / 60 + 2  # of sixty polls, until as much again is over


def test_a_burn_that_asks_for_two_hours_is_judged_by_two_hours() -> None:
    board = Board()
    for minute in range(150):
        at = START + 60.0 * minute
        windows = (3600.0, 300.0)
        reading = BudgetReading(source="prom", slo="shop", status="ok", data_at=at, received_at=at, windows=windows)
        board.budget(reading, keep=7200.0)
    assert 120 <= len(board.evidence().budgets) <= 122


def test_once_the_clock_went_back_nothing_that_was_read_before_is_evidence() -> None:
    board = Board()
    watched(board, 60)
    board.forget()
    assert (list(board.evidence().signals), board.signal_reading("errors")) == ([], None)
    assert board.values, "the followers keep what they were shown until it is read again"
