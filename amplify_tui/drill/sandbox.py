"""`amplify sandbox`: one world alone, one line of JSON, until it is told to end. What the command line calls."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from amplify_tui.drill.world import Injection, start_world

LOOK = 0.5  # seconds between two looks whether a process of the world has fallen
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_sandbox(
    *, folder: Path | None = None, seed: int = 42, inject: Injection | None = None, after_percent: float = 10,
    keep: bool = False,
) -> int:  # fmt: skip
    """Start a world, print its facts as one line, wait for SIGINT, SIGTERM or SIGHUP, and end all of it.

    The exit status: 0 when it was told to end, 1 when a process of the world ended by itself (said on standard error).
    Call it from the main thread; standard input is never read. Raises WorldError where it cannot start.
    """
    told = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        told.set()

    before = {number: signal.signal(number, stop) for number in STOPS}  # also where a shell's & made SIGINT ignored
    try:
        with start_world(folder, seed=seed, inject=inject, after_percent=after_percent, keep=keep) as world:
            sys.stdout.write(json.dumps(world.facts()) + "\n")
            sys.stdout.flush()
            while not told.wait(LOOK):
                fallen = world.fallen()
                if fallen is not None:
                    sys.stderr.write(f"the sandbox's {fallen} ended by itself; the sandbox ends\n")
                    return 1
        return 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
