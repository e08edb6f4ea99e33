"""A home and a temporary folder of a test's own: there its runs are kept, and its worlds' processes listed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from amplify_tui.drill import janitor, lifeline

AMPLIFY = (sys.executable, "-m", "amplify_tui")
WITHIN = 90.0
Process = tuple[str, int, str]  # its name, its pid and its start time: a pid alone may be a stranger's later


class Place:
    """One test's corner of the machine."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        # A socket's path has to be short, and a test's own folder may lie deep.
        self.temporary = Path(tempfile.mkdtemp(prefix="amp-"))
        self.env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {
            "AMPLIFY_HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
        }

    def amplify(self, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command that ends by itself, without a terminal."""
        return subprocess.run(
            [*AMPLIFY, *args], env=self.env | more, capture_output=True, text=True, timeout=WITHIN, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def worlds(self) -> list[Path]:
        """The folders of the sandboxes that are there."""
        return sorted(self.temporary.glob(janitor.PREFIX + "*"))

    def processes(self) -> list[Process]:
        """Every process of every sandbox that runs here, the conductor of a demo among them."""
        found = [entry for world in self.worlds() for entry in lifeline.processes(world)]
        return [(name, pid, lifeline.start_time(pid)) for name, pid in found]

    def run(self) -> str:
        """The id of the only run."""
        (folder,) = (self.home / "runs").iterdir()
        return folder.name


def alive(processes: list[Process]) -> list[str]:
    """The names of those that still run."""
    return [name for name, pid, start in processes if lifeline.start_time(pid) == start]


def until(look: Callable[[], bool], what: str, within: float = WITHIN) -> None:
    """Wait until *look* says so; fails the test where it does not in time."""
    deadline = time.monotonic() + within
    while not look():
        assert time.monotonic() < deadline, f"{what}: not within {within:g} s"
        time.sleep(0.02)
