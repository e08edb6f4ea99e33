"""HandOver: when a conductor that lacks a secret makes way for one that has it."""

from __future__ import annotations

from typing import Any

import pytest

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.autopilot import waits_for_person
from amplify_tui.run.lacking import NO_SECRET, is_leaving, waiting_for_secrets
from amplify_tui.run.secret_words import not_set
from tests.run.world import Run

FLAG_OFF = "u1:flag:unleash/checkout"
ASKED: dict[str, Any] = {"host": "box", "has": ("TOKEN",), "uses": ("TOKEN",), "lacks": ("TOKEN",)}


def waiting(run: Run, name: str = "TOKEN") -> Run:
    """Exposure is being taken away, and its first try had no value for the secret."""
    run.ok(c.Mitigate)
    run.undo(FLAG_OFF, "absent", retryable=True, error=NO_SECRET, reason=f"{not_set(name)} where the conductor runs")
    return run


@pytest.mark.parametrize("where", ["at rest", "taking exposure away"])
def test_a_conductor_that_lacks_a_secret_leaves_for_one_that_has_it(where: str) -> None:
    run = Run().ramping() if where == "at rest" else waiting(Run().ramping())
    assert not is_leaving(run.state)
    (left,) = run.ok(c.HandOver, **ASKED)
    assert isinstance(left, ev.ConductorDetached)
    assert is_leaving(run.state)
    assert "leaving" in run.refused(c.HandOver, **ASKED).why
    run.lease()
    assert not is_leaving(run.state)


@pytest.mark.parametrize(
    ("asked", "why", "next_"),
    [
        ({"lacks": ()}, "lacks no secret", ""),
        ({"has": ()}, "$TOKEN is not set where it runs, nor here", "`amplify resume r1`"),
        ({"has": (), "lacks": ("A", "B")}, "$A and $B are not set", "where they are"),
        ({"host": "other"}, "only box", "`amplify resume r1` there"),
        ({"uses": ("TOKEN", "URL")}, "it has $URL, which this shell has not", "set that too"),
    ],
)
def test_it_stays_where_the_other_has_no_more_runs_elsewhere_or_would_lose_a_secret(
    asked: dict[str, Any], why: str, next_: str
) -> None:
    said = Run().refused(c.HandOver, **(ASKED | asked))
    assert why in said.why
    assert next_ in said.next


def test_what_is_on_its_way_is_waited_for() -> None:
    run = Run().agreed()
    run.begin("deploy")
    run.intend("deploy")
    assert "e1 is on its way" in run.refused(c.HandOver, **ASKED).why
    run.outcome()
    run.ok(c.HandOver, **ASKED)


def test_exposure_that_waits_for_the_secret_waits_for_nothing_on_its_way() -> None:
    def under_way() -> Run:
        run = Run().ramping().wait(60.0)
        run.observe()
        run.intend("ramp")
        return run

    assert "is on its way" in waiting(under_way(), "OTHER").refused(c.HandOver, **ASKED).why
    waiting(under_way()).ok(c.HandOver, **ASKED)


def test_exposure_that_waits_for_a_secret_goes_before_another_secret_that_is_lost() -> None:
    lost = ASKED | {"uses": ("TOKEN", "URL")}
    run = waiting(Run().ramping(), "OTHER")
    assert "it has $URL" in run.refused(c.HandOver, **lost).why
    waiting(Run().ramping()).ok(c.HandOver, **lost)


def test_an_undo_without_a_secret_waits_and_is_blocked_by_nothing() -> None:
    run = waiting(Run().ramping())
    (entry,) = waiting_for_secrets(run.state)
    assert entry.item.id == FLAG_OFF
    assert run.now < entry.not_before < run.now + 60.0
    assert "$TOKEN" in waits_for_person(run.state, run.now)
    run.wait(60.0).undo(FLAG_OFF)
    assert waiting_for_secrets(run.state) == []
    assert "$TOKEN" not in waits_for_person(run.state, run.now)
