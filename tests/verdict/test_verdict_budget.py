"""A condition on an SLO: two windows that burn, bad requests in enough minutes, and silence that is never good news."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.playbook.model import Condition, Slo
from amplify_tui.verdict.bake import accrue
from amplify_tui.verdict.budget import judge_budget, pace_of, windows_of
from amplify_tui.verdict.burn import Spent
from amplify_tui.verdict.gate import judge_term
from amplify_tui.verdict.model import BudgetReading, Evidence, Expected, Term, TermVerdict

NOW = 1_000_000.0
HOUR = (3600.0, 300.0)
SLO = Slo(objective=0.999, window=30 * 86400.0, source="prom")
FAST = (Spent(bad=600, total=36_000, minutes=30), Spent(bad=60, total=3_000, minutes=5))
SLOW = (Spent(bad=100, total=36_000, minutes=30), Spent(bad=60, total=3_000, minutes=5))
ONE_USER = (Spent(bad=600, total=36_000, minutes=2), Spent(bad=60, total=3_000, minutes=2))


def term(burn: float = 14.4, **more: Any) -> Term:
    return Term(id="slo shop", condition=Condition(slo="shop", burn=burn, **more), slo=SLO)


def reading(ago: float, spent: tuple[Spent, Spent] = FAST, **more: Any) -> BudgetReading:
    wanted: dict[str, Any] = {"status": "ok", "windows": HOUR, "long": spent[0], "short": spent[1]} | more
    return BudgetReading(source="prom", slo="shop", data_at=NOW - ago, received_at=NOW - ago, **wanted)


def ask(*readings: BudgetReading, asked: Term | None = None, since: float = NOW - 3600) -> TermVerdict:
    return judge_term(asked or term(), Evidence(budgets=readings), Expected(since=since), NOW)


def test_it_fails_with_both_rates_and_what_is_left_of_the_budget() -> None:
    verdict = ask(reading(1, left=0.42))
    assert verdict.answer == "fail"
    assert verdict.reason.startswith("shop burns 16.7x over 1h and 20x over 5m, limit 14.4x")
    assert "42 % of the budget of 30d is left" in verdict.reason
    assert verdict.value == pytest.approx(16.67, abs=0.01)
    assert verdict.burning == pytest.approx(20.0)


def test_one_window_that_burns_slower_passes() -> None:
    assert ask(reading(1, SLOW)).answer == "pass"
    quiet = ask(reading(1, (FAST[0], Spent())))
    assert (quiet.answer, quiet.burning) == ("pass", 0.0)  # nobody asked anything for five minutes


def test_bad_requests_of_two_minutes_only_are_too_few_to_tell_and_it_says_so() -> None:
    verdict = ask(reading(1, ONE_USER))
    assert verdict.answer == "undecided"
    assert "bad requests in 2 minutes of the long" in verdict.reason


def test_a_for_asks_that_it_burns_so_long_without_a_break() -> None:
    asked = term(for_=60.0)
    burning = [reading(ago) for ago in (75, 60, 45, 30, 15, 0)]
    assert ask(*burning, asked=asked).answer == "fail"
    assert ask(*burning[2:], asked=asked).answer == "undecided"
    broken = [*burning[:3], reading(30, SLOW), *burning[4:]]
    assert ask(*broken, asked=asked).answer == "undecided"
    lost = [*burning[:3], reading(30, status="error", note="503"), *burning[4:]]
    assert ask(*lost, asked=asked).answer == "fail"


@pytest.mark.parametrize(
    ("readings", "answer"),
    [
        ([], "blind"),
        ([reading(46)], "blind"),
        ([reading(1, status="nodata")], "blind"),  # no request in the long window
        ([reading(46), reading(1, status="error", note="503")], "error"),
        ([reading(1, windows=(21_600.0, 1_800.0))], "blind"),  # of other windows
    ],
)
def test_silence_is_never_good_news(readings: list[BudgetReading], answer: str) -> None:
    assert ask(*readings).answer == answer


def test_a_phase_begins_with_some_patience() -> None:
    assert ask(since=NOW - 10).answer == "undecided"


def test_a_condition_without_its_slo_is_an_error() -> None:
    assert (
        judge_term(Term(id="x", condition=Condition(slo="shop", burn=2)), Evidence(), Expected(), NOW).answer == "error"
    )
    assert judge_term(Term(id="x", condition=Condition(burn=2)), Evidence(), Expected(), NOW).answer == "error"


def test_longer_windows_are_asked_less_often() -> None:
    assert windows_of(term()) == HOUR
    assert windows_of(term(windows=(1_800.0, 21_600.0))) == (21_600.0, 1_800.0)
    assert [pace_of(each) for each in (HOUR, (21_600.0, 1_800.0), (259_200.0, 21_600.0))] == [15.0, 90.0, 300.0]


def test_a_bake_accrues_while_a_budget_does_not_burn_too_fast() -> None:
    terms = [term()]
    good = Evidence(budgets=tuple(reading(ago, SLOW) for ago in (60, 45, 30, 15, 0)))
    assert accrue(terms, good, Expected(since=NOW - 3600), NOW - 60, NOW, NOW).seconds == pytest.approx(60)
    gone = Evidence(budgets=(reading(60, SLOW),))
    assert accrue(terms, gone, Expected(since=NOW - 3600), NOW - 60, NOW, NOW).seconds == pytest.approx(45)


COUNTS = st.builds(Spent, bad=st.floats(0, 1e6), total=st.floats(0, 1e7), minutes=st.integers(0, 60))


@given(
    windows=st.lists(st.tuples(st.integers(0, 200), COUNTS, COUNTS), max_size=8),
    order=st.randoms(use_true_random=False),
)
def test_order_decides_nothing_and_a_fail_is_of_a_newest_reading_that_burns(windows: Any, order: Any) -> None:
    told = list({ago: reading(ago, (long, short)) for ago, long, short in windows}.values())
    verdict = judge_budget(term(), Evidence(budgets=tuple(told)), Expected(since=NOW - 3600), NOW)
    order.shuffle(told)
    assert judge_budget(term(), Evidence(budgets=tuple(told)), Expected(since=NOW - 3600), NOW) == verdict
    if verdict.answer == "fail":
        last = max(told, key=lambda one: one.received_at)
        assert last.long.bad > 0.0144 * last.long.total
        assert last.long.minutes >= 5


@pytest.mark.parametrize("per_second", [0.1, 1, 10, 100, 1_000])
def test_twenty_times_the_budget_is_noticed_at_any_traffic(per_second: float) -> None:
    long, short = (round(per_second * seconds) for seconds in HOUR)
    bad_long, bad_short = 0.02 * long, 0.02 * short
    minutes = min(60, round(bad_long)), max(2, min(5, round(bad_short)))
    spent = Spent(bad=bad_long, total=long, minutes=minutes[0]), Spent(bad=bad_short, total=short, minutes=minutes[1])
    assert ask(reading(1, spent)).answer == ("undecided" if per_second < 1 and minutes[0] < 5 else "fail")


@pytest.mark.parametrize("per_second", [0.01, 0.1, 1, 10, 100])
def test_one_user_who_fails_again_and_again_for_four_minutes_is_no_fire(per_second: float) -> None:
    long, short = (round(per_second * seconds) for seconds in HOUR)
    bad = 0.03 * long + 1
    spent = Spent(bad=bad, total=max(long, 1), minutes=4), Spent(bad=bad, total=max(short, 1), minutes=4)
    assert ask(reading(1, spent)).answer == "undecided"
