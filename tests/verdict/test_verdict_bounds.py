"""Bounds, burn rates and the test of a latency: the golden values of judge.md 8, and numbers at their edges."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.verdict.bounds import log_mixture, lower, upper
from amplify_tui.verdict.burn import Spent, poisson_lower, trips
from amplify_tui.verdict.latency import Ratios, t_mixture

# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bad", "total", "bound"), [(3, 3, 0.146201), (10, 10, 0.530396), (5, 20, 0.032771)])
def test_the_lower_bound_is_the_golden_one(bad: int, total: int, bound: float) -> None:
    assert lower(bad, total, 0.01) == pytest.approx(bound, abs=1e-6)


def test_the_upper_bound_and_the_mixture_are_the_golden_ones() -> None:
    assert upper(0, 300, 0.05) == pytest.approx(0.021174, abs=1e-6)
    assert log_mixture(3, 10, 0.01) == pytest.approx(6.372058, abs=1e-6)


@given(total=st.integers(1, 10**12), part=st.floats(0.0, 1.0), alpha=st.floats(1e-6, 0.5))
def test_the_bounds_enclose_what_was_seen(total: int, part: float, alpha: float) -> None:
    bad = round(total * part)
    assert 0.0 <= lower(bad, total, alpha) <= bad / total + 1e-9
    assert bad / total - 1e-9 <= upper(bad, total, alpha) <= 1.0


# --- burn -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("events", "bound"), [(0, 0.0), (1, 0.001001), (5, 0.739372), (10, 2.960520)])
def test_the_poisson_bound_is_the_golden_one(events: int, bound: float) -> None:
    assert poisson_lower(events) == pytest.approx(bound, abs=1e-6)


def test_the_poisson_bound_of_as_many_minutes_as_days_have_is_near_them() -> None:
    assert 4100.0 < poisson_lower(4320) < 4320.0


LONG, SHORT = Spent(bad=7, total=360, minutes=6), Spent(bad=2, total=30, minutes=2)


def test_a_burn_trips_where_both_windows_and_the_guard_agree() -> None:
    assert trips(14.4, 0.001, LONG, SHORT)


@pytest.mark.parametrize(
    ("long", "short"),
    [
        (Spent(bad=7, total=360, minutes=4), SHORT),
        (LONG, Spent(bad=2, total=30, minutes=1)),
        (LONG, Spent(bad=0, total=30, minutes=2)),
        (Spent(bad=5, total=360, minutes=5), SHORT),
        (Spent(bad=60, total=3_600, minutes=6), Spent(bad=20, total=300, minutes=2)),
        (Spent(bad=0, total=0, minutes=0), Spent(bad=0, total=0, minutes=0)),
    ],
    ids=["four minutes", "one minute", "short is well", "long is well", "minutes as the budget has them", "nothing"],
)
def test_a_burn_that_one_part_does_not_bear_out_does_not_trip(long: Spent, short: Spent) -> None:
    assert not trips(14.4, 0.001, long, short)


# --- latency ----------------------------------------------------------------------------------------------------------


def test_the_evidence_of_a_mixture_of_t_is_the_golden_one() -> None:
    assert t_mixture(20, 0.3, 0.2, math.log(1.2)) == pytest.approx(1.413034, abs=1e-6)
    assert t_mixture(20, 0.3, 0.2, math.log(1.2), inflation=2.0) == pytest.approx(0.256508, abs=1e-6)


def test_fewer_than_three_windows_are_no_evidence() -> None:
    assert t_mixture(2.9, 9.0, 0.1, 0.0) == 0.0
    assert Ratios().add(1.0).add(1.1).log_e(0.0) == 0.0


@given(st.lists(st.floats(-1e6, 1e6), max_size=30), st.floats(0.0, 10.0))
def test_no_ratio_breaks_the_test_of_a_latency(ratios: list[float], by: float) -> None:
    seen = Ratios()
    for one in ratios:
        seen = seen.add(one)
    assert math.isfinite(seen.log_e(by))
    assert seen.deviation >= 0.0
    assert msgspec.json.decode(msgspec.json.encode(seen), type=Ratios) == seen


def test_the_mean_and_the_deviation_are_those_of_all_windows() -> None:
    chance = random.Random(7)
    ratios = [chance.gauss(0.2, 0.3) for _ in range(50)]
    seen = Ratios()
    for one in ratios:
        seen = seen.add(one)
    mean = sum(ratios) / 50
    assert seen.mean == pytest.approx(mean)
    assert seen.deviation == pytest.approx(math.sqrt(sum((one - mean) ** 2 for one in ratios) / 49))


def test_a_latency_that_is_as_before_is_rarely_told_to_be_worse() -> None:
    fails = 0
    for seed in range(200):
        chance = random.Random(seed)
        seen = Ratios()
        for _ in range(120):
            seen = seen.add(chance.gauss(0.0, 0.1))
            if seen.mean > 0 and seen.log_e(0.0) >= math.log(1 / 0.02):
                fails += 1
                break
    assert fails <= 4
