"""Which process an effect started, kept on disk, so that a later conductor on this host can wait for it or end it.

A pid alone names nobody: it is used again. A record therefore holds the pid with the start time that the
kernel gives, the boot it belongs to and the host. No argv and no environment are kept: they may hold
secrets.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

POLL: Final = 0.05
_GRACE: Final = 2.0
_AFTER_KILL: Final = 5.0
_PS_TIMEOUT: Final = 5.0

Ended = Literal["ended", "was gone", "still there", "elsewhere"]


class Started(Struct, frozen=True, kw_only=True):
    """A process that leads its own group. `deadline` is when its own timeout ends (Unix seconds)."""

    pid: int
    start: str
    boot: str
    host: str
    at: float
    deadline: float | None = None

    @property
    def is_of_this_host(self) -> bool:
        return self.host == socket.gethostname()

    def is_running(self) -> bool:
        """Whether this very process runs here now. False on another host, where nobody can tell from here."""
        return self.is_of_this_host and self.boot == _boot() and _start_of(self.pid) == self.start


def remember(path: Path, pid: int, deadline: float | None) -> Started:
    """Writes down that *pid* runs, whole or not at all; returns what was written."""
    record = Started(
        pid=pid,
        start=_start_of(pid) or "",
        boot=_boot(),
        host=socket.gethostname(),
        at=time.time(),
        deadline=deadline,
    )
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(msgspec.json.encode(record))
    draft.replace(path)
    return record


def read(path: Path) -> Started | None:
    """What was written down, or None where nothing readable is: then nothing is known of a process."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Started)
    except (OSError, msgspec.DecodeError):
        return None


def still_running(path: Path) -> Started | None:
    """The recorded process, if it runs on this host now.

    None also where the record is of another host: look at `read(path)`, whose `deadline` bounds what is not
    known.
    """
    record = read(path)
    return record if record is not None and record.is_running() else None


async def wait_gone(path: Path, timeout: float) -> bool:  # noqa: ASYNC109 - the answer at the end of it is a value
    """Whether the recorded process ended within *timeout* seconds. How, nobody can know: it is not our child."""
    record = read(path)
    return record is None or await _gone_within(record, timeout)


async def end(path: Path, grace: float = _GRACE) -> Ended:
    """Ends the recorded process with its group: SIGTERM, *grace* seconds, SIGKILL. Never touches a pid used again."""
    record = read(path)
    if record is None:
        return "was gone"
    if not record.is_of_this_host:
        return "elsewhere"
    if not record.is_running():
        return "was gone"
    signal_group(record.pid, signal.SIGTERM)
    if await _gone_within(record, grace):
        # What the leader left behind is still in its group, and a group that has members keeps its number.
        signal_group(record.pid, signal.SIGKILL)
        return "ended"
    signal_group(record.pid, signal.SIGKILL)
    return "ended" if await _gone_within(record, _AFTER_KILL) else "still there"


def signal_group(pgid: int, number: signal.Signals | Literal[0]) -> bool:
    """Sends a signal to a whole group; False where nobody is in it any more."""
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return False
    return True


async def _gone_within(record: Started, seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while record.is_running():
        if time.monotonic() >= ends:
            return False
        await asyncio.sleep(POLL)
    return True


def _start_of(pid: int) -> str | None:
    """When *pid* started, in the kernel's own words; None where it does not run (a zombie has ended)."""
    if not sys.platform.startswith("linux"):
        return _start_by_ps(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything, parentheses too
    return None if fields[0] in "ZX" else fields[19]


def _start_by_ps(pid: int) -> str | None:
    argv = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_PS_TIMEOUT).stdout.strip()
    return None if not said or said.startswith("Z") else said.partition(" ")[2].strip()


def _boot() -> str:
    """What tells this boot from the next; "" where the system has no name for it (start times then hold the date)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
