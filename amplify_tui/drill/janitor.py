"""The sandbox's janitor: outlives a killed parent by a moment, ends what it left running, and removes its folder.

A process of its own that does nothing else, so that nothing of it can hang. Also the sweep of what an earlier sandbox
left behind where even the janitor was killed.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import signal
import time
from pathlib import Path

from amplify_tui.drill import lifeline

GRACE = 1.0  # seconds in which the others leave by themselves; they need milliseconds
PREFIX = "amplify-sandbox-"
KEEP = "keep"  # the file that says so


def tidy(folder: Path, *, keep: bool, grace: float = GRACE) -> None:
    """End the processes of *folder* whose owner is gone, and remove it unless it is to be kept."""
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and _others(folder):
        time.sleep(0.02)
    lifeline.kill_left(folder, spare=os.getpid())
    if keep:
        return
    for _attempt in range(20):  # a dying process may still write its last line
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.02)


def sweep(parent: Path) -> list[Path]:
    """Tidy the sandboxes under *parent* whose owner no longer runs; the folders it removed.

    A folder that was kept on purpose has no list of pids any more, or a marker, and stays.
    """
    swept = []
    for folder in sorted(parent.glob(PREFIX + "*")):
        running = lifeline.processes(folder)
        orphaned = (folder / lifeline.PIDS).exists() and all(name != "owner" for name, _pid in running)
        if orphaned and not (folder / KEEP).exists():
            tidy(folder, keep=False, grace=0.0)
            swept.append(folder)
    return swept


def _others(folder: Path) -> bool:
    return any(pid != os.getpid() and name != "owner" for name, pid in lifeline.processes(folder))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it goes last
    os.chdir("/")  # its own working directory is about to go
    # Not a plain read: the other children made the pipe non-blocking, and that flag is shared by all who hold it.
    select.select([options.lifeline], [], [])  # until the parent is gone
    tidy(options.folder, keep=options.keep)


if __name__ == "__main__":
    main()
