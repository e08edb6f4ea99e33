"""What a comparison promises, in simulated releases with fixed seeds: false fails at A/A, and how soon it finds a fault.

Block by block through the code that a run uses. judge.md 3 and 4 have the whole tables, of runs over four times as long.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from amplify_tui.verdict.blocks import Block
from amplify_tui.verdict.model import Term
from amplify_tui.verdict.promises import Promise, promise_of
from amplify_tui.verdict.trial import Trial
from amplify_tui.verdict.trials import added
from tests.proof.chance import some
from tests.verdict.test_verdict_blocks import TERM

BLOCK = 30.0
RUNS, BLOCKS = 125, 360  # of each kind of traffic, of three hours
COMPARED = replace(TERM, condition=replace(TERM.condition, by=0.0))  # type: ignore[type-var]

Traffic = Callable[[float], tuple[float, float]]
"""At a time: requests a second, and the share of bad ones that both cohorts have."""


def steady(at: float) -> tuple[float, float]:
    return 10.0, 0.01


def drifting(at: float) -> tuple[float, float]:
    wave = math.sin(2.0 * math.pi * at / 21_600.0)
    return 10.0 * (1.0 + 0.5 * wave), 0.01 * (1.0 + 0.8 * wave)


def bursting(at: float) -> tuple[float, float]:
    return 10.0, 0.5 if at % 3600.0 < BLOCK else 0.01


def promised(term: Term) -> Promise:
    promise = promise_of(term)
    assert isinstance(promise, Promise)
    return promise


def minutes_to_fail(
    seed: int, traffic: Traffic, blocks: int, *, exposure: float = 0.25, worse: float = 1.0, since: float = 0.0
) -> float | None:
    """When a release fails whose treatment has *worse* times the bad ones from *since* on (seconds); None: not at all."""
    chance, promise, trial = random.Random(seed), promised(COMPARED), Trial()
    for i in range(blocks):
        at = BLOCK * i
        rate, share = traffic(at)
        mine, other = some(chance, BLOCK * rate * exposure), some(chance, BLOCK * rate * (1.0 - exposure))
        if not mine or not other:
            continue
        bad = min(mine, some(chance, mine * share * (worse if at >= since else 1.0)))
        other_bad = min(other, some(chance, other * share))
        block = Block(
            since=at, until=(at + BLOCK, at + BLOCK), bad=bad, total=mine, control_bad=other_bad, control_total=other
        )
        trial = added(trial, promise, block, ())
        if trial.fired_at is not None:
            return (trial.fired_at - since) / 60.0
    return None


def most(events: int, runs: int, doubt: float = 0.05) -> float:
    """The upper end of the two-sided Clopper-Pearson interval of a rate."""
    low, high = events / runs, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        tail = sum(math.comb(runs, k) * middle**k * (1.0 - middle) ** (runs - k) for k in range(events + 1))
        low, high = (middle, high) if tail > doubt / 2.0 else (low, middle)
    return high


def test_at_most_one_healthy_release_in_a_hundred_fails_whatever_its_traffic_does() -> None:
    fails = {
        traffic.__name__: sum(minutes_to_fail(seed, traffic, BLOCKS) is not None for seed in range(RUNS))
        for traffic in (steady, drifting, bursting)
    }
    runs = RUNS * len(fails)
    assert most(sum(fails.values()), runs) < 0.01, (
        f"{fails} of {RUNS} each: up to {most(sum(fails.values()), runs):.2%}"
    )


@pytest.mark.parametrize(("worse", "judged"), [(5.0, 9.0), (2.0, 34.0)])
def test_a_fault_from_the_start_is_found_as_soon_as_the_method_allows(worse: float, judged: float) -> None:
    found = sorted(minutes_to_fail(seed, steady, 240, worse=worse) or math.inf for seed in range(60))
    assert found[30] <= 1.2 * judged


def test_a_fault_after_two_good_hours_is_found_nearly_as_soon() -> None:
    found = [minutes_to_fail(seed, steady, 480, worse=5.0, since=7200.0) for seed in range(20)]
    assert sorted(math.inf if one is None else one for one in found)[10] <= 15.0
