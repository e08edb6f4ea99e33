"""What the judge promises about a whole release, looked at each 5 s: dilution, outages, a service without an error.

Simulated counters become readings, and those go through what a run asks at each tick: trials.advance, bake.accrue and
gate.judge. `python -m tests.proof` has the tables with many more runs; docs/verdicts.md shows them.
"""

from __future__ import annotations

import pytest

from amplify_tui.verdict.model import Status
from tests.proof.polls import EVERY, T0
from tests.proof.sure import (
    BAKE,
    BEFORE,
    GATE,
    LASTING,
    OUTAGES,
    PROVEN,
    answers,
    diluted,
    in_the_outage,
    through_an_outage,
    ticks,
    without_errors,
)
from tests.proof.through import looks


@pytest.mark.parametrize("seed", range(6))
def test_a_path_that_fails_most_of_its_requests_is_seen_at_5_percent_exposure_within_for_and_two_polls(
    seed: int,
) -> None:
    after = diluted(seed)
    assert after is not None
    assert 0.0 < after <= LASTING + 2.0 * EVERY


@pytest.mark.parametrize("kind", [None, "error", "nodata", "stale"])
@pytest.mark.parametrize("lasts", OUTAGES)
def test_an_outage_of_the_metrics_neither_fails_nor_advances(lasts: float, kind: Status | None) -> None:
    seen = through_an_outage(lasts, kind)
    assert "fail" not in answers(seen)
    out = in_the_outage(seen, lasts)
    assert not any(look.would_advance(BAKE) for look in out)
    assert out[-1].baked <= out[0].baked + 1.5 * EVERY
    if lasts > 60.0:
        assert out[-1].verdict.answer == ("error" if kind == "error" else "blind")
    advanced = next(look for look in seen if look.would_advance(BAKE))
    assert advanced.at - T0 >= BAKE + lasts - 1.5 * EVERY  # the bake took up where it was


@pytest.mark.parametrize("lasts", OUTAGES)
def test_an_outage_does_not_finish_a_bad_span_that_was_too_short(lasts: float) -> None:
    seen = through_an_outage(lasts, None, bad_from=BEFORE - 40.0)
    assert max(look.verdict.terms[0].bad_for for look in seen) >= 35.0
    assert "fail" not in {look.verdict.terms[0].answer for look in seen}


def test_a_fresh_service_without_a_single_error_passes() -> None:
    seen = list(looks([*GATE, PROVEN], without_errors(1800.0), ticks(1800.0)))
    assert answers(seen) <= {"undecided", "pass"}
    passed = next(look for look in seen if look.verdict.answer == "pass")
    assert passed.at - T0 <= 900.0
    assert {look.verdict.answer for look in seen if look.at >= passed.at} == {"pass"}


def test_a_service_of_which_nothing_is_known_never_passes() -> None:
    seen = list(looks(GATE, without_errors(600.0, total=None), ticks(600.0)))
    assert answers(seen) <= {"undecided", "blind"}
    assert seen[-1].verdict.answer == "blind"
