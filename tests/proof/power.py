"""How soon a comparison with control finds a fault, beside what the method took when it was chosen (judge.md 4)."""

from __future__ import annotations

from functools import partial
from typing import Final

from tests.proof import cells
from tests.proof.chance import median
from tests.proof.tables import Table, met, minutes
from tests.proof.through import COMPARED, fails_at
from tests.proof.worlds import HOUR, LONGEST, World

WORSE: Final = (1.5, 2.0, 5.0)
EXPOSURES: Final = (0.01, 0.05, 0.25)
RATES: Final = (1.0, 10.0, 100.0)
SLOWER: Final = 1.2  # times the median that is wanted at most
POINTS: Final = 10.0  # of the share that fails within an hour, wanted at most below
# Minutes (None: over 833) and the share of runs within an hour, in percent, at 1, 10 and 100 requests a second.
REFERENCE: Final[dict[tuple[float, float], tuple[tuple[float | None, float], ...]]] = {
    (1.5, 0.01): ((None, 0), (None, 0), (131, 9)),
    (1.5, 0.05): ((None, 0), (305, 0), (35, 95)),
    (1.5, 0.25): ((668, 0), (87, 24), (23, 100)),
    (2.0, 0.01): ((None, 0), (343, 1), (46, 75)),
    (2.0, 0.05): ((814, 0), (86, 22), (16, 100)),
    (2.0, 0.25): ((221, 1), (34, 92), (15, 100)),
    (5.0, 0.01): ((606, 0), (46, 80), (10, 100)),
    (5.0, 0.05): ((108, 14), (15, 100), (7, 100)),
    (5.0, 0.25): ((35, 96), (9, 100), (12, 100)),
}
_PLACE: Final = "power"
_SLOW: Final = 180.0  # minutes; cells above it get fewer runs


def faulty(worse: float, exposure: float, rate: float) -> World:
    """Independent requests, 1 % of them bad, *worse* times as many in the treatment from the first moment on."""
    return World(name="", rate=lambda at: rate, exposure=lambda at: exposure, worse=worse)


def _of(worse: float, exposure: float, rate: float) -> str:
    return f"{_PLACE}/{worse:g}/{exposure:g}/{rate:g}"


def _run(worse: float, exposure: float, rate: float, seed: int) -> float | None:
    return fails_at(seed, faulty(worse, exposure, rate), LONGEST, COMPARED)


KEYS: Final = tuple((worse, exposure, rate) for worse in WORSE for exposure in EXPOSURES for rate in RATES)
for _key in KEYS:
    cells.cell(_of(*_key), partial(_run, *_key))


def reference(worse: float, exposure: float, rate: float) -> tuple[float | None, float]:
    """Median minutes (None: over 833) and percent within an hour, as simulated when the method was chosen."""
    return REFERENCE[worse, exposure][RATES.index(rate)]


def table(runs: int, jobs: int) -> Table:
    """One row for each size of fault and exposure, and how many cells keep what is wanted."""
    asked = {_of(*key): runs if (reference(*key)[0] or 1e9) < _SLOW else max(2, runs // 8) for key in KEYS}
    found = cells.results(asked, jobs)
    rows, slow, few = [], [], []
    for worse in WORSE:
        for exposure in EXPOSURES:
            row = [f"{worse:g}x at {100 * exposure:g} %"]
            for rate in RATES:
                got = found[_of(worse, exposure, rate)]
                middle, within = median(got), 100.0 * sum(at is not None and at <= HOUR for at in got) / len(got)
                then, share = reference(worse, exposure, rate)
                was = minutes(None if then is None else 60.0 * then, LONGEST)
                row.append(f"{minutes(middle, LONGEST)} ({within:.0f} %); {was} ({share:.0f} %)")
                where = f"{worse:g}x, {100 * exposure:g} %, {rate:g}/s"
                if then is not None and (middle is None or middle > SLOWER * 60.0 * then):
                    slow.append(where)
                if within < share - POINTS:
                    few.append(where)
            rows.append(tuple(row))
    return Table(
        place=_PLACE,
        head=("worse by, at exposure", *(f"{rate:g}/s" for rate in RATES)),
        rows=tuple(rows),
        notes=(
            met(not slow, f"the median is at most {SLOWER:g} x the reference's{_but(slow)}"),
            met(not few, f"the share within an hour is at most {POINTS:g} points below the reference's{_but(few)}"),
        ),
    )


def _but(where: list[str]) -> str:
    return f"; not at {'; '.join(where)}" if where else ", in each cell"
