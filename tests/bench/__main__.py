"""`python -m tests.bench [NAME ...] [--json | --markdown]`: ratios, side by side, in one run. Asserts nothing.

A missed target is said, and is no error: a machine that is slow today is slow for every way of a table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Final

from tests.bench import (
    first_paint,
    flag_kill,
    flag_watch,
    fold,
    git_tags,
    health,
    journal_append,
    judging,
    key_to_paint,
    reaction,
    show,
    signals,
    takeback,
)
from tests.bench.measure import Table
from tests.real.install import Unavailable

BENCHES: Final[dict[str, Callable[[], list[Table]]]] = {
    "paint": first_paint.tables,
    "tags": git_tags.tables,
    "append": journal_append.tables,
    "fold": fold.tables,
    "judge": judging.tables,
    "health": health.tables,
    "reaction": reaction.tables,
    "signals": signals.tables,
    "keys": key_to_paint.tables,
    "kill": flag_kill.tables,
    "watch": flag_watch.tables,
    "takeback": takeback.tables,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Ratios, measured side by side.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHES)}; all by default")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="every sample, in seconds")
    form.add_argument("--markdown", action="store_true", help="the sections of docs/performance.md")
    wanted = parser.parse_args()
    unknown = [name for name in wanted.names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    before = show.conditions()
    found: list[Table] = []
    for name in wanted.names or BENCHES:
        begun = time.monotonic()
        try:
            tables = BENCHES[name]()
        except Unavailable as why:
            print(f"{name}: left out: {why}", file=sys.stderr)
            continue
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
        found += tables
        if not (wanted.json or wanted.markdown):
            print("\n\n".join(map(show.as_text, tables)), end="\n\n", flush=True)
    if wanted.json:
        print(show.as_json(found))
    elif wanted.markdown:
        print(f"At the start: {before}.\nAt the end: {show.conditions()}.\n\n{show.as_markdown(found)}")


if __name__ == "__main__":
    main()
