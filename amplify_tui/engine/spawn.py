"""Starting processes that outlive us, and processes that must not. Nothing here knows what they run.

Outliving: a session of its own and no inherited terminal (with one, the first print after a hangup raises EIO).
Not outliving: a pipe whose write end only the parent has. Its two holes, each seen: a stopped child does not read it
(PDEATHSIG kills that one on Linux, `sweep` at the next start elsewhere), and a write end inherited by any child keeps
all alive (so it is never inheritable, and only the read end is passed).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from amplify_tui.engine import proc
from amplify_tui.engine.client import RunClient, UnreachableError
from amplify_tui.engine.proc import Mark

READY_SECONDS: Final = 30.0
_PR_SET_PDEATHSIG: Final = 1
_TAIL_BYTES: Final = 2000


class NotStartedError(Exception):
    """The process ended, or did not listen in time; the text has the end of its log."""


class Child:
    """A detached process. Its parent may forget it: it is not ended with us."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.pid = process.pid
        self.log = log
        self._process = process

    def ended(self) -> int | None:
        """Its exit status (negative: the signal), None while it runs. Also reaps it."""
        return self._process.poll()

    def log_tail(self) -> str:
        """The last lines of its log."""
        try:
            return self.log.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
        except FileNotFoundError:
            return ""


def detach(argv: Sequence[str], log: Path) -> Child:
    """Start a process in a session of its own, with nothing of our terminal; its output is appended to `log`.

    Closing stdin and stdout instead would give descriptor 0 to the next opened file, which could be a journal.
    """
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=fd, stderr=fd, start_new_session=True, umask=0o077
        )
    finally:
        os.close(fd)
    return Child(process, log)


async def wait_ready(run_dir: Path, child: Child, *, within: float = READY_SECONDS) -> int:
    """Wait until the conductor of this run answers; the answer is the journal's last seq. Raises NotStartedError."""
    client = RunClient(run_dir)
    try:
        async with asyncio.timeout(within):
            while True:
                try:
                    return await client.connect()
                except UnreachableError:
                    status = child.ended()
                if status is not None:
                    raise NotStartedError(_why(f"the process ended with status {status} before it listened", child))
                await asyncio.sleep(0.02)
    except TimeoutError as error:
        raise NotStartedError(_why(f"the process {child.pid} does not listen after {within:g} s", child)) from error
    finally:
        await client.close()


def _why(what: str, child: Child) -> str:
    tail = child.log_tail()
    return f"{what}; its log {child.log} ends with:\n{tail}" if tail else f"{what}; its log {child.log} is empty"


class DeathPipe:
    """Held by a parent whose children must end with it: pass `read_fd` to each by `pass_fds`, and to `watch_parent`.

    Closing it, or dying in any way, ends the children.
    """

    def __init__(self) -> None:
        # Both ends are made non-inheritable (PEP 446); `pass_fds` makes the read end inheritable in the child only.
        self.read_fd, self._write_fd = os.pipe()
        self._open = True

    def close(self) -> None:
        """End the children. Doing it twice is fine."""
        if self._open:
            self._open = False
            os.close(self._write_fd)
            os.close(self.read_fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def death_pipe() -> DeathPipe:
    """A new pipe whose closing ends the children that watch it."""
    return DeathPipe()


def watch_parent(fd: int, *, parent: int | None = None) -> None:
    """End this process, at once and without cleanup, when the pipe's write end is gone. Call it in the child's loop.

    On Linux the kernel is asked too, for a stopped process cannot read: `parent` is the pid that started us, and it
    must have done so in its main thread, for the kernel means the thread. Raises OSError for an fd that is no pipe.
    """
    os.set_blocking(fd, False)
    asyncio.get_running_loop().add_reader(fd, _end_when_closed, fd)
    if parent is not None and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(0)


def _end_when_closed(fd: int) -> None:
    if os.read(fd, 1) == b"":
        os._exit(0)


def remember(path: Path, children: Iterable[Mark]) -> None:
    """Write down which processes were started, so that a later start can `sweep` those that were left over."""
    draft = path.with_suffix(".tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(msgspec.json.encode(list(children)))
    draft.replace(path)


def sweep(path: Path) -> list[Mark]:
    """Kill what was remembered and still lives, and forget it; the answer is what was killed.

    Only processes with the same pid and the same start are touched.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=list[Mark])
    except (FileNotFoundError, msgspec.DecodeError):
        return []
    killed = [mark for mark in found if proc.kill(mark)]
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    return killed
