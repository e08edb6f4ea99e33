"""What holds in every run and not only in most: dilution is seen, an outage decides nothing, no error is no fault.

The tests ask the same scenes (tests/verdict/test_verdict_proof.py); each look goes through all that a run asks.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Final

from msgspec.structs import replace

from amplify_tui.verdict.model import Reading, Status, Term
from tests.proof import cells, peers
from tests.proof.polls import EVERY, T0, answered, both
from tests.proof.tables import Table, met, minutes, several
from tests.proof.through import COMPARED, Look, limited, looks
from tests.proof.worlds import World

LASTING: Final = 60.0
LIMITED: Final = limited(0.02, LASTING)
GATE: Final = (LIMITED, COMPARED)
PROVEN: Final = replace(COMPARED, id="proven", signal=replace(COMPARED.signal, pass_="proven"))  # type: ignore[type-var]

ONSET: Final = 300.0
BEFORE, BAKE, AFTER = 240.0, 300.0, 240.0
OUTAGES: Final = (40.0, 60.0, 300.0, 3600.0)
KINDS: Final[tuple[Status | None, ...]] = (None, "error", "nodata", "stale")


def busy(rate: float, *, share: float = 0.001, exposure: float = 0.25, **more: float) -> World:
    """Independent requests at a steady rate."""
    return World(name="", rate=lambda at: rate, share=lambda at: share, exposure=lambda at: exposure, **more)  # type: ignore[arg-type]


def ticks(seconds: float) -> list[float]:
    """A look each 5 s."""
    return [T0 + i * EVERY for i in range(1, round(seconds / EVERY) + 1)]


def answers(seen: list[Look]) -> set[str]:
    """Every answer that the gate gave."""
    return {look.verdict.answer for look in seen}


def diluted(seed: int, term: Term = LIMITED) -> float | None:
    """Seconds from the moment at which 60 % of the treatment's requests fail to the fail; 100 a second, 5 % exposed."""
    world = busy(100.0, exposure=0.05, worse=600.0, onset=ONSET)
    seen = looks([term], both(seed, world, ONSET + 100.0), ticks(ONSET + 100.0))
    return next((look.at - T0 - ONSET for look in seen if look.verdict.answer == "fail"), None)


def through_an_outage(lasts: float, kind: Status | None, *, seed: int = 1, bad_from: float = math.inf) -> list[Look]:
    """Four good minutes, an outage in which readings have a status or do not come, four good ones.

    Where *bad_from* is given it is bad from then on, and for 10 s after the outage.
    """
    world = busy(40.0)
    whole = BEFORE + lasts + AFTER
    bad = {one.received_at: one for one in both(seed, replace(world, worse=100.0), whole) if one.cohort == "treatment"}
    heard: list[Reading] = []
    for one in both(seed, world, whole):
        at = one.received_at - T0
        if BEFORE < at <= BEFORE + lasts:
            if kind is not None:
                heard.append(replace(one, status=kind, value=None, bad=None, total=None, n=None, note="out"))
        elif bad_from < at <= BEFORE + lasts + 10.0 and one.cohort == "treatment":
            heard.append(bad[one.received_at])
        else:
            heard.append(one)
    # Of an hour without data each sixth look from the sixth minute on says what all of them do.
    asked = [at for at in ticks(whole) if not BEFORE + 300.0 < at - T0 < BEFORE + lasts - 60.0 or at % 30.0 == 0.0]
    return list(looks(GATE, heard, asked, bakes=True))


def in_the_outage(seen: list[Look], lasts: float) -> list[Look]:
    """The looks while it lasted."""
    return [look for look in seen if BEFORE < look.at - T0 <= BEFORE + lasts]


def without_errors(seconds: float, total: float | None = 10.0) -> list[Reading]:
    """What a source says of a service that never answered a 5xx: there is no such series; nor a total, where None."""
    made = both(1, busy(10.0, share=0.0, exposure=0.5), seconds)
    if total is None:
        return [replace(one, bad=None, value=None, total=None, n=None, status="nodata") for one in made]
    return [replace(one, bad=None, value=0.0) for one in made]


# --- as tables ----------------------------------------------------------------------------------------------------------


def _outage(lasts: float, seed: int) -> tuple[bool, bool, str, bool, bool]:
    """Whether ours fails, whether it advances, what it says at the end of the outage, and whether either peer aborts."""
    seen = through_an_outage(lasts, KINDS[seed % len(KINDS)], seed=seed)
    out = in_the_outage(seen, lasts)
    whole = BEFORE + lasts + AFTER
    heard = peers.asked(answered(seed, busy(40.0), whole), round(whole / EVERY))
    known = {at: one for at, one in heard.items() if not BEFORE < at - T0 <= BEFORE + lasts}
    begin = T0 + peers.phase(seed)
    argo, flagger = (bool(peer(known, 0.02, begin, T0 + whole)) for peer in (peers.argo, peers.flagger))
    advances = any(look.would_advance(BAKE) for look in out)
    return "fail" in answers(seen), advances, out[-1].verdict.answer, argo, flagger


def _fresh(seed: int) -> float | None:
    seen = looks([*GATE, PROVEN], without_errors(1800.0), ticks(1800.0))
    return next((look.at - T0 for look in seen if look.verdict.answer == "pass"), None)


cells.cell("dilution", diluted)
cells.cell("fresh", _fresh)
for _lasts in OUTAGES:
    cells.cell(f"outages/{_lasts:g}", partial(_outage, _lasts))


def dilution_table(runs: int, jobs: int) -> Table:
    """How soon 60 % errors in 5 % of the traffic fail the gate."""
    got = cells.results({"dilution": runs}, jobs)["dilution"]
    found = sorted(math.inf if one is None else one for one in got)
    allowed = LASTING + 2.0 * EVERY
    row = (f"{runs}", f"{found[0]:g} s", f"{found[len(found) // 2]:g} s", f"{found[-1]:g} s")
    return Table(
        place="dilution",
        head=("runs", "soonest", "median", "latest"),
        rows=(row,),
        notes=(met(found[-1] <= allowed, f"within `for` and two polls, {allowed:g} s"),),
    )


def outage_table(runs: int, jobs: int) -> Table:
    """What an outage of the metrics does, ours with each kind of silence."""
    found = cells.results({f"outages/{lasts:g}": runs for lasts in OUTAGES}, jobs)
    rows = []
    for lasts in OUTAGES:
        got = found[f"outages/{lasts:g}"]
        fails, advances, argo, flagger = (sum(bool(one[i]) for one in got) for i in (0, 1, 3, 4))
        rows.append(
            (
                minutes(lasts),
                f"{fails} of {runs}",
                f"{advances} of {runs}",
                several(sorted({one[2] for one in got})),
                f"{argo} of {runs}",
                f"{flagger} of {runs}",
            )
        )
    is_kept = not any(one[0] or one[1] for got in found.values() for one in got)
    head = ("outage", "fails", "advances", "says at its end", "Argo aborts", "Flagger rolls back")
    return Table(place="outages", head=head, rows=tuple(rows), notes=(met(is_kept, "neither fails nor advances"),))


def fresh_table(runs: int, jobs: int) -> Table:
    """When a service without a single 5xx passes. One run: nothing in it is by chance but the traffic."""
    (after,) = cells.results({"fresh": 1}, jobs)["fresh"]
    row = ("10 requests a second, half of them in treatment", minutes(after))
    return Table(
        place="fresh", head=("traffic", "passes after"), rows=(row,), notes=(met(after is not None, "it passes"),)
    )
