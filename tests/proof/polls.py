"""A service's counters as a source reads them: polls each 5 s, lost ones, restarts and resets, and rates over a window.

What a counter grew by is what adapters/scrape.py makes of it: a fall or a new start time is a reset, and the new value
is the growth. tests/verdict/test_verdict_proof.py holds that this is the same to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Final

from msgspec import Struct

from amplify_tui.verdict.model import Cohort, Reading
from tests.proof.worlds import World, counts

EVERY: Final = 5.0
WINDOW: Final = 30.0
T0: Final = 1_700_000_000.0
COHORTS: Final[tuple[Cohort, Cohort]] = ("treatment", "control")
_TIMEOUT: Final = 2.0


class Trouble(Struct, frozen=True, kw_only=True):
    """What goes wrong between the service and the judge.

    lost: the share of polls that get no answer. restart, reset: seconds between restarts of the process, and between
    counters that begin anew without one (0: never); what was counted since the last poll is lost with a restart.
    """

    lost: float = 0.0
    restart: float = 0.0
    reset: float = 0.0


NONE: Final = Trouble()
ALL: Final = Trouble(lost=0.05, restart=7200.0, reset=5400.0)


class Sample(Struct, frozen=True):
    """One answered poll: two counters (good and bad requests) and the start time of the process."""

    at: float
    good: int
    bad: int
    started: float


def samples(chance: Random, totals: Sequence[int], bads: Sequence[int], trouble: Trouble) -> list[Sample]:
    """The answered polls of a service that had so many requests in each interval between two of them."""
    found = [Sample(0.0, 0, 0, 0.0)]
    good = bad = 0
    started = 0.0
    offset = chance.random()
    for i, (total, broken) in enumerate(zip(totals, bads, strict=True)):
        at = (i + 1) * EVERY
        if _falls(at, trouble.restart, offset):
            started = at - EVERY * chance.random()
            after = (at - started) / EVERY
            good, bad = round((total - broken) * after), round(broken * after)
        elif _falls(at, trouble.reset, offset):
            good, bad = total - broken, broken
        else:
            good, bad = good + total - broken, bad + broken
        if not trouble.lost or chance.random() >= trouble.lost:
            found.append(Sample(at, good, bad, started))
    return found


def _falls(at: float, every: float, offset: float) -> bool:
    """Whether something that happens each *every* seconds happens in the interval that ends at *at*."""
    return every > 0.0 and (at - offset * every) // every != (at - EVERY - offset * every) // every and at > EVERY


def readings(
    found: Sequence[Sample], polls: int, cohort: Cohort | None = None, *, window: float = WINDOW, each: int = 1
) -> list[Reading]:
    """The rates over a *window* at *each* poll. Where no answer came for two polls the reading is an error."""
    good, bad = [0.0], [0.0]  # what the counters grew by since the first sample
    for before, after in pairwise(found):
        is_new = before.started != after.started
        good.append(good[-1] + _grown(before.good, after.good, is_new=is_new))
        bad.append(bad[-1] + _grown(before.bad, after.bad, is_new=is_new))
    made: list[Reading] = []
    first, last = 0, 0
    for i in range(each, polls + 1, each):
        at = i * EVERY
        while last + 1 < len(found) and found[last + 1].at <= at:
            last += 1
        while found[first].at < at - window - EVERY / 2.0 and first < last:
            first += 1
        made.append(_reading(found, good, bad, first, last, at, cohort, window))
    return made


def _grown(before: int, after: int, *, is_new: bool) -> float:
    return float(after if is_new or after < before else after - before)


def _reading(
    found: Sequence[Sample],
    good: Sequence[float],
    bad: Sequence[float],
    first: int,
    last: int,
    at: float,
    cohort: Cohort | None,
    window: float,
) -> Reading:
    begin, end = found[first].at, found[last].at
    if end < at - 1.5 * EVERY - _TIMEOUT or end <= begin:
        return Reading(
            signal="errors", source="prom", status="error", cohort=cohort, data_at=T0 + at, received_at=T0 + at,
            window_from=T0 + at - window, window_to=T0 + at, note="no scrape in time",
        )  # fmt: skip
    broken = bad[last] - bad[first]
    total = good[last] - good[first] + broken
    seconds = end - begin
    return Reading(
        signal="errors",
        source="prom",
        status="ok" if total > 0.0 else "nodata",
        cohort=cohort,
        data_at=T0 + end,
        received_at=T0 + at,
        window_from=T0 + begin,
        window_to=T0 + end,
        value=broken / total if total > 0.0 else None,
        bad=broken / seconds,
        total=total / seconds,
        n=total if total > 0.0 else None,
    )


def both(seed: int, world: World, seconds: float, trouble: Trouble = NONE) -> list[Reading]:
    """The readings of treatment and control, in the order of their arrival; each cohort has its own trouble."""
    mine, other = (of(seed, world, seconds, trouble, cohort=cohort) for cohort in COHORTS)
    return [one for pair in zip(mine, other, strict=True) for one in pair]


def of(
    seed: int, world: World, seconds: float, trouble: Trouble = NONE, *, cohort: Cohort = "treatment"
) -> list[Reading]:
    """The readings of one cohort."""
    return readings(answered(seed, world, seconds, trouble, cohort=cohort), round(seconds / EVERY), cohort)


def answered(
    seed: int, world: World, seconds: float, trouble: Trouble = NONE, *, cohort: Cohort = "treatment"
) -> list[Sample]:
    """The polls of one cohort that got an answer."""
    n = COHORTS.index(cohort)
    totals, bads = counts(Random(4 * seed + n), world, seconds, EVERY, treated=n == 0)
    return samples(Random(4 * seed + 2 + n), totals, bads, trouble)
