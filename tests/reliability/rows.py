"""The rows of the table: each a fault, in all the places where a run can meet it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from tests.proof.tables import Table
from tests.reliability import answers, faults
from tests.reliability.laboratory import Fault, Laboratory
from tests.reliability.trial import Result


class Row(Struct, frozen=True, kw_only=True):
    """One row: what it is called on the command line and on the page, and its faults, given the run without one."""

    name: str
    title: str
    make: Callable[[Result], Iterator[Fault]]


def _kills(title: str) -> Callable[[Result], Iterator[Fault]]:
    return lambda model: faults.kills_at_appends(model, title)


def _at_targets(title: str) -> Callable[[Result], Iterator[Fault]]:
    return lambda model: faults.kills_at_targets(model, title)


def _requests(title: str) -> Callable[[Result], Iterator[Fault]]:
    return lambda model: answers.requests(model, title)


ROWS: Final = (
    Row(name="inside", title=faults.INSIDE, make=_kills(faults.INSIDE)),
    Row(name="between", title=faults.BETWEEN, make=_kills(faults.BETWEEN)),
    Row(name="after", title=faults.AFTER, make=_kills(faults.AFTER)),
    Row(name="arrives", title=faults.ARRIVES, make=_at_targets(faults.ARRIVES)),
    Row(name="carried-out", title=faults.CARRIED_OUT, make=_at_targets(faults.CARRIED_OUT)),
    Row(name="full", title=faults.FULL, make=lambda _: faults.full_disks()),
    Row(name="locked", title=faults.LOCKED, make=lambda _: faults.locked()),
    Row(name="clock", title=faults.CLOCK, make=lambda _: faults.clocks()),
    Row(name="asleep", title=faults.ASLEEP, make=lambda _: faults.sleeps()),
    Row(name="stopped", title=faults.STOPPED, make=faults.stopped),
    Row(name="rival", title=faults.RIVAL, make=faults.rivals),
    Row(name="two", title=faults.TWO, make=lambda _: faults.seconds()),
    Row(name="dropped", title=answers.DROPPED, make=_requests(answers.DROPPED)),
    Row(name="lost", title=answers.LOST, make=_requests(answers.LOST)),
    Row(name="late", title=answers.LATE, make=_requests(answers.LATE)),
    Row(name="push", title=answers.PUSH, make=lambda _: answers.pushes()),
    Row(name="deploy", title=answers.DEPLOY, make=lambda _: answers.deploys()),
)

GROUPS: Final = (
    ("arrives", "carried-out", "push", "deploy"),
    ("dropped", "lost", "late"),
    ("full", "locked", "clock", "asleep"),
    ("stopped", "rival", "two"),
    ("inside", "between"),
    ("after",),
)
"""What is run in one sandbox: a flag server that has seen hundreds of flags is slower for each of them."""

HEAD: Final = ("fault", "times met", "effects", "lost", "doubled", "again under its key", "asked a person")
ALL: Final = "**all**"


async def results_of(
    lab: Laboratory, rows: Sequence[Row], every: int = 1, told: Callable[[Result], None] = lambda _: None
) -> dict[str, list[Result]]:
    """The runs of those rows by its name; of each row every *every*th place."""
    assert lab.model is not None
    model = lab.model
    made = [fault for row in rows for fault in list(row.make(model))[::every]]
    with faults.small_disks(made):
        results = await lab.trials(made, told)
    return {row.name: [r for r in results if r.name.startswith(f"{row.title}: ")] for row in rows}


def counted(results: Sequence[Result]) -> list[Result]:
    """Those that met their fault: a place that a run does not come to proves nothing."""
    return [one for one in results if one.met]


def figures(results: Sequence[Result]) -> tuple[int, ...]:
    """Of a row, as `HEAD` names them."""
    met = counted(results)
    return (
        sum(one.met for one in met),
        sum(len(one.acts) for one in met),
        sum(len(one.lost) for one in met),
        sum(len(one.doubled) for one in met),
        sum(len(one.again) for one in met),
        sum(one.asked for one in met),
    )


def table(made: Mapping[str, tuple[int, ...]]) -> Table:
    """The table of the page: the figures of each row by its title, and their sums."""
    known = [(row.title, made[row.title]) for row in ROWS if row.title in made]
    whole = tuple(map(sum, zip(*(values for _, values in known), strict=True)))
    lines = (*known, (ALL, whole))
    return Table(place="faults", head=HEAD, rows=tuple((title, *(f"{v:,}" for v in values)) for title, values in lines))
