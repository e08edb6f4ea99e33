"""A monitor after the release: what it keeps of what it saw, through a crash too, and what it gives to later steps."""

from __future__ import annotations

from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.envelope import decode
from amplify_tui.run.evolve import fold
from amplify_tui.run.watching import outputs_of
from tests.run.watch_world import SOAK, SOAKED, Watched
from tests.run.world import readings


def judged(events: tuple[ev.EventData, ...]) -> list[ev.GateJudged]:
    return [event for event in events if isinstance(event, ev.GateJudged)]


def test_a_peak_between_two_events_outlives_the_conductor() -> None:
    run = Watched()
    run.watch("good")
    assert judged(run.watch("slightly")), "a value past its limit is journaled at once"
    run.watch("good")
    again = fold(decode(body) for body in run.journal)
    run.kept.clear()
    run.lease()
    (seen,) = run.step("soak").seen
    assert (seen.worst, seen.limit) == (0.02, 0.01)
    assert again.steps[run.step("soak").ref].seen == (seen,)
    run.watch("good")
    assert run.step("soak").seen[0].worst == 0.02


def test_looks_that_show_nothing_worse_are_not_journaled() -> None:
    run = Watched()
    while not run.step("soak").verdict or run.step("soak").verdict.answer != "pass":
        run.watch("good")
    assert [run.watch("good", seconds=1.0) for _ in range(10)] == [()] * 10


def test_a_monitor_that_ends_keeps_what_it_saw_to_the_end_and_gives_it_out() -> None:
    run = Watched()
    last: tuple[ev.EventData, ...] = ()
    while run.step("soak").status == "observing":
        last = run.watch("good")
    assert [type(event).__name__ for event in last][-2:] == ["BakeAccrued", "StepSucceeded"]
    assert judged(last), "the last of what it saw goes with its end"
    step = run.step("soak")
    assert step.seen[0].watched >= SOAKED
    said = outputs_of(step, step.verdict)
    assert said["verdict"] == "pass"
    assert said["worst"].startswith("errors 0.1 %, limit 1 %, at 2023-11-1")
    assert said["summary"].startswith("1m: 1 of 1 conditions pass; worst: errors 0.1 %")


def test_a_monitor_that_a_person_ends_early_gives_out_the_same() -> None:
    run = Watched()
    for _ in range(4):
        run.watch("good")
    run.ok(c.Advance, step="soak", evidence=readings("good", run.now))
    outputs = run.step("soak").outputs
    assert (run.step("soak").status, outputs["verdict"]) == ("succeeded", "pass")
    assert outputs["worst"].startswith("errors 0.1 %")
    assert run.step("soak").seen, "and the report still has what it saw"


def test_a_rollback_by_the_gate_keeps_the_last_that_was_seen() -> None:
    run = Watched(watch=replace(SOAK, on_fail="rollback"))
    while run.state.phase == "forward":
        run.watch("bad")
    assert (run.step("soak").status, run.step("soak").seen[0].answer) == ("canceled", "fail")


def test_the_phases_of_a_rollout_carry_no_summary() -> None:
    run = Watched()
    assert run.step("ramp").seen == ()
