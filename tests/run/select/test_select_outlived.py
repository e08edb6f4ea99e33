"""What the screens say of a command that has outlived its conductor: that it runs, until when, and what waits for it."""

from __future__ import annotations

import pytest

from amplify_tui.run import commands as c
from amplify_tui.run.select.headline import headline
from tests.run.world import Run

RUNNING = "it still runs, as process 7"


@pytest.fixture
def run() -> Run:
    """The conductor died while the deploy ran, and the next one has found it at work."""
    run = Run(integrity=()).agreed()
    run.begin("deploy")
    run.intend("deploy", on_rollback="wait", deadline=run.now + 600.0)
    run.lease()
    run.ok(c.Probed, effect="e1", result="running", detail=RUNNING)
    return run


def test_a_step_whose_command_still_runs_is_not_said_to_have_ended(run: Run) -> None:
    words = headline(run.state, run.now)
    assert RUNNING in words.because
    assert "ended in 10m" in words.next
    words = headline(run.state, run.now + 601.0)
    assert "being ended" in words.next


def test_a_rollback_that_waits_for_it_says_so_and_claims_no_silence(run: Run) -> None:
    run.ok(c.Rollback)
    words = headline(run.state, run.now + 60.0)
    assert f"deploy waits for e1: {RUNNING}" in words.because
    assert "no answer" not in words.because
    assert "unread" not in words.next
