"""Bets against a hypothesis: the golden values of judge.md 8, and what makes their wealth evidence."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.verdict.bets import (
    BETTER,
    WORSE,
    Bet,
    Vif,
    capped,
    expected_share,
    log_sum,
    margin,
    residual,
)

Counts = tuple[float, float, float, float]

BLOCKS: tuple[Counts, ...] = ((3, 50, 2, 950), (0, 48, 4, 955), (0, 50, 0, 950), (5, 52, 6, 940), (20, 45, 1, 960))
SHARES = st.floats(0.0, 1.0)
STAKES = st.floats(1e-3, 1e3)
HUGE = st.one_of(st.just(0.0), st.floats(0.0, 1e15))


def compared(
    rho: float, blocks: Iterable[Counts], stakes: tuple[float, ...] = WORSE, prior: float = 3.0
) -> tuple[list[float], Vif]:
    """The evidence after each block (bad and all of treatment, of control), without late stakes."""
    bet, vif, seen = Bet.of(stakes, late=False), Vif(), []
    for bad, total, other_bad, other_total in blocks:
        if bad + other_bad > 0:
            share, q = bad / (bad + other_bad), expected_share(rho, total, other_total)
            bet, vif = bet.on(share, q, stakes, vif.value(prior)), vif.add(residual(share, q))
        else:
            vif = vif.skip()
        seen.append(bet.log_e())
    return seen, vif


def test_the_evidence_of_a_ratio_is_the_golden_one() -> None:
    seen, vif = compared(1.0, BLOCKS)
    assert seen == pytest.approx([0.381464, 0.207124, 0.207124, 0.584050, 1.303954], abs=1e-6)
    assert vif.value() == pytest.approx(2.428571, abs=1e-6)
    seen, _ = compared(1.5, [(3, 50, 2, 950), (4, 48, 4, 955)], prior=1.0)
    assert seen == pytest.approx([1.159351, 2.565993], abs=1e-6)


def test_the_evidence_that_it_is_better_is_the_golden_one() -> None:
    seen, _ = compared(2.0, [(10, 500, 10, 500), (9, 510, 12, 490), (0, 500, 7, 505)], BETTER)
    assert seen == pytest.approx([0.065259, 0.166857, 0.389747], abs=1e-6)


def test_the_evidence_against_a_limit_is_the_golden_one() -> None:
    stakes = capped(0.01)
    bet, vif, seen = Bet.of(stakes, late=False), Vif(), []
    for bad, total in ((10, 10), (4, 20), (0, 30), (10, 10)):
        bet = bet.on(bad / total, 0.01, stakes, vif.value())
        vif = vif.add(residual(bad / total, 0.01))
        seen.append(bet.log_e())
    assert seen == pytest.approx([0.644049, 1.091210, 0.978372, 2.081283], abs=1e-6)


@pytest.mark.parametrize("limit", [0.001, 0.01, 0.5, 0.9, 0.95, 0.97, 0.999])
def test_every_stake_against_a_limit_bets_that_it_is_broken(limit: float) -> None:
    stakes = capped(limit)
    assert all(stake > 1.0 for stake in stakes)
    bet, kept = Bet.of(stakes, late=False), Bet.of(stakes, late=False)
    for _ in range(400):
        bet, kept = bet.on(1.0, limit, stakes, 1.0), kept.on(limit / 2.0, limit, stakes, 1.0)
    assert kept.log_e() < 0.0 < bet.log_e()


def test_the_margin_is_the_golden_one() -> None:
    assert margin(0.5, 0.02, 19, 1900) == pytest.approx(2.949744, abs=1e-6)
    assert margin(0.5, 0.0, 19, 1900) == 1.5


def test_the_variance_inflation_is_the_golden_one() -> None:
    vif = Vif()
    assert vif.value() == 3.0
    for one in (1.0, 0.5, 0.8, -1.0, -0.7, 0.2):
        vif = vif.add(one)
    assert vif.value() == pytest.approx(2.407172, abs=1e-6)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=60))
def test_a_variance_inflation_is_never_below_that_of_independent_blocks(residuals: list[float | None]) -> None:
    vif = Vif()
    for one in residuals:
        vif = vif.skip() if one is None else vif.add(one)
    assert vif.value() >= 1.0
    assert vif.value(1.0) >= 1.0


def factor(share: float, q: float, stake: float) -> float:
    """What the bet with one stake pays for a block."""
    return math.exp(Bet.of((stake,), late=False).on(share, q, (stake,), 1.0).log_e())


@given(q=SHARES, stake=STAKES, low=SHARES, high=SHARES)
def test_a_bet_pays_back_at_most_what_it_cost_where_the_hypothesis_holds(
    q: float, stake: float, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    # A two-point share whose mean is q (or on the side of it that the hypothesis allows, where q is outside the points).
    chance = min(1.0, max(0.0, (q - low) / (high - low))) if high > low else 0.0
    mean = low + chance * (high - low)
    allowed = mean <= q + 1e-9 if stake >= 1.0 else mean >= q - 1e-9
    pays = (1.0 - chance) * factor(low, q, stake) + chance * factor(high, q, stake)
    assert not allowed or pays <= 1.0 + 1e-6


@given(q=SHARES, share=SHARES, stake=STAKES, inflation=st.floats(1.0, 50.0))
def test_a_bet_moves_by_no_more_than_its_factor_allows(q: float, share: float, stake: float, inflation: float) -> None:
    bet = Bet.of((stake,), late=False)
    moved = bet.on(share, q, (stake,), inflation).log_e() - bet.log_e()
    edges = [math.log1p(edge * (stake - 1.0)) - math.log1p(q * (stake - 1.0)) for edge in (0.0, 1.0)]
    assert min(edges) / inflation - 1e-9 <= moved <= max(edges) / inflation + 1e-9


@given(blocks=st.lists(st.tuples(HUGE, HUGE, HUGE, HUGE), max_size=30), late=st.booleans())
def test_no_count_breaks_a_bet(blocks: list[Counts], late: bool) -> None:
    bet, proof, each, vif = Bet.of(WORSE, late=late), Bet.of(BETTER, late=late), Bet.of(WORSE, late=late), Vif()
    for some, total, others, other_total in blocks:
        bad, other_bad = min(some, total), min(others, other_total)
        if total + other_total <= 0 or bad + other_bad <= 0:
            vif = vif.skip()
            continue
        share, q = bad / (bad + other_bad), expected_share(1.5, total, other_total)
        bet = bet.on(share, q, WORSE, vif.value())
        proof = proof.on(share, q, BETTER, vif.value())
        each = each.on_each(bad, bad + other_bad, q, WORSE, vif.value(1.0))
        vif = vif.add(residual(share, q, bad + other_bad))
    assert all(not math.isnan(one.log_e()) for one in (bet, proof, each))
    assert math.isfinite(vif.value())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 99), st.integers(0, 9), st.integers(1, 99)), max_size=20))
def test_nothing_is_evidence_that_each_cohort_is_worse_than_the_other(blocks: list[Counts]) -> None:
    blocks = [(min(a, n), n, min(b, m), m) for a, n, b, m in blocks]
    swapped = [(b, m, a, n) for a, n, b, m in blocks]
    one, other = compared(1.0, blocks)[0], compared(1.0, swapped)[0]
    # The two wealths multiply to at most what one who knew the blocks beforehand could not have: never both above 1/alpha.
    assert all(min(a, b) < math.log(100.0) for a, b in zip(one, other, strict=True))


@given(st.lists(st.tuples(SHARES, SHARES), max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_stakes_changes_no_evidence(blocks: list[tuple[float, float]], chance: object) -> None:
    turned = WORSE[::-1]
    bet, other = Bet.of(WORSE), Bet.of(turned)
    for share, q in blocks:
        bet, other = bet.on(share, q, WORSE, 2.0), other.on(share, q, turned, 2.0)
    assert bet.log_e() == pytest.approx(other.log_e(), abs=1e-9)


def test_late_stakes_put_down_no_more_than_the_one_unit_there_is() -> None:
    bet = Bet.of(WORSE)
    for _ in range(5000):
        bet = bet.on(0.3, 0.3, WORSE, 1e12)  # a bet that neither wins nor loses: what is left is what was put down
    assert 0.999 < math.exp(bet.log_e()) <= 1.0


def test_a_good_hour_delays_the_fail_of_a_bad_minute_less_with_late_stakes() -> None:
    after: dict[bool, int] = {}
    for late in (True, False):
        bet = Bet.of(WORSE, late=late)
        for _ in range(120):
            bet = bet.on(0.2, 0.25, WORSE, 1.0)
        for bad_block in range(1, 200):
            bet = bet.on(0.8, 0.25, WORSE, 1.0)
            if bet.log_e() >= math.log(100.0):
                after[late] = bad_block
                break
    assert after[True] < after[False]


def test_bets_on_each_request_are_bets_on_blocks_of_one() -> None:
    bet, each = Bet.of(WORSE, late=False), Bet.of(WORSE, late=False)
    for share in (1.0, 0.0, 0.0, 1.0, 0.0):
        bet = bet.on(share, 0.3, WORSE, 1.0)
    each = each.on_each(2.0, 5.0, 0.3, WORSE, 1.0)
    assert bet.log_e() == pytest.approx(each.log_e())


def test_a_bet_lives_through_a_journal_unchanged() -> None:
    bet, vif = Bet.of(WORSE).on(0.31, 0.2, WORSE, 2.7), Vif().add(0.123456789).skip()
    assert msgspec.json.decode(msgspec.json.encode((bet, vif)), type=tuple[Bet, Vif]) == (bet, vif)


def test_the_log_of_a_sum_is_told_where_its_parts_cannot_be() -> None:
    assert log_sum([1000.0, 1000.0]) == pytest.approx(1000.0 + math.log(2.0))
    assert log_sum([]) == log_sum([-math.inf]) == -math.inf
