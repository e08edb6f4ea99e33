"""A signal of alerts: what turned red since the phase began fails it, what was red before does not count."""

from __future__ import annotations

from amplify_tui.playbook.model import Condition, Limit, Signal
from amplify_tui.verdict.model import Evidence, Expected, Reading, Term, TermVerdict
from amplify_tui.verdict.terms import judge_condition

SIGNAL = Signal(golden="errors", source="prom", state={"alert": "Hot"})


def reading(at: float, *red: float, status: str = "ok") -> Reading:
    return Reading(
        signal="alerts", source="prom", status=status, data_at=at, received_at=at, window_from=at, window_to=at,  # type: ignore[arg-type]
        value=float(len(red)) if status == "ok" else None, red=red, note="" if status == "ok" else "no such rule",
    )  # fmt: skip


def judged(
    *readings: Reading, since: float = 1000.0, now: float = 1010.0, limit: Limit | None = None, **condition: float
) -> TermVerdict:
    signal = SIGNAL if limit is None else Signal(golden="errors", source="prom", state={"alert": "Hot"}, limit=limit)
    term = Term(id="alerts", condition=Condition(signal="alerts", **condition), signal=signal)  # type: ignore[arg-type]
    return judge_condition(term, Evidence(signals=readings), Expected(since=since), now)


def test_nothing_red_passes_and_says_so() -> None:
    verdict = judged(reading(1005), reading(1010))
    assert verdict.answer == "pass"
    assert verdict.reason.startswith("alerts no alert turned red")


def test_one_reading_of_an_alert_that_turned_red_in_the_phase_fails() -> None:
    verdict = judged(reading(1005), reading(1010, 1007.0))
    assert verdict.answer == "fail"
    assert verdict.reason.startswith("alerts 1 alert turned red")


def test_what_was_red_before_the_phase_does_not_count_and_is_told() -> None:
    verdict = judged(reading(1005, 900.0, 950.0), reading(1010, 900.0))
    assert verdict.answer == "pass"
    assert "no alert turned red; 1 that was red before does not count" in verdict.reason
    again = judged(reading(1005, 900.0), reading(1010, 900.0, 1008.0))
    assert again.answer == "fail"
    assert "1 alert turned red; 1 that was red before does not count" in again.reason


def test_an_alert_that_was_red_in_the_phase_before_counts_for_a_trigger_that_watches_since_the_first_exposure() -> None:
    readings = [reading(1005, 980.0), reading(1010, 980.0)]
    assert judged(*readings, since=1000.0).answer == "pass"
    assert judged(*readings, since=970.0).answer == "fail"


def test_an_evaluation_from_before_the_phase_proves_nothing_for_it() -> None:
    assert judged(reading(995), now=1002.0).answer == "undecided"


def test_no_rule_is_no_data_and_never_a_pass() -> None:
    gone = [reading(1000.0 + 5 * n, status="nodata") for n in range(20)]
    assert judged(*gone, now=1100.0).answer == "blind"
    assert judged(*gone, now=1010.0).answer == "undecided"


def test_a_limit_of_its_own_allows_some() -> None:
    some = Limit(above=2.0, for_=0.0)
    assert judged(reading(1005, 1001.0), reading(1010, 1001.0, 1002.0), limit=some).answer == "pass"
    assert judged(reading(1005), reading(1010, 1001.0, 1002.0, 1003.0), limit=some).answer == "fail"
