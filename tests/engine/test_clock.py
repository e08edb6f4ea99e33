"""A jump of the wall clock is noticed, whichever way; a slow pass is none."""

from __future__ import annotations

import pytest

from amplify_tui.engine.clock import ClockWatch


class Clocks:
    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.steady = 100.0
        self.watch = ClockWatch(lambda: self.wall, lambda: self.steady)

    def go(self, wall: float, steady: float) -> float:
        self.wall += wall
        self.steady += steady
        return self.watch.jumped()


@pytest.mark.parametrize("delta", [3600.0, -3600.0, 5.0])
def test_a_step_of_the_wall_clock_is_told_once_with_its_size(delta: float) -> None:
    clocks = Clocks()
    assert clocks.go(0.25 + delta, 0.25) == pytest.approx(delta)
    assert clocks.go(0.25, 0.25) == 0.0


def test_a_machine_that_slept_is_a_jump() -> None:
    assert Clocks().go(7200.0, 0.5) == pytest.approx(7199.5)


def test_a_pass_that_took_long_and_a_clock_that_is_slewed_are_none() -> None:
    clocks = Clocks()
    assert clocks.go(60.0, 60.0) == 0.0
    assert clocks.go(60.0, 59.5) == 0.0
