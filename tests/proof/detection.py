"""How soon a rise over a limit is found, ours and a plain threshold's, on the same series."""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tests.proof import cells, peers
from tests.proof.chance import median
from tests.proof.limits import LIMIT, RATES, bet_term, held, span_term
from tests.proof.polls import EVERY, T0, answered, readings
from tests.proof.tables import Table, minutes
from tests.proof.through import fails_by_readings, span_fails

RISES: Final = (0.02, 0.05, 0.5)
USUAL: Final = 0.001
ONSET: Final = 1800.0
HORIZON: Final = 7200.0
_PLACE: Final = "detection"


class Found(Struct, frozen=True):
    """Seconds from the onset to the first fail of each way (None: not within the horizon), and who failed before it."""

    ours: float | None
    bet: float | None
    argo: float | None
    flagger: float | None
    early: tuple[bool, ...]


def _run(rise: float, rate: float, seed: int) -> Found:
    world = held(rate, "independent", USUAL)
    world = replace(world, share=lambda at: rise if at >= ONSET else USUAL)
    end = ONSET + HORIZON
    found, polls = answered(seed, world, end), round(end / EVERY)
    answers, begin = peers.asked(found, polls), T0 + peers.INTERVAL + peers.phase(seed)
    onset = T0 + ONSET
    heard = readings(found, polls, "treatment")
    bet = fails_by_readings(heard, bet_term())
    fails = (
        span_fails(span_term(), heard),
        [] if bet is None else [bet],
        peers.argo(answers, LIMIT, begin, T0 + end),
        peers.flagger(answers, LIMIT, begin, T0 + end),
    )
    firsts = [next((at - onset for at in mine if at > onset), None) for mine in fails]
    return Found(firsts[0], firsts[1], firsts[2], firsts[3], tuple(any(at <= onset for at in mine) for mine in fails))


def _of(rise: float, rate: float) -> str:
    return f"{_PLACE}/{rise:g}/{rate:g}"


for _rise in RISES:
    for _rate in RATES:
        cells.cell(_of(_rise, _rate), partial(_run, _rise, _rate))


def table(runs: int, jobs: int) -> Table:
    """The median of each, and how many found it at all within two hours."""
    found = cells.results({_of(rise, rate): runs for rise in RISES for rate in RATES}, jobs)
    rows = []
    for rise in RISES:
        for rate in RATES:
            got = found[_of(rise, rate)]
            row = [f"{100 * rise:g} %, {rate:g}/s"]
            ways = (
                [one.ours for one in got],
                [one.bet for one in got],
                [one.argo for one in got],
                [one.flagger for one in got],
            )
            for times in ways:
                seen = sum(at is not None for at in times)
                row.append(f"{minutes(median(times), HORIZON)} ({100 * seen / len(got):.0f} %)")
            rows.append(tuple(row))
    early = [sum(one.early[i] for got in found.values() for one in got) for i in range(4)]
    runs_in_all = runs * len(found)
    note = (
        f"false aborts in the {minutes(ONSET)} before: ours {early[0]}, with `alpha` {early[1]}, Argo {early[2]}, Flagger {early[3]}"
        f" of {runs_in_all} runs; what they counted until then helps the peers after it"
    )
    return Table(
        place=_PLACE,
        head=("errors rise to, at", "ours", "ours, `alpha: 1%`", "Argo", "Flagger"),
        rows=tuple(rows),
        notes=(note,),
    )
