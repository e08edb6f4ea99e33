"""When a monitor ends, at the earliest, and how that stands to the window and the freeze of the release."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from amplify_tui.report.show import report_text, run_json
from amplify_tui.run import commands as c
from amplify_tui.run.forecast import Closing, begin_by, closing, forecast, forecast_words, late_words
from amplify_tui.run.select.headline import headline
from amplify_tui.run.state import State, StepRef
from tests.run.watch_world import BACKGROUND_PLAN, BEHIND, SOAKED, Watched, opened


def words(state: State, step: str, now: float) -> str:
    found = forecast(state, state.steps[StepRef(step)], now)
    assert found is not None
    return forecast_words(found)


def test_it_ends_when_its_time_is_full_at_the_earliest() -> None:
    run = Watched()
    run.watch("good")
    found = forecast(run.state, run.step("soak"), run.now)
    assert found is not None
    assert (found.ends - run.now, found.late) == (SOAKED - 5.0, 0.0)
    while not run.step("soak").accrued:  # journaled each 30 s
        run.watch("good")
    assert words(run.state, "soak", run.now) == "ends in 30s at the earliest"


@pytest.mark.parametrize("kind", ["bad", "missing"])
def test_without_good_evidence_its_clock_stands_and_the_end_moves_away(kind: str) -> None:
    run = Watched()
    while run.step("soak").verdict is None or run.step("soak").verdict.answer not in ("fail", "blind"):  # type: ignore[union-attr]
        run.watch(kind)
    assert words(run.state, "soak", run.now).endswith("at the earliest; its clock stands still meanwhile")


def test_an_end_after_the_window_is_said_before_it_begins_and_while_it_watches() -> None:
    run = Watched(BACKGROUND_PLAN, BEHIND)
    state = opened(run, run.now - 120.0)
    assert words(state, "burn", run.now) == "lasts 1m: begun now it would end 3m after the window closes"
    assert words(state, "soak", run.now) == "ends in 1m at the earliest, 3m after the window closes"
    assert "ends in 1m at the earliest, 3m after the window closes" in headline(state, run.now).next
    text = report_text(state)
    assert "in the background; ends in 1m at the earliest, 3m after the window closes" in text
    assert "begun now it would end 3m after the window closes" in text
    shown = {s["id"]: s for stage in run_json(state, {}, "")["stages"] for s in stage["steps"]}
    assert shown["burn"]["forecast"] == {
        "ends_at": run.now + 60.0,
        "begun": False,
        "clock_stands": False,
        "window_closes_at": run.now - 120.0,
        "freeze": None,
        "late_by": 180.0,
        "says": "lasts 1m: begun now it would end 3m after the window closes",
    }


def test_a_freeze_is_called_by_its_name() -> None:
    run = Watched()
    state = opened(run, run.now - 120.0, "Black Friday")
    assert words(state, "soak", run.now).endswith("3m after the freeze Black Friday begins")


@pytest.mark.parametrize("until", [None, 4_000_000_000.0])
def test_an_end_within_the_window_is_late_for_nothing(until: float | None) -> None:
    run = Watched()
    assert words(opened(run, until), "soak", run.now) == "ends in 1m at the earliest"


def test_of_two_windows_the_one_counts_that_closes_first_and_one_that_had_closed_before_does_not() -> None:
    run = Watched()
    early, late = opened(run, run.now + 10.0, name="hours"), opened(run, run.now + 90.0, name="calendar")
    both = replace(
        early, plan=replace(early.plan, steps=early.plan.steps | late.plan.steps), steps=early.steps | late.steps
    )
    assert closing(both, run.now) == Closing(run.now + 10.0)
    assert closing(both, run.now + 50.0) == Closing(run.now + 90.0)
    assert closing(both, run.now + 100.0) == Closing(run.now + 90.0), "all are closed: the last one counts"
    assert closing(run.state, run.now) is None


def test_nothing_is_foretold_of_what_is_over_or_goes_back_or_is_no_monitor() -> None:
    run = Watched()
    assert forecast(run.state, run.step("ramp"), run.now) is None
    assert forecast(run.state, run.step("deploy"), run.now) is None
    run.ok(c.Rollback, reason="enough")
    assert forecast(run.state, run.step("soak"), run.now) is None


def test_less_than_a_minute_too_late_is_not_worth_a_word() -> None:
    run = Watched()
    found = forecast(opened(run, run.now + 30.0), run.step("soak"), run.now)
    assert found is not None
    assert (found.late, late_words(found)) == (30.0, "")


def test_the_moment_by_which_to_begin_is_true_whenever_it_is_read() -> None:
    said = begin_by(7200.0, Closing(1_764_345_600.0))
    assert said == "to end before the window closes (Fri 28 Nov 16:00 UTC) it has to begin by 14:00"
    assert begin_by(90_000.0, Closing(1_764_345_600.0)).endswith("begin by Thu 27 Nov 15:00")
