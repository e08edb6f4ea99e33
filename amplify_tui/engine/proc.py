"""Which process is that, does it live, and the lock that proves it. No journal and no child is started here.

A pid alone is never trusted: it is reused. A `Mark` adds the host and the start of the process, so a mark that
matches is the same process, and nothing else is ever signalled.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

_RECORD = 512  # a lock file is always overwritten in place with this length: that works on a full disk


class Mark(Struct, frozen=True):
    """One process, for good: `started` is an opaque text that a later process with the same pid does not share."""

    host: str
    pid: int
    started: str


def this_process() -> Mark:
    """The mark of the running process."""
    return Mark(host=socket.gethostname(), pid=os.getpid(), started=started(os.getpid()) or "unknown")


def started(pid: int) -> str | None:
    """When `pid` started, as opaque text; None when there is no such process (a zombie is none)."""
    return _started_linux(pid) if sys.platform == "linux" else _started_ps(pid)


def _started_linux(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name before may itself hold spaces and brackets
    if fields[0] in {"Z", "X"}:
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return f"{boot}/{fields[19]}"  # field 22 of proc(5): start in ticks since boot


def _started_ps(pid: int) -> str | None:
    import subprocess

    argv = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=5, env={"LC_ALL": "C"})
    state, _, since = answer.stdout.strip().partition(" ")
    return since.strip() if since and not state.startswith("Z") else None


def lives(mark: Mark) -> bool:
    """True when exactly this process lives on this host. A mark of another host is never said to live."""
    return mark.host == socket.gethostname() and started(mark.pid) == mark.started


def kill(mark: Mark) -> bool:
    """Kill (SIGKILL) exactly this process, also a stopped one; False when it does not live here, or is not ours."""
    if mark.pid == os.getpid() or not lives(mark):
        return False
    try:
        if sys.platform == "linux":
            handle = os.pidfd_open(mark.pid)
            try:
                # The handle cannot move to another process; a pid can, between the check and the signal.
                if not lives(mark):
                    return False
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)
        else:
            os.kill(mark.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class FileLock:
    """An exclusive flock that the kernel frees at the death of its holder, also after kill -9.

    The file says who holds it. It is never deleted: two processes could then hold two locks of one name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """True while this object holds the lock."""
        return self._fd is not None

    def take(self) -> bool:
        """Take the lock without waiting; False when another process (or another object) holds it."""
        if self._fd is not None:
            return True
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno in {errno.EAGAIN, errno.EACCES}:
                return False
            raise
        self._fd = fd
        # On a full disk the name of the holder may be lost; the lock itself is not.
        with contextlib.suppress(OSError):
            os.pwrite(fd, msgspec.json.encode(this_process()).ljust(_RECORD), 0)
        return True

    def holder(self) -> Mark | None:
        """Who took the lock last; None when the file does not say."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Mark)
        except (OSError, msgspec.DecodeError):
            return None

    def release(self) -> None:
        """Free the lock. Doing it twice is fine."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)
