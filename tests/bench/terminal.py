"""A program on a pseudo terminal with an emulated screen, and the moment at which something stands on it.

Chunks are time-stamped as they are read, and emulated afterwards: emulation never delays a stamp that counts.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import pyte

COLUMNS: Final = 120
ROWS: Final = 40
QUIET: Final = 0.05  # seconds without output after which the screen is looked at
# What a terminal is asked at the start, and answers: a program that waits for an answer must not be punished for it.
_ANSWERS: Final = (
    (re.compile(rb"\x1b\[c"), b"\x1b[?62;22c"),
    (re.compile(rb"\x1b\[6n"), b"\x1b[1;1R"),
    (re.compile(rb"\x1b\[\?u"), b"\x1b[?0u"),
    (re.compile(rb"\x1b\[\?2026\$p"), b"\x1b[?2026;2$y"),
    (re.compile(rb"\x1b\[\?2048\$p"), b"\x1b[?2048;0$y"),
    (re.compile(rb"\x1b\]11;\?(?:\x07|\x1b\\)"), b"\x1b]11;rgb:0000/0000/0000\x1b\\"),
    (re.compile(rb"\x1b\]10;\?(?:\x07|\x1b\\)"), b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\"),
)
# Private sequences that pyte would print as text.
_STRIPPED: Final = re.compile(
    rb"\x1b\[[<>=?][0-9;]*u|\x1b\[>[0-9;]*[a-zA-Z]|\x1bP[^\x1b]*\x1b\\|\x1b_[^\x1b]*\x1b\\|\x1b\[\?[0-9;]*\$p|\x1b\[[0-9;]*t"
)

Seen = Callable[[str], object]


class NotSeenError(Exception):
    """What was waited for did not come; the text is what stood on the screen instead."""


class Terminal:
    """Runs *argv* on a pty of 120 x 40; use it as a context manager. Only the child started here is ended."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._waiting: list[tuple[bytes, float]] = []
        self._is_open = True
        self.received = 0
        full = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **env}
        for name in ("LINES", "COLUMNS", "NO_COLOR"):
            full.pop(name, None)
        self.begun = time.perf_counter()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:  # the child: nothing but the size and exec
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execvpe(argv[0], list(argv), full)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            if self._is_gone_within(patience):
                break
        os.close(self._fd)

    @property
    def text(self) -> str:
        """What stands on the screen, as far as it was emulated."""
        return "\n".join(self._screen.display)

    def marked(self, columns: int) -> tuple[str, ...]:
        """The lines that have an inverted cell within the first *columns*: where a selection stands."""
        cells = self._screen.buffer
        return tuple(
            line for y, line in enumerate(self._screen.display) if any(cells[y][x].reverse for x in range(columns))
        )

    def press(self, key: bytes) -> float:
        """Send a key; the moment of sending."""
        at = time.perf_counter()
        os.write(self._fd, key)
        return at

    def when(self, seen: Seen, within: float = 30.0) -> float:
        """The moment at which the output came that made *seen* true of the screen. Raises NotSeenError."""
        end = time.perf_counter() + within
        while time.perf_counter() < end and self._is_open:
            is_quiet = not self._read(QUIET)
            # A program that never falls silent is looked at all the same.
            if is_quiet or (self._waiting and time.perf_counter() - self._waiting[0][1] > 4 * QUIET):
                moment = self._emulate(seen)
                if moment is not None:
                    return moment
        raise NotSeenError(self.text)

    def settle(self, seconds: float) -> None:
        """Read and emulate what comes for so long."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0 and self._is_open:
            self._read(left)
            self._emulate(lambda _: False)

    def _read(self, timeout: float) -> bool:
        ready, _, _ = select.select([self._fd], [], [], timeout)
        at = time.perf_counter()
        if not ready:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux: the other end is closed
            data = b""
        if not data:
            self._is_open = False
            return False
        for question, answer in _ANSWERS:
            for _ in question.findall(data):
                os.write(self._fd, answer)
        self.received += len(data)
        self._waiting.append((data, at))
        return True

    def _emulate(self, seen: Seen) -> float | None:
        """Emulate what waits, up to the chunk after which *seen* holds; the moment it came."""
        while self._waiting:
            data, at = self._waiting.pop(0)
            self._stream.feed(_STRIPPED.sub(b"", data))
            if seen(self.text):
                return at
        return None

    def _is_gone_within(self, patience: float) -> bool:
        """Reads on while the child ends: one that writes its last screen must not wait for us."""
        end = time.perf_counter() + patience
        while time.perf_counter() < end:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return True
            if not self._read(0.02) and not self._is_open:
                return bool(os.waitpid(self.pid, 0)[0])
            self._waiting.clear()
        return False
