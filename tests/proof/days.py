"""A day in which treatment and control are alike and everything else goes wrong: bursts, restarts, resets, lost polls."""

from __future__ import annotations

from random import Random
from typing import Final

from tests.proof import cells, peers
from tests.proof.chance import interval
from tests.proof.limits import DAY
from tests.proof.polls import ALL, EVERY, T0, answered, readings
from tests.proof.tables import Table, met, percent, shown
from tests.proof.through import fails_by_readings, limited, span_fails
from tests.proof.worlds import HOUR, World

LIMIT: Final = 0.05
BURST: Final = 30.0
_PLACE: Final = "days"


def bursting(seed: int) -> World:
    """10 requests a second, a quarter in treatment, 1 % bad; once an hour half of all fail for 30 s, in both cohorts."""
    chance = Random(seed + 10_000)
    begins = [HOUR * hour + chance.random() * (HOUR - BURST) for hour in range(24)]

    def share(at: float) -> float:
        return 0.5 if 0.0 <= at - begins[min(23, int(at // HOUR))] < BURST else 0.01

    return World(name="", share=share, exposure=lambda at: 0.25)


def _run(seed: int) -> tuple[bool, int, int, int, int]:
    """Of one day: whether the comparison failed, fails of a limit for 1 and 2 min, aborts of either peer."""
    polls = round(DAY / EVERY)
    mine, other = (answered(seed, bursting(seed), DAY, ALL, cohort=cohort) for cohort in ("treatment", "control"))
    treated = readings(mine, polls, "treatment")
    pairs = zip(treated, readings(other, polls, "control"), strict=True)
    compared = fails_by_readings([one for pair in pairs for one in pair])
    spans = [len(span_fails(limited(LIMIT, lasting), treated)) for lasting in (60.0, 120.0)]
    answers, begin = peers.asked(mine, polls), T0 + 60.0 + peers.phase(seed)
    aborts = [len(peer(answers, LIMIT, begin, T0 + DAY)) for peer in (peers.argo, peers.flagger)]
    return compared is not None, spans[0], spans[1], aborts[0], aborts[1]


cells.cell(_PLACE, _run)


def table(runs: int, jobs: int) -> Table:
    """What each way of judging made of *runs* such days."""
    got = cells.results({_PLACE: runs}, jobs)[_PLACE]
    names = (
        "`worse_than: control`",
        "`above: 5%`, `for: 1m`",
        "`above: 5%`, `for: 2m`",
        "Argo, above 5 %",
        "Flagger, above 5 %",
    )
    rows = [
        (name, shown(sum(one[i] > 0 for one in got), runs), f"{sum(one[i] for one in got) / runs:.2f}")
        for i, name in enumerate(names)
    ]
    most = interval(sum(one[0] for one in got), runs)[1]
    return Table(
        place=_PLACE,
        head=("judged by", "days with a false abort", "false aborts a day"),
        rows=tuple(rows),
        notes=(met(not any(one[0] for one in got), f"no comparison aborts; up to {percent(most)} of days may"),),
    )
