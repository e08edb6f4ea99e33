"""Exposure is gone once the treatment's requests are: judged by a window that lies after the applications' next poll."""

from __future__ import annotations

from typing import Any

import pytest

from amplify_tui.verdict.drained import UNSEEN_S, drained
from amplify_tui.verdict.model import Reading

OFF, POLL, WINDOW = 1000.0, 15.0, 60.0
HEARD = OFF + POLL


def reading(window_from: float, **more: Any) -> Reading:
    to = window_from + WINDOW
    fields: dict[str, Any] = {"status": "ok", "total": 20.0, "data_at": to, "received_at": to}
    return Reading(
        signal="errors", source="prom", cohort="treatment", window_from=window_from, window_to=to, **fields | more
    )


@pytest.mark.parametrize("before", [OFF - 60, OFF, HEARD - 0.1], ids=str)
def test_requests_of_before_the_applications_heard_say_nothing_yet(before: float) -> None:
    assert drained(reading(before), OFF, POLL, WINDOW, HEARD + WINDOW) is None


def test_no_request_after_they_heard_is_the_proof() -> None:
    for none in (reading(HEARD, total=0.0), reading(HEARD, status="nodata", total=None)):
        assert drained(none, OFF, POLL, WINDOW, HEARD + WINDOW) == ("pass", "")


def test_requests_after_they_heard_are_told_with_their_number_and_age() -> None:
    said = drained(reading(HEARD), OFF, POLL, WINDOW, OFF + 75)
    assert said is not None
    assert said.verdict == "fail"
    assert "1 200 requests/min" in said.detail
    assert "1m15s" in said.detail


@pytest.mark.parametrize(
    "silent", [None, reading(HEARD, status="error"), reading(OFF - 500)], ids=["none", "error", "old"]
)
def test_silent_metrics_are_waited_for_and_then_hold_up_nothing(silent: Reading | None) -> None:
    late = HEARD + 2 * WINDOW + UNSEEN_S
    assert drained(silent, OFF, POLL, WINDOW, late) is None
    said = drained(silent, OFF, POLL, WINDOW, late + 1)
    assert said is not None
    assert said.verdict == "error"
