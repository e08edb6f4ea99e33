"""What the judge promises about a whole release, looked at each 5 s: dilution, outages, a service without an error.

Simulated counters become readings, and those go through what a run asks at each tick: trials.advance, bake.accrue and
gate.judge. `python -m tests.proof` has the tables with many more runs; docs/verdicts.md shows them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import pytest
from msgspec.structs import replace

from amplify_tui.verdict.model import Reading, Status
from tests.proof import polls
from tests.proof.polls import EVERY, T0
from tests.proof.through import COMPARED, Look, limited, looks
from tests.proof.worlds import World

LASTING: Final = 60.0
LIMITED: Final = limited(0.02, LASTING)
GATE: Final = (LIMITED, COMPARED)


def busy(rate: float, *, share: float = 0.001, exposure: float = 0.25, **more: float) -> World:
    return World(name="", rate=lambda at: rate, share=lambda at: share, exposure=lambda at: exposure, **more)  # type: ignore[arg-type]


def ticks(seconds: float) -> list[float]:
    return [T0 + i * EVERY for i in range(1, round(seconds / EVERY) + 1)]


def answers(seen: Sequence[Look]) -> set[str]:
    return {look.verdict.answer for look in seen}


# --- dilution ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_path_that_fails_most_of_its_requests_is_seen_at_5_percent_exposure_within_for_and_two_polls(
    seed: int,
) -> None:
    onset = 300.0
    world = busy(100.0, exposure=0.05, worse=600.0, onset=onset)
    assert world.bad_share(onset, treated=True) == pytest.approx(0.6)
    seen = list(looks([LIMITED], polls.both(seed, world, 400.0), ticks(400.0)))
    first = next(look.at for look in seen if look.verdict.answer == "fail")
    assert T0 + onset < first <= T0 + onset + LASTING + 2.0 * EVERY


# --- outages of the metrics -------------------------------------------------------------------------------------------

BEFORE, BAKE, AFTER = 240.0, 300.0, 240.0
OUTAGES: Final = (40.0, 300.0, 3600.0)


def through_an_outage(lasts: float, kind: Status | None, *, worse: float = 1.0, since: float = math.inf) -> list[Look]:
    """Four good minutes, an outage in which readings have a status or do not come, four good ones.

    Where *since* is given it is bad from then on, and for 10 s after the outage.
    """
    world = busy(40.0)
    whole = BEFORE + lasts + AFTER
    found = polls.both(1, world, whole)
    bad = {
        one.received_at: one for one in polls.both(2, replace(world, worse=worse), whole) if one.cohort == "treatment"
    }
    heard: list[Reading] = []
    for one in found:
        at = one.received_at - T0
        if BEFORE < at <= BEFORE + lasts:
            if kind is not None:
                heard.append(replace(one, status=kind, value=None, bad=None, total=None, n=None, note="out"))
        elif since < at <= BEFORE + lasts + 10.0 and one.cohort == "treatment":
            heard.append(bad[one.received_at])
        else:
            heard.append(one)
    # Of an hour without data each sixth look from the sixth minute on says what all of them do.
    asked = [at for at in ticks(whole) if not BEFORE + 300.0 < at - T0 < BEFORE + lasts - 60.0 or at % 30.0 == 0.0]
    return list(looks(GATE, heard, asked, bakes=True))


@pytest.mark.parametrize("kind", [None, "error", "nodata", "stale"])
@pytest.mark.parametrize("lasts", OUTAGES)
def test_an_outage_of_the_metrics_neither_fails_nor_advances(lasts: float, kind: Status | None) -> None:
    seen = through_an_outage(lasts, kind)
    assert "fail" not in answers(seen)
    out = [look for look in seen if BEFORE < look.at - T0 <= BEFORE + lasts]
    assert not any(look.would_advance(BAKE) for look in out)
    assert out[-1].baked <= out[0].baked + 1.5 * EVERY
    if lasts > 60.0:
        assert out[-1].verdict.answer == ("error" if kind == "error" else "blind")
    advanced = next(look for look in seen if look.would_advance(BAKE))
    assert advanced.at - T0 >= BAKE + lasts - 1.5 * EVERY  # the bake took up where it was


@pytest.mark.parametrize("lasts", OUTAGES)
def test_an_outage_does_not_finish_a_bad_span_that_was_too_short(lasts: float) -> None:
    seen = through_an_outage(lasts, None, worse=100.0, since=BEFORE - 40.0)
    bad = [look for look in seen if look.verdict.terms[0].bad_for > 0.0]
    assert bad
    assert "fail" not in {look.verdict.terms[0].answer for look in seen}


# --- a service without an error ---------------------------------------------------------------------------------------


def without_errors(seconds: float, total: float | None = 10.0) -> list[Reading]:
    """What a source says of a service that never answered a 5xx: there is no such series."""
    made = polls.both(1, busy(10.0, share=0.0, exposure=0.5), seconds)
    return [
        replace(
            one,
            bad=None,
            value=0.0 if total else None,
            total=one.total if total else None,
            status="ok" if total else "nodata",
        )
        for one in made
    ]


def test_a_fresh_service_without_a_single_error_passes() -> None:
    proven = replace(COMPARED, id="proven", signal=replace(COMPARED.signal, pass_="proven"))  # type: ignore[type-var]
    seen = list(looks([*GATE, proven], without_errors(1800.0), ticks(1800.0)))
    assert answers(seen) <= {"undecided", "pass"}
    passed = next(look for look in seen if look.verdict.answer == "pass")
    assert passed.at - T0 <= 900.0
    assert {look.verdict.answer for look in seen if look.at >= passed.at} == {"pass"}


def test_a_service_of_which_nothing_is_known_never_passes() -> None:
    seen = list(looks(GATE, without_errors(600.0, total=None), ticks(600.0)))
    assert answers(seen) <= {"undecided", "blind"}
    assert seen[-1].verdict.answer == "blind"
