"""Alerts at a gate: they hold a release that lit them, and never stand in the way of taking it back."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from amplify_tui.playbook.model import Condition, Signal
from amplify_tui.run import commands as c
from amplify_tui.verdict.model import Evidence, Reading, Term
from tests.run.world import TRIGGER, WATCH, Run

SIGNAL = Signal(golden="errors", source="prom", state={"alert": "Hot"})
HOT = Term(id="hot", condition=Condition(signal="hot"), signal=SIGNAL)


def red(run: Run, *since: float) -> Evidence:
    return Evidence(signals=tuple(
        Reading(
            signal="hot", source="prom", status="ok", data_at=at, received_at=at, window_from=at, window_to=at,
            value=float(len(since)), red=since,
        )
        for at in (run.now - 5.0, run.now)
    ))  # fmt: skip


def watching() -> Run:
    """At 5 %, a gate of alerts open for a minute, a trigger of the same armed."""
    run = Run(triggers=(replace(TRIGGER, term=HOT),)).deployed()
    run.begin("ramp", watch=replace(WATCH, gate=(HOT,)))
    run.intend("ramp")
    run.outcome()
    run.ok(c.Enter, step="ramp")
    return run.wait(60.0)


def test_an_alert_from_before_the_release_neither_holds_it_nor_fires() -> None:
    run = watching()
    before = run.now - 3600.0
    assert run.ok(c.Sense, evidence=red(run, before)) == ()
    run.ok(c.Observe, step="ramp", evidence=red(run, before), accrued=1e6)
    assert (run.step("ramp").cause, run.step("ramp").phase) == (None, 1)


def test_an_alert_of_this_phase_fails_the_gate_and_fires_the_trigger() -> None:
    run = watching()
    run.ok(c.Observe, step="ramp", evidence=red(run, run.now - 10.0), accrued=1e6)
    assert run.step("ramp").cause == "gate"
    assert [type(event).__name__ for event in run.ok(c.Sense, evidence=red(run, run.now - 10.0))] == ["TriggerFired"]


@pytest.mark.parametrize("undo", [c.Mitigate, c.Rollback])
def test_no_alert_stands_in_the_way_of_an_undo(undo: type[c.Command]) -> None:
    run = watching()
    run.ok(c.Observe, step="ramp", evidence=red(run, run.now - 3600.0, run.now - 10.0), accrued=1e6)
    assert run.step("ramp").cause == "gate"
    run.ok(undo)
    run.undo("u1:flag:unleash/checkout")
    assert run.state.mitigation != "" or run.state.phase != "forward"
