"""What a watch showed from its begin to its end: the worst, the spells, the budget; and when it is worth an event."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.playbook.model import Condition, Signal, Slo
from amplify_tui.verdict.model import Answer, Term, TermVerdict, Verdict
from amplify_tui.verdict.seen import LOOKED_S, Seen, is_notable, looked, nearness, worst_of

T0 = 1_700_000_000.0
SIGNAL = Signal(golden="errors", source="prom", bad="b", total="t", window=5.0)
ERRORS = Term(id="errors", condition=Condition(signal="errors", above=0.01), signal=SIGNAL)
TRAFFIC = Term(id="traffic", condition=Condition(signal="errors", below=0.4), signal=SIGNAL)
BURN = Term(
    id="slo",
    condition=Condition(slo="shop", burn=2.0),
    slo=Slo(source="p", objective=0.999, window=86400.0, bad="b", total="t"),
)
TERMS = (ERRORS, TRAFFIC, BURN)


def said(value: float | None, answer: Answer = "pass", *, id_: str = "errors", **more: float | bool) -> Verdict:
    limit = {"errors": 0.01, "traffic": 0.4, "slo": 2.0}.get(id_)
    term = TermVerdict(id=id_, answer=answer, reason="r", value=value, limit=limit, **more)  # type: ignore[arg-type]
    return Verdict(answer=answer, reason="r", terms=(term,))


def over(*verdicts: Verdict, seconds: float = 1.0) -> tuple[Seen, ...]:
    seen: tuple[Seen, ...] = ()
    for i, verdict in enumerate(verdicts):
        seen = looked(seen, verdict, TERMS, seconds, T0 + i)
    return seen


def test_a_peak_is_remembered_with_the_time_of_its_data_after_it_is_long_over() -> None:
    (seen,) = over(said(0.001), said(0.03, "undecided", bad_for=2.0, age=0.25), said(0.002), said(0.001))
    assert (seen.worst, seen.limit, seen.at) == (0.03, 0.01, T0 + 1 - 0.25)
    assert (seen.good, seen.bad, seen.answer) == (3.0, 1.0, "undecided")


def test_where_low_is_bad_the_lowest_is_the_worst() -> None:
    (seen,) = over(*(said(value, id_="traffic") for value in (5.0, 0.5, 9.0)))
    assert seen.worst == 0.5
    assert nearness(seen) == pytest.approx(0.8)


def test_a_value_without_fresh_data_is_no_worst_of_anything() -> None:
    (seen,) = over(said(0.001), said(0.9, "blind"), said(0.9, "error"))
    assert (seen.worst, seen.blind, seen.answer) == (0.001, 2.0, "error")


def test_a_condition_that_does_not_apply_gets_no_time() -> None:
    (seen,) = over(said(0.9, "undecided", applies=False))
    assert (seen.watched, seen.worst) == (0.0, None)


@pytest.mark.parametrize("seconds", [-5.0, LOOKED_S + 1.0, math.nan])
def test_time_in_which_nobody_looked_is_nobodys(seconds: float) -> None:
    assert over(said(0.001), seconds=seconds)[0].watched == 0.0


def test_the_budget_is_spent_as_fast_as_it_burns() -> None:
    """Twice as fast as allowed for a hundredth of the window takes two hundredths; blind time takes none."""
    looks = [said(1.0, id_="slo", burning=2.0)] * 864
    (seen,) = over(*looks, said(1.0, "blind", id_="slo", burning=2.0))
    assert seen.spent == pytest.approx(0.02)
    assert over(said(0.001))[0].spent is None


def test_an_old_fire_that_only_the_long_window_still_holds_is_not_what_the_watch_saw() -> None:
    (seen,) = over(said(16.0, id_="slo", burning=0.5), said(4.0, "fail", id_="slo", burning=3.0))
    assert (seen.worst, seen.answer) == (3.0, "fail")


def test_the_worst_of_all_is_the_one_nearest_to_its_own_limit() -> None:
    near = Seen(id="errors", worst=0.009, limit=0.01)
    far = Seen(id="latency", worst=300.0, limit=800.0)
    broken = Seen(id="health", answer="fail")
    assert worst_of((far, near)) is near
    assert worst_of((far, near, broken)) is broken
    assert worst_of((Seen(id="fleet"), Seen(id="health", answer="blind"))) == Seen(id="health", answer="blind")
    assert worst_of(()) is None


def test_a_limit_of_zero_is_near_only_when_it_is_passed() -> None:
    assert nearness(Seen(id="alerts", worst=0.0, limit=0.0)) == 0.0
    assert nearness(Seen(id="alerts", worst=1.0, limit=0.0)) == math.inf


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=400))
def test_the_journal_never_lacks_more_than_a_tenth_of_a_worst_that_is_near_and_is_not_flooded(
    values: list[float],
) -> None:
    kept: tuple[Seen, ...] = ()
    now: tuple[Seen, ...] = ()
    events = 0
    for i, value in enumerate(values):
        now = looked(now, said(value), TERMS, 1.0, T0 + i)
        if is_notable(kept, now):
            kept, events = now, events + 1
        true, known = nearness(now[0]), nearness(kept[0]) if kept else 0.0
        assert true < 0.5 or known * 1.1 > true
        assert (known > 1.0) == (true > 1.0)
    assert events <= 60


@given(st.lists(st.sampled_from(["pass", "fail", "undecided", "blind", "error"]), max_size=50))
def test_every_second_that_somebody_looked_is_in_one_spell(answers: list[Answer]) -> None:
    seen = over(*(said(0.001, answer) for answer in answers))
    assert sum(one.watched for one in seen) == len(answers)
