"""The built-ins that ask about flags: what a share seen, and a change by another hand, make of a gate."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.verdict.bake import accrue
from amplify_tui.verdict.exposure import fits, tolerance
from amplify_tui.verdict.gate import judge, judge_term
from amplify_tui.verdict.model import Asked, Evidence, Expected, ExposureReading, FlagReading, Term, TermVerdict

NOW = 10_000.0
SINCE = NOW - 600.0
FLAG = "flags/new"
EXPOSURE = Term(id="exposure", builtin="exposure")
DRIFT = Term(id="drift", builtin="drift")
QUARTER = Asked(0.25, 0.25)


def seen(ago: float, yes: float, n: float, origin: str = "errors", **more: Any) -> ExposureReading:
    share = {"share": yes / n, "tolerance": tolerance(0.25, n), "fits": fits(QUARTER, yes, n)} if n else {}
    wanted: dict[str, Any] = {"status": "ok", "asked": QUARTER, "since": SINCE, "max_age": 60.0, **share, **more}
    at = NOW - ago
    return ExposureReading(
        source="flags", flag="new", origin=origin, data_at=at, received_at=at, yes=yes, n=n, **wanted
    )


def read(ago: float = 1.0, **more: Any) -> FlagReading:
    wanted = {"status": "ok", "data_at": NOW - ago, "received_at": NOW - ago} | more
    return FlagReading(source="flags", flag="new", **wanted)


def expected(**more: Any) -> Expected:
    return Expected(**({"flags": (FLAG,), "since": SINCE, "max_age": 15.0} | more))


def exposure(*readings: ExposureReading, **more: Any) -> TermVerdict:
    return judge_term(EXPOSURE, Evidence(exposures=readings), expected(**more), NOW)


def drift(*readings: FlagReading, **more: Any) -> TermVerdict:
    return judge_term(DRIFT, Evidence(flags=readings), expected(**more), NOW)


def test_the_share_that_was_asked_for_passes_and_says_both_numbers() -> None:
    verdict = exposure(seen(5, 1_250, 5_000))
    assert (verdict.answer, verdict.reason) == ("pass", "exposure: flags/new: seen 25 % of 5 000, asked 25 ± 2")


def test_a_share_that_is_off_fails_once_it_was_off_for_thirty_seconds() -> None:
    off = [seen(ago, 0, 400) for ago in (40, 30, 20, 10)]
    assert exposure(off[-1]).answer == "undecided"
    assert exposure(*off[-2:]).answer == "undecided"
    failed = exposure(*off)
    assert failed.answer == "fail"
    assert "seen 0 % of 400, asked 25" in failed.reason
    assert "for 30s" in failed.reason


def test_one_look_at_the_share_asked_for_begins_the_time_anew_and_missing_data_does_not() -> None:
    off = [seen(ago, 0, 400) for ago in (40, 30, 10)]
    assert exposure(*off, seen(20, 100, 400)).answer == "undecided"
    assert exposure(*off, seen(20, 0, 0, status="nodata")).answer == "fail"
    assert exposure(*off, seen(20, 0, 0, status="error", note="refused")).answer == "fail"


@pytest.mark.parametrize(
    ("reading", "answer"),
    [
        (seen(5, 1, 4), "undecided"),  # too few to tell
        (seen(5, 0, 0, status="nodata", since=NOW - 30, note="counting begins in 50s"), "undecided"),
        (seen(5, 0, 0, status="nodata", note="no application told"), "blind"),
        (seen(61, 1_250, 5_000), "blind"),  # older than its max_age
        (seen(5, 1_250, 5_000, status="stale"), "blind"),
        (seen(5, 0, 0, status="error", note="401"), "error"),
        (seen(601, 1_250, 5_000), "blind"),  # of the phase before
    ],
)
def test_what_is_not_known_never_passes(reading: ExposureReading, answer: str) -> None:
    assert exposure(reading).answer == answer


def test_a_signal_that_counts_cohorts_is_not_kept_waiting_by_reports_and_reports_can_fail_it() -> None:
    counted = seen(5, 1_250, 5_000)
    waiting = seen(5, 0, 0, "usage", status="nodata", since=NOW - 30)
    assert exposure(counted, waiting).answer == "pass"
    silent = [seen(ago, 0, 400, "usage") for ago in (40, 5)]
    assert exposure(counted, *silent).answer == "fail"


def test_nothing_that_is_switched_on_shows_nothing() -> None:
    assert exposure(seen(5, 1_250, 5_000), flags=()).answer == "undecided"
    assert drift(read(), flags=()).answer == "undecided"


def test_a_flag_as_the_run_left_it_passes_and_one_that_somebody_changed_fails_with_their_words() -> None:
    assert drift(read()).answer == "pass"
    verdict = drift(read(), drifts={FLAG: "admin changed new: 25 % to 60 %"})
    assert (verdict.answer, verdict.reason) == ("fail", "drift: flags/new: admin changed new: 25 % to 60 %")


def test_a_flag_whose_server_is_silent_is_blind_and_one_whose_server_is_broken_an_error() -> None:
    assert drift(read(1), read(0.5, status="stale", data_at=NOW - 1)).answer == "undecided"
    assert drift(read(20), read(1, status="stale", data_at=NOW - 20)).answer == "blind"
    assert drift(read(20), read(1, status="error", data_at=NOW - 20, note="refused")).answer == "error"
    assert drift(since=NOW - 5).answer == "undecided"
    assert drift().answer == "blind"


def test_a_gate_of_both_bakes_only_while_both_pass() -> None:
    terms = (EXPOSURE, DRIFT)
    flags = tuple(read(ago) for ago in range(20, 0, -1))
    good = Evidence(exposures=tuple(seen(ago, 1_250, 5_000) for ago in (20, 10, 1)), flags=flags)
    assert judge(terms, good, expected(), NOW).answer == "pass"
    assert accrue(terms, good, expected(), NOW - 20, NOW, NOW).seconds == pytest.approx(20, abs=1)
    broken = Evidence(exposures=(seen(20, 1_250, 5_000), seen(10, 0, 400), seen(1, 0, 400)), flags=flags)
    halted = accrue(terms, broken, expected(), NOW - 20, NOW, NOW)
    assert halted.seconds == pytest.approx(10, abs=1)
    assert halted.broken_by == "exposure"


SHARES = st.tuples(st.integers(1, 590), st.floats(0, 1), st.integers(0, 10_000))


@given(readings=st.lists(SHARES, max_size=12), order=st.randoms(use_true_random=False))
def test_the_order_of_arrival_decides_nothing_and_a_fail_needs_shares_that_are_off(readings: Any, order: Any) -> None:
    told = {ago: seen(ago, round(share * n), n, status="ok" if n else "nodata") for ago, share, n in readings}
    given_ = list(told.values())
    verdict = exposure(*given_)
    order.shuffle(given_)
    assert exposure(*given_) == verdict
    if verdict.answer == "fail":
        assert sum(one.fits is False for one in given_) >= 2
    if verdict.answer == "pass":
        assert max(given_, key=lambda one: one.received_at).fits is True
