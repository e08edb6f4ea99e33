"""The page docs/verdicts.md: prose with places, which tables fill. `<!-- table NAME -->` begins one, `<!-- end -->` ends it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from amplify_tui.playbook.model import Signal
from amplify_tui.verdict import bets, evidence, promises, spans
from amplify_tui.verdict.bets import Vif
from amplify_tui.verdict.conditions import COUNTED_S
from amplify_tui.verdict.model import Term
from tests.proof.tables import Table

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "verdicts.md"
_PLACE: Final = re.compile(r"<!-- table (?P<name>[\w-]+) -->\n(?P<filled>.*?)<!-- end -->", re.DOTALL)


def constants() -> Table:
    """What the figures of the page depend on, as the code has it now."""
    signal = Signal(golden="errors", source="prom")
    rows = (
        ("chance of a false fail, of all comparisons of a release", f"{Term(id='').alpha:g}"),
        ("block of a comparison", f"{signal.block:g} s"),
        ("stakes that it is worse", ", ".join(f"{one:g}" for one in bets.WORSE)),
        ("variance inflation before anything is learnt", f"{Vif().value():g}"),
        ("odds that a proof takes", f"{promises.PROOF:g}"),
        ("a poll", f"{signal.every:g} s"),
        ("window of a rate", f"{signal.window:g} s"),
        ("standard deviations beyond a limit that a span needs", f"{evidence.SIGMAS:g}"),
        ("bad requests that a span needs at least", f"{evidence.MIN_BAD}"),
        ("good readings in a row that close a bad span", f"{spans.GOOD_IN_A_ROW}"),
        ("standard deviations that a block of a bad span may teach", f"{spans.ONCE:g}"),
        ("share of fresh, and of bad ones, that a span needs", f"{spans.ENOUGH:g}"),
        ("readings kept for a limit", f"{COUNTED_S:g} s"),
    )
    return Table(place="constants", head=("constant", "value"), rows=rows)


def places(text: str) -> dict[str, str]:
    """The name of each place of the page, and what stands in it."""
    return {found["name"]: found["filled"] for found in _PLACE.finditer(text)}


def filled(text: str, tables: Iterable[Table]) -> str:
    """The page with these tables in their places; the others stay. Raises KeyError where a table has no place."""
    held = places(text)
    for table in tables:
        if table.place not in held:
            raise KeyError(f"docs/verdicts.md has no place for the table {table.place}")
        text = _PLACE.sub(lambda found, one=table: _put(found, one), text)  # type: ignore[misc]
    return text


def _put(found: re.Match[str], table: Table) -> str:
    if found["name"] != table.place:
        return found[0]
    return f"<!-- table {table.place} -->\n{table.markdown()}\n<!-- end -->"


def stale(text: str, fresh: Iterable[Table], expected: Iterable[str]) -> Iterator[str]:
    """What is wrong with the page: a place that is missing, left over or empty, and a table that says something else."""
    held, wanted = places(text), set(expected)
    for name in sorted(wanted ^ held.keys()):
        yield f"the table {name} {'has no place' if name in wanted else 'is made by nothing'}"
    yield from (f"the table {name} is empty" for name, found in held.items() if not found.strip())
    for table in fresh:
        if held.get(table.place, "").strip() not in ("", table.markdown().strip()):
            yield f"the table {table.place} is not what the code gives now"
