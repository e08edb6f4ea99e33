"""A sweep: one gate with other limits, spans and bakes on the same readings, a line for each combination."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from msgspec import Struct

from amplify_tui.cli.errors import Failure
from amplify_tui.cli.gates import Gate
from amplify_tui.playbook.values import BadValue, accept
from amplify_tui.verdict.backtest import outcome, replay, varied
from amplify_tui.verdict.model import Reading
from amplify_tui.verdict.words import duration

VARIED: Final = {"limit": "bound", "for": "dur", "bake": "dur"}
MOST: Final = 500  # replays


class Setting(Struct, frozen=True):
    """One value of a key: as written, and in its own unit."""

    written: str
    value: float


Variation = Mapping[str, Setting]


def variations(sweep: Sequence[str]) -> Sequence[Variation]:
    """Every combination of `KEY=A,B,…`. Raises Failure (exit 2)."""
    axes: dict[str, list[Setting]] = {}
    for given in sweep:
        key, sep, values = given.partition("=")
        if not sep or key not in VARIED:
            known = ", ".join(VARIED)
            raise Failure(f"--sweep {given} varies nothing", why=f"known are {known}", next_="like for=30s,1m", code=2)
        for written in values.split(","):
            axes.setdefault(key, []).append(Setting(written, _value(key, written, given)))
    found = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    if len(found) > MOST:
        raise Failure(f"--sweep asks for {len(found)} replays", why=f"at most {MOST}", next_="give fewer", code=2)
    return found


def _value(key: str, written: str, given: str) -> float:
    plain: Any = written
    if key == "limit" and written[-1:].isdigit():
        plain = float(written) if written.replace(".", "", 1).isdigit() else written
    try:
        return float(accept(plain, VARIED[key]))
    except BadValue as error:
        raise Failure(f"--sweep {given} is refused", why=error.message, next_=error.hint, code=2) from error


def tell(
    gate: Gate, readings: Sequence[Reading], found: Sequence[Variation], onset: float | None, *, as_json: bool
) -> None:
    """A line for each variation: how often it failed, how soon, and after how long it would have gone on."""
    names = list(found[0])
    rows = [_row(gate, readings, variation, onset) for variation in found]
    if as_json:
        for variation, row in zip(found, rows, strict=True):
            click.echo(json.dumps({name: variation[name].value for name in names} | row))
        return
    known = onset is not None
    heads = [*names, "false fails" if known else "fails", "noticed after" if known else "first fail", "goes on after"]
    columns = ("false", "noticed") if known else ("fails", "first")
    shown = [
        [
            *(one.written for one in variation.values()),
            str(row[columns[0]]),
            *map(_or_never, (row[columns[1]], row["passed"])),
        ]
        for variation, row in zip(found, rows, strict=True)
    ]
    for cells in [heads, *shown]:
        widths = [max(len(row[at]) for row in [heads, *shown]) for at in range(len(heads))]
        click.echo("  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)))


def _row(gate: Gate, readings: Sequence[Reading], variation: Variation, onset: float | None) -> dict[str, Any]:
    limit, for_ = (variation[key].value if key in variation else None for key in ("limit", "for"))
    bake = variation["bake"].value if "bake" in variation else gate.bake
    moments = list(replay(varied(gate.terms, limit=limit, for_=for_), readings, bake=bake))
    found, start = outcome(moments, bake=bake, onset=onset), moments[0].at
    return {
        "fails": len(found.fails),
        "false": found.false,
        "first": found.fails[0] - start if found.fails else None,
        "noticed": found.noticed,
        "passed": None if found.passed_at is None else found.passed_at - start,
        "last": found.last,
    }


def _or_never(seconds: float | None) -> str:
    return "never" if seconds is None else duration(seconds)
