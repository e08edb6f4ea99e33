"""`python -m tests.reliability [NAME ...]`: breaks runs in every way there is, and writes the table of docs/reliability.md.

python -m tests.reliability                all of it: more than a hundred runs, ten at a time; some minutes of two cores
python -m tests.reliability late deploy    some of its rows; the others stay as they are
python -m tests.reliability --every 2      of each row each second place: less of it, as the page then says
python -m tests.reliability --check        all of it, writes nothing; fails also where the page has other rows
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.reliability import faults, page
from tests.reliability.laboratory import AT_ONCE, laboratory
from tests.reliability.rows import GROUPS, ROWS, Row, counted, figures, results_of, table
from tests.reliability.trial import Result


def main() -> int:
    """The exit status: 1 where a run lost or doubled an effect or ended wrong, or the page is stale."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description="The table of docs/reliability.md")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(row.name for row in ROWS)}; all by default")
    parser.add_argument("--every", type=int, default=1, help="of each row only each so-manieth place")
    parser.add_argument("--jobs", type=int, default=AT_ONCE, help="runs at a time")
    parser.add_argument("--check", action="store_true", help="write nothing; say what is stale")
    wanted = parser.parse_args()
    unknown = [name for name in wanted.names if name not in {row.name for row in ROWS}]
    if unknown:
        parser.error(f"there is no row {', '.join(unknown)}; there are {', '.join(row.name for row in ROWS)}")
    rows = [row for row in ROWS if not wanted.names or row.name in wanted.names]
    made: dict[str, tuple[int, ...]] = {}
    problems: list[str] = []
    for group in GROUPS:
        of_it = [row for row in rows if row.name in group]
        results = asyncio.run(_make(of_it, wanted.every, wanted.jobs)) if of_it else {}
        for row in of_it:
            made[row.title] = figures(results[row.name])
            found = _problems(row, results[row.name])
            problems += found
            if not found and not wanted.check:
                text = page.PAGE.read_text(encoding="utf-8")
                page.PAGE.write_text(page.filled(text, {row.title: made[row.title]}), encoding="utf-8")
    if wanted.check:
        problems += page.stale(page.PAGE.read_text(encoding="utf-8"))
    print(table(made).markdown())
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _problems(row: Row, results: list[Result]) -> list[str]:
    """What is wrong with the runs of a row, in words."""
    found = [f"{one.name}: {problem}" for one in results for problem in said(one)]
    if not counted(results) and (row.name != "full" or faults.may_mount()):
        found.append(f"{row.title}: not one run met it")
    return found


async def _make(rows: list[Row], every: int, jobs: int) -> dict[str, list[Result]]:
    done = 0

    def told(result: Result) -> None:
        nonlocal done
        done += 1
        end = "as it has to" if result.is_good else "WRONG"
        print(f"{done:4} {end}{'' if result.met else ', and not met'}: {result.name}", file=sys.stderr, flush=True)

    async with laboratory(jobs) as lab:
        await lab.rehearse()
        return await results_of(lab, rows, every, told)


def said(result: Result) -> list[str]:
    """What is wrong with a run, in words."""
    return [
        *(f"lost: {act}" for act in result.lost),
        *(f"doubled: {act}" for act in result.doubled),
        *result.wrong,
    ]


if __name__ == "__main__":
    sys.exit(main())
