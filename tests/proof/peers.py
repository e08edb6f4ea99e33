"""A plain threshold as Argo Rollouts and Flagger apply it, with the numbers of their documentation's examples.

Read in their sources: argo-rollouts analysis/analysis.go (failures are counted over the whole analysis and abort it
above `failureLimit`; an error is asked again after 10 s, and more than 4 in a row abort; a query without a result is
an error), flagger pkg/controller/scheduler.go (failed checks are counted over the whole analysis, a query without a
result is one, and at `threshold` the next interval rolls back).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from amplify_tui.verdict.model import Reading
from tests.proof.polls import EVERY, Sample, readings

INTERVAL: Final = 60.0
ARGO_FAILURES: Final = 3
ARGO_ERRORS: Final = 4
ARGO_RETRY: Final = 10.0
FLAGGER_THRESHOLD: Final = 5

Asked = Mapping[float, Reading]
"""What a query over the last minute answers, by the time at which it is asked."""


def asked(found: Sequence[Sample], polls: int) -> dict[float, Reading]:
    """The answers of a query over the last minute, asked at each poll."""
    return {one.received_at: one for one in readings(found, polls, "treatment", window=INTERVAL)}


def argo(answers: Asked, limit: float, begin: float, end: float) -> list[float]:
    """When an analysis is aborted between *begin* and *end*; after each abort a new one begins an interval later."""
    aborts: list[float] = []
    failures = errors = 0
    at = begin
    while at <= end:
        one = answers.get(at)
        is_error = one is None or one.status != "ok" or one.value is None
        errors = errors + 1 if is_error else 0
        failures += one is not None and one.value is not None and not is_error and one.value > limit
        if failures > ARGO_FAILURES or errors > ARGO_ERRORS:
            aborts.append(at)
            failures = errors = 0
        at += ARGO_RETRY if errors else INTERVAL
    return aborts


def flagger(answers: Asked, limit: float, begin: float, end: float) -> list[float]:
    """When a canary is rolled back between *begin* and *end*; after each rollback a new one begins an interval later."""
    rollbacks: list[float] = []
    failed = 0
    at = begin
    while at <= end:
        if failed >= FLAGGER_THRESHOLD:
            rollbacks.append(at)
            failed = 0
        else:
            one = answers.get(at)
            failed += one is None or one.status != "ok" or one.value is None or one.value > limit
        at += INTERVAL
    return rollbacks


def phase(seed: int) -> float:
    """Seconds of the minute at which an analysis that began by chance asks, on the grid of polls."""
    return EVERY * (1 + seed % round(INTERVAL / EVERY))
