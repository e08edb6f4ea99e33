"""From a key to its answer on the screen: idle, while 200 board values a second change, and in the smallest app.

Both states are of one cockpit process, by turns; the time between two keys varies, so that no key keeps step with the
repaint of five times a second.
"""

from __future__ import annotations

import functools
import operator
import random
import tempfile
from pathlib import Path
from typing import Final

from tests.bench.first_paint import AMPLIFY, BARE
from tests.bench.live_run import Served, serving
from tests.bench.measure import Table, Target, percentile
from tests.bench.runs import open_story, write_run
from tests.bench.terminal import Terminal

RATE: Final = 200
ROUNDS: Final = 4
KEYS: Final = 12  # a round and state
DOWN: Final = b"\x1b[B"
LEFT: Final = 29  # columns of the list of stages
UP: Final = b"\x1b[A"


def tables() -> list[Table]:
    """Medians, and the slowest keys of each round."""
    pause = random.Random(7)
    with tempfile.TemporaryDirectory(prefix="amplify-bench-") as scratch:
        run = write_run(Path(scratch), "going", open_story())
        env = {"AMPLIFY_HOME": scratch, "AMPLIFY_ACTOR": "sre"}
        with (
            serving(run) as served,
            Terminal((*AMPLIFY, "attach", "going"), env) as cockpit,
            Terminal(BARE, {}) as bare,
        ):
            cockpit.when(lambda text: "GOING 25 %" in text)
            bare.when(lambda text: "bare, pressed" in text)
            taken: dict[str, list[float]] = {"bare Textual app": [], "cockpit, idle": [], f"cockpit, {RATE}/s": []}
            small, idle, loaded = taken
            for turn in range(ROUNDS + 1):
                for way, found in (
                    (small, _count_keys(bare, pause)),
                    (idle, _select_keys(cockpit, served, 0, pause)),
                    (loaded, _select_keys(cockpit, served, RATE, pause)),
                ):
                    if turn:
                        taken[way] += found
            served.change(0)
            drawn = {rate: _drawn(cockpit, served, rate) for rate in (0, RATE)}
    return _judged({way: tuple(found) for way, found in taken.items()}, drawn)


def _count_keys(bare: Terminal, pause: random.Random) -> list[float]:
    found = []
    for _ in range(KEYS):
        bare.settle(pause.uniform(0.05, 0.15))
        before = bare.text
        pressed = bare.press(b" ")
        found.append(bare.when(functools.partial(operator.ne, before)) - pressed)
    return found


def _select_keys(cockpit: Terminal, served: Served, rate: int, pause: random.Random) -> list[float]:
    """Moves the selection down and up again: the answer is that it stands on another line."""
    served.change(rate)
    cockpit.settle(0.5)
    found = []
    for number in range(KEYS):
        cockpit.settle(pause.uniform(0.05, 0.15))
        before = cockpit.marked(LEFT)
        pressed = cockpit.press(UP if number % 2 else DOWN)
        found.append(cockpit.when(functools.partial(_has_moved, cockpit, before)) - pressed)
    return found


def _drawn(cockpit: Terminal, served: Served, rate: int) -> float:
    """Bytes a second that the cockpit writes of its own accord: the proof that the load arrives, and how much shows."""
    served.change(rate)
    cockpit.settle(0.5)
    before = cockpit.received
    cockpit.settle(2.0)
    return (cockpit.received - before) / 2.0


def _has_moved(cockpit: Terminal, before: tuple[str, ...], text: str) -> bool:
    return cockpit.marked(LEFT) != before


def _judged(samples: dict[str, tuple[float, ...]], drawn: dict[int, float]) -> list[Table]:
    _, idle, loaded = samples
    slowest = {
        f"{way}, p95 of a round": tuple(percentile(taken[at : at + KEYS], 0.95) for at in range(0, len(taken), KEYS))
        for way, taken in samples.items()
    }
    note = (
        "The key moves the selection; what counts is the output after which it stands on another line. Unasked, the "
        f"cockpit writes {drawn[0]:.0f} bytes a second idle and {drawn[RATE]:.0f} under load: most of the {RATE} values "
        "are instances that it counts and does not list, so this is no table of as many visible cells."
    )
    return [
        Table("keys", "Key to paint", samples, (Target(loaded, idle, 3.0, "an aspiration"),), note),
        Table("keys-p95", "The slowest keys", slowest),
    ]
