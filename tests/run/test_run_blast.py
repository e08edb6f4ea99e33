"""What taking back touches, how many meet the new path, and how long it takes: from the run's own timings."""

from __future__ import annotations

import msgspec

from amplify_tui.run import commands as c
from amplify_tui.run.select.blast import pace, per_minute
from amplify_tui.run.undo import rollback_items
from amplify_tui.verdict.model import Reading
from tests.run.world import T0, Run


def timed(deploy: float, ramp: float) -> Run:
    run = Run().agreed()
    run.begin("deploy")
    run.intend("deploy")
    run.wait(deploy).outcome()
    run.ok(c.Finish, step="deploy", outcome="succeeded")
    run.begin("ramp")
    run.intend("ramp")
    run.wait(ramp).outcome()
    return run


def test_taking_back_is_expected_to_take_as_long_as_the_way_forward_took() -> None:
    run = timed(deploy=20.0, ramp=3.0)
    takes = pace(run.state, rollback_items(run.state))
    assert takes.mitigate == 4.0, "the write, and a second until it is read back"
    assert takes.whole == 24.0


def test_what_is_back_already_takes_no_time() -> None:
    run = timed(deploy=20.0, ramp=3.0)
    run.ok(c.Rollback)
    run.undo("u1:flag:unleash/checkout")
    run.undo("u2:flag:unleash/checkout")
    takes = pace(run.state, rollback_items(run.state))
    assert (takes.mitigate, takes.whole) == (0.0, 20.0)


def reading(cohort: str, total: float | None, at: float = T0) -> dict[str, object]:
    made = Reading(
        signal="errors",
        source="prom",
        status="ok",
        data_at=at,
        received_at=at,
        window_from=at,
        window_to=at,
        total=total,
        cohort=cohort,
    )  # type: ignore[arg-type]
    return {f"signal:errors {cohort}": msgspec.to_builtins(made)}


def test_who_meets_the_new_path_is_counted_by_the_treatment_alone_and_by_what_is_fresh() -> None:
    assert per_minute(reading("treatment", 50.0) | reading("control", 900.0), T0) == 3000.0
    assert per_minute(reading("control", 900.0), T0) is None
    assert per_minute(reading("treatment", None), T0) is None
    assert per_minute(reading("treatment", 50.0), T0 + 61) is None
