"""Which process an effect started, kept on disk, so that a later conductor on this host can wait for it or end it.

A pid alone names nobody: it is used again. A record therefore holds the pid with the start time that the
kernel gives, the boot it belongs to and the host. No argv and no environment are kept: they may hold
secrets.

| the record says | what is known of the command |
| --- | --- |
| there is none | it never ran: it waits at a gate (gate.py) until its record is on the disk |
| a process that runs | it runs |
| a process that is gone, `exit` | it ended by itself, with that status |
| a process that is gone, `stopped` or without an `exit` | nothing: it may have come to any point |
| `never` | it never ran, and never will: a later conductor took its place (`refuse`) |
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

POLL: Final = 0.05
_GRACE: Final = 2.0
_AFTER_KILL: Final = 5.0
_PS_TIMEOUT: Final = 5.0

Ended = Literal["ended", "was gone", "still there", "elsewhere"]


# A file system without hard links: exFAT, some network mounts.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


class Started(Struct, frozen=True, kw_only=True):
    """A process that leads its own group. `deadline` is when its own timeout ends (Unix seconds).

    exit: its status, once it has ended by itself in the sight of the conductor that started it. never: no process at
    all; nothing may be started under this record. stopped: somebody ended it (`end`), so its status proves nothing.
    """

    pid: int
    start: str
    boot: str
    host: str
    at: float
    deadline: float | None = None
    exit: int | None = None
    never: bool = False
    stopped: bool = False

    @property
    def is_of_this_host(self) -> bool:
        return self.host == socket.gethostname()

    def is_running(self) -> bool:
        """Whether this very process runs here now. False on another host, where nobody can tell from here."""
        alive = self.is_of_this_host and self.boot == _boot() and not self.never
        return alive and _start_of(self.pid) == self.start


def remember(path: Path, pid: int, deadline: float | None) -> Started:
    """Writes down that *pid* runs, whole or not at all, and on the disk when this returns; returns what was written.

    Raises FileExistsError where the record was refused, OSError where it cannot be written: then it must not run.
    """
    record = _record(pid, _start_of(pid) or "", deadline)
    if not _write_first(path, record):
        if (there := read(path)) is not None and there.never:
            raise FileExistsError(f"{path.name} is refused")
        _replace(path, record)
    return record


def ended(path: Path, status: int) -> None:
    """Adds to the record how its process ended, seen by whoever started it."""
    record = read(path)
    if record is not None:
        _replace(path, msgspec.structs.replace(record, exit=status))


def refuse(path: Path) -> bool:
    """Whether nothing was ever started under this record; if so, nothing will be.

    The first who writes wins: a conductor that was only asleep finds the refusal, and starts nothing. False also where
    the record cannot be read: then nothing is known. Raises OSError where the refusal cannot be written.
    """
    if not path.exists():
        _write_first(path, msgspec.structs.replace(_record(0, "", None), never=True))
    there = read(path)
    return there is not None and there.never


def _record(pid: int, start: str, deadline: float | None) -> Started:
    return Started(pid=pid, start=start, boot=_boot(), host=socket.gethostname(), at=time.time(), deadline=deadline)


def _write_first(path: Path, record: Started) -> bool:
    """Writes the record where there is none; False where there is one."""
    draft = _drafted(path, record)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as refused:
        if refused.errno not in _NO_LINKS:
            raise
        if not _created(path, draft.read_bytes()):
            return False
    finally:
        draft.unlink()
    _settle(path.parent)
    return True


def _created(path: Path, body: bytes) -> bool:
    """Writes the file where there is none. Cut off half way it is there and unreadable: then nothing is known."""
    try:
        with path.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    return True


def _replace(path: Path, record: Started) -> None:
    _drafted(path, record).replace(path)
    _settle(path.parent)


def _drafted(path: Path, record: Started) -> Path:
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(record))
        file.flush()
        os.fsync(file.fileno())
    return draft


def _settle(folder: Path) -> None:
    """A name is on the disk once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    with suppress(OSError):  # a full disk does not keep it running
        _replace(path, msgspec.structs.replace(record, stopped=True))
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
