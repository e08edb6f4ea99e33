"""Traffic: at each time how many requests come, how many of them are bad, who is exposed, and how users cluster.

A user issues 1 to 50 requests (log-uniform, 12.5 on average). Where users have sessions, a bad request is a broken
user's: of *hard* ones half of the requests fail, of *mild* ones a tenth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Final

from msgspec import Struct

from tests.proof.chance import some

FEW: Final = 2.0  # requests a second of a cohort up to which every user is simulated
LONGEST: Final = 10_000 * 5.0  # 10,000 looks, one each 5 s: 13.9 h
HOUR: Final = 3600.0
MEAN: Final = 49.0 / math.log(50.0)  # requests of a user
SQUARE: Final = 2499.0 / (2.0 * math.log(50.0))  # mean of their square


class Sessions(Struct, frozen=True):
    """Users whose requests come within a session of up to *most* seconds; *broken* is the share of one's that fail."""

    most: float
    broken: float


class World(Struct, frozen=True, kw_only=True):
    """One kind of traffic. All functions take the time in seconds since the begin.

    rate: requests a second of both cohorts. share: of bad ones, in both. exposure: the share in treatment. worse: what
    the treatment's share of bad ones is multiplied by from *onset* on.
    """

    name: str
    rate: Callable[[float], float] = lambda at: 10.0
    share: Callable[[float], float] = lambda at: 0.01
    exposure: Callable[[float], float] = lambda at: 0.05
    sessions: Sessions | None = None
    worse: float = 1.0
    onset: float = 0.0

    def bad_share(self, at: float, *, treated: bool) -> float:
        """The share of bad requests of one cohort."""
        return min(1.0, self.share(at) * (self.worse if treated and at >= self.onset else 1.0))


def wave(at: float) -> float:
    """From -1 to 1 with a period of six hours."""
    return math.sin(2.0 * math.pi * at / 21_600.0)


def ramped(at: float) -> float:
    """1, 5, then 25 % of users, a third of the time each."""
    return (0.01, 0.05, 0.25)[min(2, int(3.0 * at / LONGEST))]


INDEPENDENT: Final = World(name="independent requests")
DRIFT: Final = World(
    name="drift", rate=lambda at: 10.0 * (1.0 + 0.5 * wave(at)), share=lambda at: 0.01 * (1.0 + 0.8 * wave(at))
)
RAMP: Final = World(
    name="exposure ramp",
    rate=DRIFT.rate,
    share=lambda at: DRIFT.share(at) * (1.0 + 2.0 * at / LONGEST),
    exposure=ramped,
)
HARD_30S: Final = World(name="sessions of up to 30 s, hard", sessions=Sessions(30.0, 0.5))
MILD_5M: Final = World(name="sessions of up to 5 min, mild", sessions=Sessions(300.0, 0.1))
HARD_5M: Final = World(name="sessions of up to 5 min, hard", sessions=Sessions(300.0, 0.5))


def counts(chance: Random, world: World, seconds: float, step: float, *, treated: bool) -> tuple[list[int], list[int]]:
    """All and bad requests of one cohort, one number for each *step* seconds."""
    steps = round(seconds / step)
    if world.sessions is not None:
        return _clustered(chance, world, world.sessions, steps, step, treated=treated)
    totals, bads = [], []
    for i in range(steps):
        at = i * step
        exposure = world.exposure(at)
        total = some(chance, step * world.rate(at) * (exposure if treated else 1.0 - exposure))
        totals.append(total)
        bads.append(min(total, some(chance, total * world.bad_share(at, treated=treated))))
    return totals, bads


def _clustered(
    chance: Random, world: World, sessions: Sessions, steps: int, step: float, *, treated: bool
) -> tuple[list[int], list[int]]:
    """Users one by one. Where there are many, only the broken ones, and the others' requests spread over their sessions.

    A broken user's good requests count too: a total that knows nothing of its bad ones would make a share of them that
    is too large whenever few others came.
    """
    spread = _spread(sessions.most, step)
    totals, bads = [0.0] * (steps + len(spread)), [0] * (steps + len(spread))
    for i in range(-len(spread), steps):  # those who came before the begin are there too
        at = max(0.0, i * step)
        exposure = world.exposure(at)
        rate = world.rate(at) * (exposure if treated else 1.0 - exposure)
        users, sick = step * rate / MEAN, world.bad_share(at, treated=treated) / sessions.broken
        broken, well = some(chance, users * sick), some(chance, users * (1.0 - sick))
        if rate > FEW:
            made = max(0.0, well * MEAN + chance.gauss(0.0, 1.0) * math.sqrt(well * (SQUARE - MEAN**2)))
            for j, part in enumerate(spread):
                if i + j >= 0:
                    totals[i + j] += made * part
            well = 0
        for user in range(broken + well):
            begun, lasts = i * step + step * chance.random(), sessions.most * chance.random()
            for _ in range(round(50.0 ** chance.random())):
                when = int((begun + lasts * chance.random()) // step)
                if 0 <= when < len(bads):
                    totals[when] += 1.0
                    bads[when] += user < broken and chance.random() < sessions.broken
    whole = [max(round(total), bad) for total, bad in zip(totals, bads, strict=True)]
    return whole[:steps], bads[:steps]


def _spread(most: float, step: float) -> tuple[float, ...]:
    """The parts of a user's requests in the step in which he comes, and in those that follow."""
    chance, tries = Random(0), 4000
    found: dict[int, int] = {}
    for _ in range(tries):
        when = int((step * chance.random() + most * chance.random() * chance.random()) // step)
        found[when] = found.get(when, 0) + 1
    return tuple(found.get(j, 0) / tries for j in range(max(found) + 1))
