"""From exec to a screen that says something: the cockpit, as a person opens it, against the smallest Textual app."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.bench.live_run import serving
from tests.bench.measure import Table, Target, Way, by_turns
from tests.bench.runs import closed_story, open_story, write_run
from tests.bench.terminal import Terminal

ROUNDS: Final = 7
BARE: Final = (sys.executable, "-m", "tests.bench.bare_app")
AMPLIFY: Final = (sys.executable, "-m", "amplify_tui")


def paints(argv: Sequence[str], env: Mapping[str, str], words: str) -> Way:
    """Seconds until *words* stand on the screen of a fresh process."""

    def once() -> float:
        with Terminal(argv, env) as terminal:
            return terminal.when(lambda text: words in text) - terminal.begun

    return once


def tables() -> list[Table]:
    """A run that is over, read from its journal, and a run that goes on, over its conductor's socket."""
    with tempfile.TemporaryDirectory(prefix="amplify-bench-") as scratch:
        home = Path(scratch)
        env = {"AMPLIFY_HOME": scratch, "AMPLIFY_ACTOR": "sre"}
        write_run(home, "closed", closed_story())
        going = write_run(home, "going", open_story())
        with serving(going):
            samples = by_turns(
                {
                    "bare Textual app": paints(BARE, env, "bare, pressed"),
                    "cockpit on a run that goes on": paints((*AMPLIFY, "attach", "going"), env, "GOING 25 %"),
                    "cockpit on a closed run": paints((*AMPLIFY, "attach", "closed"), env, "DONE completed"),
                },
                ROUNDS,
            )
    bare, going_on, closed = samples
    return [
        Table(
            "paint",
            "Start to first paint, with data",
            samples,
            (Target(going_on, bare, 2.0), Target(closed, bare, 2.0)),
            "A fresh process on a 120 x 40 pseudo terminal, warm cache; the paint counts that shows the run's state.",
        )
    ]
