"""What the main screen says of monitors: those in the background beside any step, and when each ends."""

from __future__ import annotations

from datetime import UTC

import pytest

from amplify_tui.run.select.headline import headline
from amplify_tui.run.select.stages import current
from amplify_tui.run.state import State
from amplify_tui.tui.draw import main
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.text import width
from amplify_tui.tui.view import View
from tests.run.watch_world import BACKGROUND_PLAN, BEHIND, Watched, at_purge, in_background, opened


def centre(state: State, at: float, cells: int, cursor: str = "") -> list[str]:
    lines = main.centre(Scene(View(state=state, at=at, tz=UTC), cells, 12, cursor=cursor))
    assert all(width(line) <= cells for line in lines), lines
    return ["".join(part for part, _ in line).rstrip() for line in lines]


def test_what_goes_on_in_front_is_shown_and_each_monitor_keeps_its_line() -> None:
    run = at_purge()
    assert current(run.state) == run.step("purge")
    lines = centre(run.state, run.now, 52)
    assert "purge" in lines[0].lower()
    assert [line.split()[1] for line in lines[1:3]] == ["soak", "burn"]
    assert all(line.endswith("or later") for line in lines[1:3])


@pytest.mark.parametrize(("cells", "lines"), [(80, 1), (52, 2)])
def test_a_monitor_that_would_end_too_late_says_so_beside_its_end_or_beneath_it(cells: int, lines: int) -> None:
    run = at_purge()
    shown = centre(opened(run, run.now - 120.0), run.now, cells)
    assert "3m after the window closes" in shown[lines]
    assert shown[1].split()[1] == "soak"


def test_the_shown_monitor_is_not_told_of_twice() -> None:
    run = at_purge()
    lines = centre(run.state, run.now, 52, cursor="soak")
    assert sum(" soak" in line for line in lines) == 1
    assert any(line.startswith("ends ") and "at the earliest, in 1m" in line for line in lines)


def test_a_monitor_that_waits_for_its_turn_says_only_that_it_would_be_late() -> None:
    run = Watched(BACKGROUND_PLAN, BEHIND)
    shown = " ".join(centre(opened(run, run.now - 120.0, "Sale"), run.now, 52, cursor="burn"))
    assert "lasts 1m: begun now it would end" in shown
    assert "that is 3m after the freeze Sale begins" in shown


def test_while_nothing_goes_on_in_front_line_two_speaks_of_the_monitor() -> None:
    run = in_background()
    assert current(run.state) == run.step("soak")
    assert "watched for 1m bakes" in headline(run.state, run.now).because


def test_a_monitor_in_the_background_that_is_blind_is_told_of_in_line_two() -> None:
    run = at_purge()
    while run.step("soak").verdict is None or run.step("soak").verdict.answer != "blind":  # type: ignore[union-attr]
        run.watch("missing")
    said = headline(run.state, run.now)
    assert "purge" in said.because.lower()
    assert said.because.endswith("; soak is blind")


def test_a_failing_monitor_in_the_background_is_what_line_two_is_about() -> None:
    run = at_purge()
    while run.step("soak").status == "observing":
        run.watch("bad")
    said = headline(run.state, run.now)
    assert said.word == "held because"
    assert current(run.state) == run.step("soak")
