"""`python -m tests.proof [NAME ...]`: simulates, and writes the tables of docs/verdicts.md. The same seeds, the same page.

python -m tests.proof                  all tables, in full: some fifteen minutes of one core, shared by all there are
python -m tests.proof power limits     some of them
python -m tests.proof --runs 40        a quick look: prints, writes nothing
python -m tests.proof --check          says whether the page is what the code gives; makes the quick tables only
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Final

from tests.proof import days, detection, false_fails, limits, page, power, sure
from tests.proof.tables import Table

TABLES: Final[dict[str, tuple[Callable[[int, int], Table], int]]] = {
    "constants": (lambda runs, jobs: page.constants(), 1),
    "dilution": (sure.dilution_table, 20),
    "outages": (sure.outage_table, 12),
    "fresh": (sure.fresh_table, 1),
    "false-fails": (false_fails.table, 200),
    "limits": (limits.table, 126),
    "power": (power.table, 240),
    "days": (days.table, 30),
    "detection": (detection.table, 20),
}
"""Each table of the page, by its name there, with the runs (or days) of a row in full."""

QUICK: Final = ("constants", "dilution", "fresh")


def main() -> int:
    """Write the page, print some tables, or check it. The exit status: 1 where a check finds the page stale."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description="The tables of docs/verdicts.md.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(TABLES)}; all by default")
    parser.add_argument("--runs", type=int, help="runs of a row; then the tables are printed and not written")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--check", action="store_true", help="write nothing; say what is stale")
    wanted = parser.parse_args()
    unknown = [name for name in wanted.names if name not in TABLES]
    if unknown:
        parser.error(f"there is no table {', '.join(unknown)}; there are {', '.join(TABLES)}")
    if wanted.runs is not None and wanted.runs < 2:
        parser.error("a row needs at least 2 runs")
    text = page.PAGE.read_text(encoding="utf-8")
    if wanted.check:
        fresh = [TABLES[name][0](TABLES[name][1], wanted.jobs) for name in QUICK]
        problems = list(page.stale(text, fresh, TABLES))
        for problem in problems:
            print(f"docs/verdicts.md: {problem}: python -m tests.proof")
        return 1 if problems else 0
    for name in wanted.names or TABLES:
        make, runs = TABLES[name]
        table = make(runs if wanted.runs is None else wanted.runs, wanted.jobs)
        if wanted.runs is not None:
            print(f"{table.place}\n\n{table.markdown()}\n", flush=True)
            continue
        # One by one: all of them take a while, and what is made is not to be lost with the rest.
        page.PAGE.write_text(page.filled(page.PAGE.read_text(encoding="utf-8"), [table]), encoding="utf-8")
        print(f"wrote {table.place} of docs/verdicts.md", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
