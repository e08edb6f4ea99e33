"""The share seen beside the share asked for: when they agree, and what is said where they do not."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.verdict.exposure import findings, fits, in_words, of_signal, of_usage, tolerance
from amplify_tui.verdict.model import Asked, ExposureReading, Finding, FlagUse, Reading
from amplify_tui.verdict.usage import AppTally, Tally

NONE = Asked(0.0, 0.0)
FIVE = Asked(0.05, 0.05)
QUARTER = Asked(0.25, 0.25)
NOW = 1000.0


@pytest.mark.parametrize(
    ("percent", "n", "points"),
    [
        (25, 100_000, 2.0),  # two points, where chance is less
        (25, 1_000, 4.11),  # three sigma
        (1, 100_000, 0.5),  # half the share, where that is less than two points
        (100, 50, 2.0),
    ],
)
def test_the_tolerance_is_three_sigma_or_two_points_or_half_the_share(percent: int, n: int, points: float) -> None:
    assert tolerance(percent / 100, n) * 100 == pytest.approx(points, abs=0.01)


@pytest.mark.parametrize(
    ("asked", "yes", "n", "answer"),
    [
        (QUARTER, 1_300, 5_210, True),
        (QUARTER, 1_000, 5_210, False),
        (QUARTER, 1_600, 5_210, False),
        (QUARTER, 0, 12, False),  # 3 / 25 %: not one among so many is no chance, though three sigma reach that far
        (QUARTER, 0, 11, None),
        (QUARTER, 5, 11, None),
        (QUARTER, 0, 0, None),
        (Asked(0.01, 0.01), 0, 299, None),
        (Asked(0.01, 0.01), 0, 300, False),
        (Asked(1.0, 1.0), 970, 1_000, False),
        (Asked(1.0, 1.0), 990, 1_000, True),
        (Asked(0.25, 0.44), 350, 1_000, True),
        (Asked(0.25, 0.44), 550, 1_000, False),
        (Asked(0.25, 1.0), 900, 1_000, True),
        (Asked(0.25, 1.0), 100, 1_000, False),
        (Asked(0.0, 1.0), 0, 1_000, True),  # some users: nobody knows how many there are
        (NONE, 10, 1_000, False),
    ],
)
def test_a_share_fits_or_it_does_not_or_there_is_too_little_to_tell(
    asked: Asked, yes: float, n: float, answer: bool | None
) -> None:
    assert fits(asked, yes, n) is answer


@given(percent=st.integers(1, 100), n=st.integers(1, 10**6), share=st.floats(0, 1))
def test_nobody_of_enough_never_fits_and_the_share_asked_for_always_does(percent: int, n: int, share: float) -> None:
    asked = Asked(percent / 100, percent / 100)
    enough = n >= 3 / asked.low
    assert fits(asked, 0, n) is (False if enough else None)
    assert fits(asked, asked.low * n, n) is (True if enough else None)
    # The more is evaluated the less is chance: what does not fit now does not fit with ten times as much.
    if fits(asked, share * n, n) is False:
        assert fits(asked, share * n * 10, n * 10) is False


def tally(asked: Asked = QUARTER, before: Asked | None = None, **apps: AppTally) -> Tally:
    return Tally(asked=asked, before=before, mark="m", since=100.0, read_at=NOW, counted_at=NOW, apps=apps)


def app(yes: int, no: int, last_at: float = NOW, reports: int = 5) -> AppTally:
    return AppTally(yes, no, reports, last_at)


def read(one: Tally, **more: float) -> ExposureReading:
    wanted = {"now": NOW, "lag": 20.0, "report": 10.0} | more
    return of_usage(one, source="flags", flag="new", **wanted)


def test_the_panel_says_the_share_seen_beside_the_share_asked_for() -> None:
    reading = read(tally(shop=app(1_292, 3_918)))
    assert (reading.status, reading.fits) == ("ok", True)
    assert in_words(reading) == "seen 24.8 % of 5 210, asked 25 ± 2"
    assert in_words(read(tally(Asked(0.1, 0.28), shop=app(500, 1_500)))) == "seen 25 % of 2 000, asked 10 to 28 ± 2"
    assert in_words(read(tally(Asked(0.1, 1.0), shop=app(500, 1_500)))) == "seen 25 % of 2 000, asked 10 or more"
    assert in_words(read(tally(Asked(0.0, 1.0), shop=app(1, 9)))) == "seen 10 % of 10, asked of some users only"
    assert in_words(read(tally(shop=app(1, 3)))) == "seen 25 % of 4, asked 25 ± 65, too few to tell"


def test_before_anything_counts_it_says_when_it_will() -> None:
    early = read(msgspec.structs.replace(tally(), since=NOW - 5))
    assert (early.status, early.share) == ("nodata", None)
    assert in_words(early) == "counting begins in 15s"
    late = read(tally())
    assert (late.status, late.note) == (
        "nodata",
        "no application told the flag server of an evaluation for 14m40s",
    )


def test_what_nobody_told_more_of_for_long_is_old() -> None:
    one = msgspec.structs.replace(tally(shop=app(25, 75)), counted_at=NOW - 36)
    assert (read(one).status, read(one).note) == ("stale", "no application told of an evaluation for 36s")


# --- findings -------------------------------------------------------------------------------------------------------


def found(one: Tally, *uses: FlagUse, seen: float | None = None, regrouped: str = "") -> list[Finding]:
    here = FlagUse(app="shop", hour=0.0, yes=1, no=1, env="prod")
    return list(
        findings(
            one,
            uses or (here,),
            "prod",
            now=NOW,
            report=10.0,
            last_seen=dict.fromkeys(one.apps, seen),
            regrouped=regrouped,
        )
    )


def test_a_field_that_an_application_does_not_send_is_named() -> None:
    asked = Asked(0.25, 0.25, ("tenantId",))
    (one,) = found(tally(asked, NONE, shop=app(0, 400)))
    assert (one.kind, one.app) == ("field", "shop")
    assert one.text == (
        "shop has seen 0 % of 400, asked 25 ± 6.5: the rollout sticks to tenantId, which shop likely does not send; "
        "pass it in the context, or stick to default"
    )


def test_an_application_that_still_has_the_share_of_before_does_not_poll() -> None:
    (one,) = found(tally(QUARTER, FIVE, shop=app(250, 750), batch=app(20, 380)))
    assert (one.kind, one.app) == ("behind", "batch")
    assert "as before the change: its SDK no longer polls" in one.text
    (one,) = found(tally(QUARTER, NONE, shop=app(250, 750), batch=app(0, 400)))
    assert (one.kind, one.app) == ("behind", "batch")


def test_without_a_before_nobody_is_accused_of_not_polling() -> None:
    (one,) = found(tally(QUARTER, None, batch=app(0, 400)))
    assert one.kind == "nobody"
    (one,) = found(tally(QUARTER, Asked(0.0, 1.0), batch=app(200, 200)))
    assert one.kind == "off"


def test_a_share_that_is_off_in_sum_is_told_where_no_application_shows_it() -> None:
    apps = {f"web-{n}": app(5, 6) for n in range(20)}
    (one,) = found(tally(**apps))
    assert (one.kind, one.app) == ("off", "")


def test_an_application_that_reported_and_no_longer_does_is_missed() -> None:
    (one,) = found(tally(shop=app(250, 750), batch=app(25, 75, NOW - 36)))
    assert (one.kind, one.app) == ("silent", "batch")
    assert "told nothing of it for 36s, and did before: it is stopped" in one.text
    (one,) = found(tally(shop=app(250, 750, NOW - 120)), seen=NOW - 10)
    assert "though the flag server heard of it 10s ago: does it still ask for the flag?" in one.text
    assert found(tally(shop=app(250, 750), once=app(25, 75, NOW - 36, reports=1))) == []


def test_a_changed_group_is_told_with_who_joins_and_leaves() -> None:
    (one,) = found(tally(shop=app(250, 750)), regrouped="group a became b; 1,900 join, 1,900 leave")
    assert one.kind == "group"
    assert "other users get it than we left it to: group a became b; 1,900 join, 1,900 leave" in one.text


def test_an_application_of_another_environment_warns_where_nobody_asks_in_ours() -> None:
    elsewhere = FlagUse(app="web", hour=0.0, yes=3, no=317, env="dev")
    (one,) = found(tally(), elsewhere)
    assert (one.kind, one.warns) == ("environment", True)
    assert one.text == (
        "web asks for it in dev (320) only: if it serves prod, its token is of dev; give it one of prod"
    )
    here = FlagUse(app="shop", hour=0.0, yes=3, no=9, env="prod")
    assert [one.warns for one in found(tally(shop=app(250, 750)), here, elsewhere)] == [False]


@given(
    yes=st.integers(0, 500),
    no=st.integers(0, 500),
    low=st.integers(0, 100),
    before=st.none() | st.integers(0, 100),
    field=st.booleans(),
)
def test_an_application_is_told_of_exactly_where_its_share_does_not_fit(
    yes: int, no: int, low: int, before: int | None, field: bool
) -> None:
    asked = Asked(low / 100, low / 100, ("tenantId",) if field else ())
    one = tally(asked, None if before is None else Asked(before / 100, before / 100), shop=app(yes, no))
    told = [finding for finding in found(one) if finding.kind != "silent"]
    assert bool(told) is (fits(asked, yes, yes + no) is False)
    assert all(finding.text for finding in told)


# --- signals --------------------------------------------------------------------------------------------------------


def cohort(name: str, n: float | None, *, status: str = "ok", begun: float = 900.0, value: float = 0.01) -> Reading:
    return Reading(
        signal="errors",
        source="shop",
        cohort=name,  # type: ignore[arg-type]
        status=status,  # type: ignore[arg-type]
        data_at=NOW,
        received_at=NOW,
        window_from=begun,
        window_to=NOW,
        value=value,
        n=n,
    )


def signal(treatment: Reading, control: Reading) -> ExposureReading | None:
    return of_signal(treatment, control, QUARTER, source="flags", flag="new", since=850.0, poll=15.0, now=NOW)


def test_a_services_own_counter_by_variant_tells_the_share_of_requests() -> None:
    reading = signal(cohort("treatment", 248.0), cohort("control", 752.0))
    assert reading is not None
    assert (reading.status, reading.origin, reading.share, reading.fits) == ("ok", "errors", 0.248, True)


def test_a_rate_without_a_count_is_counted_over_its_window() -> None:
    reading = signal(cohort("treatment", None, value=5.0), cohort("control", None, value=15.0))
    assert reading is not None
    assert (reading.yes, reading.n) == (500.0, 2_000.0)


def test_a_cohort_without_data_beside_one_that_has_some_is_nobody() -> None:
    reading = signal(cohort("treatment", None, status="nodata"), cohort("control", 752.0))
    assert reading is not None
    assert (reading.status, reading.share, reading.fits) == ("ok", 0.0, False)


@pytest.mark.parametrize(
    ("treatment", "control", "status"),
    [
        (cohort("treatment", None, status="error"), cohort("control", 752.0), "error"),
        (cohort("treatment", 248.0), cohort("control", None, status="stale"), "stale"),
        (cohort("treatment", None, status="nodata"), cohort("control", None, status="nodata"), "nodata"),
        (cohort("treatment", 248.0, begun=864.0), cohort("control", 752.0), "nodata"),  # of before the change
    ],
)
def test_what_is_no_evidence_is_no_share(treatment: Reading, control: Reading, status: str) -> None:
    reading = signal(treatment, control)
    assert reading is not None
    assert (reading.status, reading.share, reading.fits) == (status, None, None)
