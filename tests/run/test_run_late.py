"""A write to a flag that got no answer is looked at for as long as it may land, and no longer: then it goes on."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amplify_tui.run import commands as c
from amplify_tui.run.agenda import LATE_LOOKS, agenda
from tests.run.world import Run


def unanswered() -> Run:
    """The first phase of the ramp, whose write went without an answer."""
    run = Run().deployed()
    run.begin("ramp")
    run.intend("ramp")
    run.outcome("unknown", reason="no answer within 8 s")
    return run


def probes(run: Run) -> list[str]:
    return [todo.effect.id for todo in agenda(run.state, run.now) if todo.kind == "probe" and todo.effect]


def look(run: Run, result: str, **more: object) -> Run:
    return run.ok(c.Probed, effect=run.effect().id, result=result, **more)


def test_it_is_looked_at_at_once_and_after_1_5_15_and_30_seconds() -> None:
    run = unanswered()
    since = run.now
    assert LATE_LOOKS == (0.0, 1.0, 5.0, 15.0, 30.0)
    for after in LATE_LOOKS:
        run.now = max(since, since + after - 0.1)
        assert bool(probes(run)) == (after == 0.0)
        run.now = since + after
        assert probes(run) == [run.effect().id]
        look(run, "absent", detail="it is as it was before")
    assert run.effect().status == "absent"
    assert run.state.steps["ramp"].status == "running"


def test_until_then_nothing_is_written_again_and_the_screen_can_say_why() -> None:
    run = unanswered()
    look(run, "absent", detail="checkout is as it was before", observed={"percent": 0.0})
    assert (run.effect().status, run.state.steps["ramp"].status) == ("unknown", "stuck")
    assert run.effect().reason == ("checkout is as it was before; a write without an answer may land late: 30 s to go")
    assert not [todo for todo in agenda(run.state, run.now) if todo.kind == "drive"]
    assert "stuck" in run.refused(c.Intend, **_again(run)).why


def _again(run: Run) -> dict[str, object]:
    effect = run.effect()
    return {
        "step": "ramp",
        "verb": "rollout",
        "target": effect.target,
        "before": effect.before,
        "after": effect.after,
        "undo": effect.undo,
        "ordinal": "again",
        "deadline": run.now + 13.0,
        "exposure": effect.exposure,
    }


def test_one_that_lands_late_is_done_and_never_made_twice() -> None:
    run = unanswered()
    look(run, "absent")
    look(run.wait(5.0), "done", observed={"percent": 5.0})
    assert run.effect().status == "done"
    assert run.state.exposed_now == 5.0
    assert run.state.steps["ramp"].status == "running"


def test_a_person_who_knows_better_need_not_wait() -> None:
    run = unanswered()
    look(run, "absent")
    run.ok(c.Settle, effect=run.effect().id, as_="absent", expect="unknown", reason="the server's log shows nothing")
    assert run.effect().status == "absent"


@pytest.mark.parametrize("by", [c.Mitigate, c.Rollback])
def test_taking_exposure_away_waits_for_none_of_it(by: type) -> None:
    run = unanswered()
    look(run, "absent")
    run.ok(by, reason="errors")
    assert [todo.item.id for todo in agenda(run.state, run.now) if todo.kind == "undo" and todo.item] == [
        "u1:flag:unleash/checkout"
    ]


@settings(deadline=None)
@given(gaps=st.lists(st.floats(0.0, 12.0), max_size=12), lands=st.floats(0.0, 30.0))
def test_whenever_it_lands_within_its_time_the_run_knows(gaps: list[float], lands: float) -> None:
    """Looks come when they come; what was carried out before the last of them is done, and not forgotten."""
    run = unanswered()
    since = run.now
    for gap in [*gaps, 31.0]:
        run.wait(gap)
        if run.effect().status != "unknown":
            break
        look(run, "done" if run.now - since >= lands else "absent")
    assert run.effect().status == "done"
