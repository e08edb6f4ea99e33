"""Healthy releases under 10,000 looks: how many of them a comparison with control fails."""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec.structs import replace

from tests.proof import cells
from tests.proof.chance import interval
from tests.proof.polls import Trouble, both
from tests.proof.tables import Table, met, percent, shown
from tests.proof.through import COMPARED, compared, fails_at, fails_by_readings
from tests.proof.worlds import (
    DRIFT,
    HARD_5M,
    HARD_30S,
    HOUR,
    INDEPENDENT,
    LONGEST,
    MILD_5M,
    RAMP,
    World,
)

ALPHA: Final = 0.01
LOST: Final = Trouble(lost=0.05, restart=7200.0)
BURSTS: Final = replace(INDEPENDENT, name="bursts, lost scrapes", share=lambda at: 0.5 if at % HOUR < 30.0 else 0.01)
PROMISED: Final = (INDEPENDENT, DRIFT, BURSTS, RAMP)
# Users whose sessions last as long as a block or longer, and the blocks that were tried for them.
SESSIONS: Final[dict[World, tuple[float, ...]]] = {HARD_30S: (60.0,), MILD_5M: (300.0, 600.0), HARD_5M: (300.0, 600.0)}
DEFAULT: Final = 30.0
BLOCKS: Final = (DEFAULT, 60.0, 300.0, 600.0)
_PLACE: Final = "false-fails"


def _of(world: World, block: float = DEFAULT) -> str:
    return f"{_PLACE}/{world.name}/{block:g}"


def _scraped(seed: int) -> float | None:
    return fails_by_readings(both(seed, BURSTS, LONGEST, LOST), COMPARED)


def _run(world: World, block: float, seed: int) -> float | None:
    return fails_at(seed, world, LONGEST, compared(block))


cells.cell(_of(BURSTS), _scraped)
for _world in (INDEPENDENT, DRIFT, RAMP, *SESSIONS):
    for _block in (DEFAULT, *SESSIONS.get(_world, ())):
        cells.cell(_of(_world, _block), partial(_run, _world, _block))


def table(runs: int, jobs: int) -> Table:
    """One row for each kind of traffic; *runs* of each for which the promise holds, half as many of sessions."""
    fewer = max(2, runs // 2)
    asked = {_of(world): runs for world in PROMISED}
    asked |= {_of(world, block): fewer for world, blocks in SESSIONS.items() for block in (DEFAULT, *blocks)}
    found = {name: sum(one is not None for one in got) for name, got in cells.results(asked, jobs).items()}

    def said(world: World, block: float) -> str:
        name = _of(world, block)
        return shown(found[name], asked[name]) if name in asked else ""

    rows = [(world.name, *(said(world, block) for block in BLOCKS)) for world in (*PROMISED, *SESSIONS)]
    fails, of = sum(found[_of(world)] for world in PROMISED), runs * len(PROMISED)
    rows.insert(len(PROMISED), ("**the four above together**", shown(fails, of), "", "", ""))
    most = interval(fails, of)[1]
    return Table(
        place=_PLACE,
        head=("traffic", "`block: 30s` (default)", "`block: 1m`", "`block: 5m`", "`block: 10m`"),
        rows=tuple(rows),
        notes=(
            met(
                most <= ALPHA,
                f"without sessions up to {percent(most)} of healthy releases fail, at most {percent(ALPHA)} promised",
            ),
        ),
    )
