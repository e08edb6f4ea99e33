"""Each limit of a threshold condition, and how the answers of terms make the answer of a gate."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from amplify_tui.playbook.model import Condition, Limit
from amplify_tui.verdict.gate import judge
from amplify_tui.verdict.model import Answer, Expected, Reading, Term, TermVerdict
from amplify_tui.verdict.triggers import fires
from tests.verdict.histories import (
    COHORTS,
    ERRORS,
    LATENCY,
    T0,
    WORLD,
    at,
    errors,
    evidence,
    latency,
    pair,
    pairs,
    values,
)


def ask(term: Term, readings: list[Reading], now: float, world: Expected = WORLD) -> TermVerdict:
    (verdict,) = judge([term], evidence(readings), world, now).terms
    return verdict


@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        ("G" * 13, "pass"),  # 12 intervals of 5 s are the minute
        ("G" * 12, "undecided"),
        ("B" * 13, "fail"),
        ("B" * 12, "undecided"),
        ("G" * 40 + "B", "undecided"),
        ("G" * 40 + "B" * 13, "fail"),
        ("BBGG" + "B" * 20, "fail"),  # two good ones do not close a span
        ("B" * 11 + "GG" + "B", "fail"),
        ("B" * 11 + "GGG" + "BB", "undecided"),  # three do
        ("B" * 12 + "GB", "fail"),
        ("BG" * 7 + "B", "undecided"),  # 53 % of the readings bad
        ("BBBG" * 6 + "B", "undecided"),  # 76 %
        ("BBBBG" * 4 + "B", "fail"),  # 81 %
    ],
)
def test_a_span_decides_at_its_length_and_at_four_fifths(pattern: str, answer: Answer) -> None:
    assert ask(latency(for_=60.0), values(pattern), at(len(pattern) - 1)).answer == answer


@pytest.mark.parametrize("missing", ["-", "N", "E", "S", "F"])
@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        ("B" * 6 + "_" * 2 + "B" * 6, "undecided"),  # 11 intervals and the one after the hole: 55 s, 5 s of them new
        ("B" * 6 + "_" * 2 + "B" * 7, "fail"),  # frozen, not reset: the span goes on
        ("B" * 13 + "_" * 8, "fail"),  # the crash takes the metrics along, the fail stays
        ("B" * 13 + "_" * 9 + "_", "blind"),
        ("B" + "_" * 8 + "B" * 13, "fail"),  # one old reading before a hole does not dilute a solid minute
        ("B" + "_" * 8 + "G" + "B" * 12, "undecided"),  # a span begins with a bad reading, 55 s ago
        ("B" + "_" * 8 + "G" + "B" * 13, "fail"),
        ("B_" * 13, "undecided"),  # half of the expected readings
        ("G" * 6 + "_" * 2 + "G" * 7, "pass"),
        ("G" * 13 + "_" * 4, "pass"),  # 65 s of 80 were seen, more than four fifths
        ("G" * 13 + "_" * 5, "undecided"),
        ("G_" * 13, "undecided"),
        ("G" * 40 + "_" * 9 + "_", "blind"),
    ],
)
def test_missing_readings_freeze_both_spans_and_blind_past_max_age(pattern: str, answer: Answer, missing: str) -> None:
    expected = "error" if answer == "blind" and missing == "E" else answer
    verdict = ask(latency(for_=60.0), values(pattern.replace("_", missing)), at(len(pattern) - 1))
    assert verdict.answer == expected, verdict.reason


def test_no_reading_at_all_is_blind_and_a_young_phase_is_undecided() -> None:
    assert ask(errors(), [], T0).answer == "blind"
    assert ask(errors(), [], T0, Expected(since=T0 - 45.0)).answer == "undecided"
    assert ask(errors(), [], T0, Expected(since=T0 - 46.0)).answer == "blind"


def test_a_broken_provider_is_an_error_with_its_words() -> None:
    broken = replace(pair(0, 0.0, status="error"), note="HTML where JSON should be")
    verdict = ask(errors(), [broken], at(0))
    assert verdict.answer == "error"
    assert "HTML where JSON should be" in verdict.reason


@pytest.mark.parametrize(
    ("now", "answer"),
    [(at(12) + 45.0, "undecided"), (at(12) + 45.1, "blind")],
)
def test_max_age_defaults_to_lag_and_window_and_three_polls(now: float, answer: Answer) -> None:
    assert ask(errors(), pairs("G" * 13), now).answer == answer
    lagging = replace(errors(), lag=60.0)
    assert ask(lagging, pairs("G" * 13), at(12) + 100.0).answer == "undecided"


def test_data_that_is_old_at_its_arrival_is_no_evidence() -> None:
    old = [replace(r, data_at=r.received_at - 45.1) for r in pairs("G" * 40)]
    just = [replace(r, data_at=r.received_at - 40.0) for r in pairs("G" * 40)]
    assert ask(errors(), old, at(39)).answer == "blind"
    assert ask(errors(), just, at(39)).answer == "pass"


def test_data_from_the_future_is_no_evidence_and_never_prolongs_freshness() -> None:
    ahead = [replace(r, data_at=r.received_at + 46.0) for r in pairs("G" * 40)]
    little = [replace(r, data_at=r.received_at + 40.0) for r in pairs("G" * 40)]
    assert ask(errors(), ahead, at(39)).answer == "error"
    assert ask(errors(), little, at(39) + 46.0).answer == "blind"


def test_a_frozen_exporter_earns_no_good_time_and_goes_blind() -> None:
    frozen = [replace(r, data_at=at(0)) for r in pairs("G" * 9)]
    verdict = ask(errors(for_=15.0), frozen, at(8))
    assert (verdict.answer, verdict.good_for) == ("undecided", 0.0)
    assert ask(errors(for_=15.0), pairs("G" * 9)[:1] + frozen, at(10)).answer == "blind"


def test_data_that_falls_behind_counts_with_its_own_progress() -> None:
    behind = [replace(r, data_at=at(0) + 2.5 * poll) for poll, r in enumerate(pairs("G" * 13))]
    assert ask(errors(), behind, at(12)).good_for == pytest.approx(30.0)


def test_one_good_sample_polled_three_times_is_one_good_reading() -> None:
    polled = values("B" * 11 + "GGG" + "BB")
    sample = [replace(r, data_at=at(11)) if 11 <= poll <= 13 else r for poll, r in enumerate(polled)]
    assert ask(latency(for_=60.0), sample, at(15)).answer == "fail"
    assert ask(latency(for_=60.0), polled, at(15)).answer == "undecided"


def test_a_source_whose_data_is_always_late_but_fresh_can_pass() -> None:
    late = [replace(r, data_at=r.received_at - 40.0) for r in pairs("G" * 40)]
    assert ask(errors(), late, at(39)).answer == "pass"


def test_of_two_readings_of_one_instant_the_worse_one_stands() -> None:
    bad, good = pairs("B")[0], replace(pairs("G")[0], received_at=at(0) + 1.0)
    for readings in ([bad, good], [good, bad]):
        assert ask(errors(for_=0.0), readings, at(0) + 2.0).answer == "fail"


def test_a_clock_that_jumped_ahead_once_does_not_outlive_later_readings() -> None:
    ahead = replace(pairs("G")[0], data_at=at(0) + 40.0)
    assert ask(errors(for_=0.0), [ahead, *pairs("-B")], at(1)).answer == "fail"


def test_samples_slower_than_the_polls_count_with_their_own_progress() -> None:
    scraped = [replace(r, data_at=at(poll - poll % 3)) for poll, r in enumerate(pairs("G" * 16))]
    assert ask(errors(), scraped, at(15)).good_for == pytest.approx(75.0)
    assert ask(errors(), scraped, at(15)).answer == "pass"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_no_data(number: float) -> None:
    good = pairs("G" * 40)
    for broken in (
        [replace(r, total=number) for r in good],
        [replace(r, bad=number) for r in good],
        [replace(r, total=0.0, bad=0.0) for r in good],
        [replace(r, total=None) for r in good],
        [replace(r, bad=-1.0) for r in good],
    ):
        assert ask(errors(), broken, at(39)).answer == "blind"
    assert ask(latency(), [replace(r, value=number) for r in values("G" * 40)], at(39)).answer == "blind"
    assert ask(latency(), [replace(r, value=None) for r in values("G" * 40)], at(39)).answer == "blind"
    assert ask(latency(), [replace(r, n=0.0) for r in values("G" * 40)], at(39)).answer == "blind"


def test_an_empty_bad_beside_a_total_is_zero() -> None:
    verdict = ask(errors(), [replace(r, bad=None, value=None) for r in pairs("G" * 13)], at(12))
    assert (verdict.answer, verdict.value) == ("pass", 0.0)


def test_a_value_at_its_limit_is_good() -> None:
    assert ask(latency(above=0.2, for_=60.0), values("G" * 13), at(12)).answer == "pass"
    assert ask(latency(above=None, below=0.2, for_=60.0), values("G" * 13), at(12)).answer == "pass"
    assert ask(latency(above=None, below=0.201, for_=60.0), values("G" * 13), at(12)).answer == "fail"


@pytest.mark.parametrize(("letter", "answer"), [("G", "pass"), ("B", "fail")])
def test_for_0s_is_decided_by_one_fresh_reading(letter: str, answer: Answer) -> None:
    assert ask(errors(for_=0.0), pairs(letter), at(0)).answer == answer
    assert ask(latency(for_=0.0), values(letter), at(0)).answer == answer
    assert ask(latency(for_=0.0), values("BG" + letter), at(2)).answer == answer


def test_for_0s_still_needs_bad_requests_beyond_chance() -> None:
    one_of_ten = pair(0, 0.1, total=10 / 30)
    verdict = ask(errors(for_=0.0), [one_of_ten], at(0))
    assert verdict.answer == "undecided"
    assert "1 bad of 10 requests may be chance" in verdict.reason


# --- Evidence and low traffic -----------------------------------------------------------------------------------------


def test_few_bad_requests_over_a_long_span_may_be_chance() -> None:
    slow = pairs("B" * 20, total=0.5, bad=0.02, good=0.0)
    assert ask(errors(), slow, at(19)).answer == "undecided"
    assert ask(errors(), pairs("B" * 20, total=50.0, bad=0.2), at(19)).answer == "fail"


def test_a_share_below_its_floor_is_mirrored() -> None:
    floor = errors(above=None, below=0.99)
    assert ask(floor, pairs("G" * 13, good=0.995), at(12)).answer == "pass"
    assert ask(floor, pairs("B" * 13, bad=0.9), at(12)).answer == "fail"
    assert ask(floor, pairs("B" * 13, bad=0.98, total=0.5), at(12)).answer == "undecided"


def test_a_pass_waits_for_the_rule_of_three_and_says_how_long() -> None:
    verdict = ask(errors(), pairs("G" * 13, total=1.0, good=0.0), at(12))
    assert (verdict.answer, verdict.n, verdict.n_needed) == ("undecided", pytest.approx(90.0), 300.0)
    assert verdict.need == "needs 210 more requests, about 3m30s at 1/s"
    assert ask(errors(), pairs("G" * 55, total=1.0, good=0.0), at(54)).answer == "pass"
    assert ask(errors(min_samples=90), pairs("G" * 13, total=1.0, good=0.0), at(12)).answer == "pass"
    assert ask(errors(min_samples=91), pairs("G" * 13, total=1.0, good=0.0), at(12)).answer == "undecided"


def test_counts_of_an_increase_are_not_multiplied_by_time() -> None:
    signal = replace(ERRORS, as_="increase")
    verdict = ask(errors(signal=signal), pairs("G" * 13, total=10.0, good=0.0), at(12))
    assert (verdict.answer, verdict.n) == ("undecided", pytest.approx(130.0))


def test_a_lost_reading_loses_its_requests() -> None:
    whole = ask(errors(), pairs("G" * 13, total=1.0), at(12)).n
    holey = ask(errors(), pairs("GGGGG--GGGGGG", total=1.0), at(12)).n
    assert whole == pytest.approx(90.0)
    assert holey == pytest.approx(80.0)


def test_a_single_window_counts_at_least_what_it_held() -> None:
    whole = ask(errors(), pairs("gggggG"), at(5)).n
    assert whole == pytest.approx(3000.0)
    assert ask(errors(), pairs("-----G"), at(5)).n == whole


@pytest.mark.parametrize(
    ("term", "needed"),
    [
        (errors(above=0.05), 60.0),
        (errors(above=0.0), 3000.0),  # the signal's harm stands in for a limit of nothing
        (errors(above=None, below=0.99), 300.0),
        (errors(signal=replace(ERRORS, min_samples=7)), 7.0),
        (errors(signal=replace(ERRORS, limit=Limit(above=0.5, min_samples=9))), 9.0),
        (latency(signal=replace(LATENCY, min_samples=None, quantile=0.99)), 500.0),
        (latency(signal=replace(LATENCY, min_samples=None)), None),
    ],
)
def test_the_fewest_requests_of_a_pass(term: Term, needed: float | None) -> None:
    assert ask(term, [*pairs("G"), *values("G")], at(0)).n_needed == needed


# --- Flapping, phases, cohorts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["GGBGGGBGGGG" + "G" * 8, "B" * 8 + "G" * 14, "GB" * 10 + "GGGG"])
def test_flapping_is_undecided_and_says_so(pattern: str) -> None:
    verdict = ask(latency(for_=15.0), values(pattern), at(len(pattern) - 1))
    assert verdict.answer == "undecided"
    assert "flapping" in verdict.reason


def test_a_lost_reading_between_two_bad_ones_may_have_been_good() -> None:
    steady, holey = "G" * 20 + "BB" + "G" * 9, "G" * 20 + "B-B" + "G" * 9
    assert ask(latency(for_=15.0), values(steady), at(len(steady) - 1)).answer == "pass"
    assert "flapping" in ask(latency(for_=15.0), values(holey), at(len(holey) - 1)).reason


def test_a_pass_waits_for_three_good_readings_after_a_bad_one() -> None:
    pattern = "G" * 40 + "BGG"
    verdict = ask(latency(for_=5.0), values(pattern), at(len(pattern) - 1))
    assert (verdict.answer, verdict.need) == ("undecided", "needs 1 more good reading in a row")
    assert ask(latency(for_=5.0), values(pattern + "G"), at(len(pattern))).answer == "pass"


def test_flapping_starts_at_three_tenths_of_the_readings() -> None:
    assert "flapping" in ask(latency(for_=15.0), values("BBB" + "G" * 7), at(9)).reason
    assert ask(latency(for_=15.0), values("BBB" + "G" * 8), at(10)).answer == "pass"


def test_flapping_is_over_when_the_window_has_left_it_behind() -> None:
    pattern = "GGBGGGBGGGG" + "G" * 24
    assert ask(latency(for_=15.0), values(pattern), at(len(pattern) - 1)).answer == "pass"


def test_flapping_is_no_shield_for_a_solid_span() -> None:
    assert ask(latency(for_=15.0), values("GGBGGGBGGGG" + "B" * 4), at(14)).answer == "fail"


def test_a_reading_of_the_phase_before_is_no_evidence() -> None:
    begun = Expected(since=at(20))
    readings = pairs("B" * 20 + "G" * 40)
    assert ask(errors(), readings, at(25), begun).answer == "undecided"
    assert "no reading of this phase" in ask(errors(), readings, at(25), begun).reason
    assert ask(errors(), readings, at(38), begun).answer == "pass"
    assert ask(errors(), readings, at(37), begun).answer == "undecided"


def test_a_signal_with_cohorts_is_judged_by_treatment_unless_told() -> None:
    signal = replace(ERRORS, cohorts=COHORTS)
    good = [replace(r, cohort="control") for r in pairs("G" * 13)]
    bad = [replace(r, cohort="treatment") for r in pairs("B" * 13)]
    assert ask(errors(signal=signal), good + bad, at(12)).answer == "fail"
    assert ask(errors(signal=signal), good, at(12)).answer == "blind"
    control = ask(errors(signal=signal, cohort="control"), good + bad, at(12))
    assert control.answer == "pass"
    assert control.reason.startswith("errors (control) ")


def test_a_condition_without_a_limit_takes_the_signals() -> None:
    signal = replace(ERRORS, limit=Limit(above=0.01, for_=30.0))
    bare = Term(id="errors", condition=Condition(signal="errors"), signal=signal)
    assert ask(bare, pairs("G" * 7), at(6)).answer == "pass"
    assert ask(bare, pairs("G" * 6), at(5)).answer == "undecided"
    own = Term(id="errors", condition=Condition(signal="errors", above=0.0001), signal=signal)
    assert ask(own, pairs("G" * 7), at(6)).answer != "pass"


def test_a_service_too_slow_to_ever_reach_its_samples_is_told_so() -> None:
    slow = [pair(poll, 0.0, total=0.3) for poll in range(180)]
    verdict = ask(errors(), slow, at(179))
    assert verdict.answer == "undecided"
    assert verdict.need == "needs 300 requests, and at 0.3/s there are only 270 in 15m: lower min_samples, or override"


def test_without_any_for_three_polls_stand_in() -> None:
    assert ask(errors(for_=None), pairs("G" * 4), at(3)).answer == "pass"
    assert ask(errors(for_=None), pairs("G" * 3), at(2)).answer == "undecided"


# --- What this version does not judge ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "term",
    [
        Term(id="x"),
        Term(id="x", condition=Condition(above=0.1), signal=ERRORS),
        Term(id="x", condition=Condition(signal="errors"), signal=ERRORS),
        Term(id="x", condition=Condition(signal="errors", above=0.1, below=0.1), signal=ERRORS),
        Term(id="x", condition=Condition(signal="errors", above=math.nan), signal=ERRORS),
    ],
)
def test_a_term_that_asks_nothing_sensible_is_an_error(term: Term) -> None:
    assert ask(term, pairs("G" * 40), at(39)).answer == "error"


# --- Words ------------------------------------------------------------------------------------------------------------


def test_reasons_carry_both_numbers_and_how_long() -> None:
    bad = ask(latency(), values("B" * 27), at(26))
    assert (bad.answer, bad.reason) == ("fail", "latency 412 ms, limit 378 ms for 2m: bad for 2m10s")
    assert bad.need == "needs 3 good readings in a row and 2m of them"
    good = ask(errors(), pairs("G" * 25), at(24))
    assert good.reason == "errors 0.1 %, limit 1 % for 1m: good for 2m"
    assert (good.bad_for, good.good_for, good.age, good.limit) == (0.0, 120.0, 0.0, 0.01)
    young = ask(errors(), pairs("G" * 5), at(4))
    assert young.need == "needs 40s more of good readings"


def test_two_numbers_that_differ_never_read_the_same() -> None:
    verdict = ask(errors(for_=0.0), pairs("B", bad=0.01004), at(0))
    assert verdict.reason.startswith("errors 1.004 %, limit 1 %")


# --- The gate ---------------------------------------------------------------------------------------------------------

PASS = errors(name="good", for_=0.0)
FAIL = errors(name="bad", for_=0.0)
BLIND = errors(name="absent")
ERROR = Term(id="nameless", condition=Condition())
UNDECIDED = errors(name="good", for_=600.0)
NOW = at(0)
MIXED = [pair(0, 0.0, signal="good"), pair(0, 0.9, signal="bad")]


@pytest.mark.parametrize(
    ("terms", "answer"),
    [
        ([], "undecided"),
        ([PASS], "pass"),
        ([PASS, PASS], "pass"),
        ([PASS, UNDECIDED], "undecided"),
        ([UNDECIDED, BLIND, PASS], "blind"),
        ([BLIND, UNDECIDED, ERROR], "error"),
        ([PASS, UNDECIDED, BLIND, ERROR, FAIL], "fail"),
    ],
)
def test_the_worst_answer_is_the_gates_in_any_order(terms: list[Term], answer: Answer) -> None:
    for order in (terms, terms[::-1]):
        verdict = judge(order, evidence(MIXED), WORLD, NOW)
        assert verdict.answer == answer
        assert [term.id for term in verdict.terms] == [term.id for term in order]


def test_an_empty_gate_never_passes() -> None:
    verdict = judge([], evidence(), WORLD, NOW)
    assert verdict.answer == "undecided"
    assert verdict.reason
    assert verdict.need


def test_a_gate_gives_the_reasons_of_the_terms_that_decide() -> None:
    verdict = judge([PASS, FAIL, BLIND], evidence(MIXED), WORLD, NOW)
    assert verdict.reason == "bad 90 %, limit 1 %: bad for 0s"
    assert judge([PASS], evidence(MIXED), WORLD, NOW).reason == "1 of 1 conditions pass"


def test_a_trigger_fires_as_a_gate_fails() -> None:
    term = errors()
    assert fires(term, evidence(pairs("B" * 13)), WORLD, at(12)).answer == "fail"
    assert fires(term, evidence(pairs("B" * 12)), WORLD, at(11)).answer == "undecided"
    assert fires(Term(id="h", builtin="health"), evidence(), WORLD, T0).answer == "undecided"
