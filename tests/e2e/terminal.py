"""A program in a pseudo terminal, and what its screen shows. Nothing here knows what runs in it.

Everything waits for something to be on the screen (or for the end), with a deadline that is far away: a test that fails
shows the screen, and a slow machine only makes it slower.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pexpect
import pyte

WITHIN = 30.0  # seconds; what takes longer says so itself
LOOK = 0.05  # how long one read of the terminal blocks
KEYS = {"enter": "\r", "escape": "\x1b", "tab": "\t", "up": "\x1b[A", "down": "\x1b[B", "ctrl+p": "\x10"}


class Terminal:
    """*argv* in a terminal of *columns* x *rows*. `raw` is all that it ever wrote."""

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        columns: int = 120,
        rows: int = 40,
        cwd: Path | None = None,
    ) -> None:
        self.raw = ""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self._child = pexpect.spawn(
            argv[0],
            list(argv[1:]),
            env=dict(env),
            cwd=str(cwd) if cwd else None,
            dimensions=(rows, columns),
            encoding="utf-8",
            codec_errors="replace",
            timeout=None,
        )
        self._child.delaybeforesend = None
        self._child.ptyproc.delayafterclose = self._child.ptyproc.delayafterterminate = 0.02

    @property
    def pid(self) -> int:
        return int(self._child.pid)

    @property
    def text(self) -> str:
        """The screen as a person sees it, without the blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def press(self, *keys: str) -> None:
        """Send keys: a name of KEYS, or the text as it is."""
        for key in keys:
            self._child.send(KEYS.get(key, key))

    def shows(self, pattern: str, *, within: float = WITHIN) -> re.Match[str]:
        """Wait until the screen matches the regular expression *pattern*."""
        return self._until(pattern, lambda: re.search(pattern, self.text), within)

    def lacks(self, pattern: str, *, within: float = WITHIN) -> None:
        """Wait until the screen does not match *pattern* any more."""
        self._until(f"not {pattern}", lambda: None if re.search(pattern, self.text) else _GONE, within)

    def printed(self, pattern: str, *, within: float = WITHIN) -> re.Match[str]:
        """Wait until *pattern* is anywhere in all that was written: for plain lines that scroll away."""
        return self._until(pattern, lambda: re.search(pattern, self.raw), within)

    def ends(self, *, within: float = WITHIN) -> int:
        """Wait until the program ends. Its exit status; negative: the number of the signal."""
        self._until("its end", lambda: None if self._read() else _GONE, within)
        self._child.close()
        code = self._child.exitstatus
        return int(code) if code is not None else -int(self._child.signalstatus or 0)

    def kill(self, number: signal.Signals) -> None:
        self._child.kill(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._child.close(force=True)

    def _until(self, what: str, look: object, within: float) -> re.Match[str]:
        assert callable(look)
        deadline = time.monotonic() + within
        alive = True
        while (found := look()) is None:
            assert alive, f"it ended before {what!r} was seen:\n{self.text}"
            assert time.monotonic() < deadline, f"no {what!r} after {within:g} s:\n{self.text}"
            alive = self._read()
        assert isinstance(found, re.Match)
        return found

    def _read(self) -> bool:
        """Take in what was written within LOOK seconds; False where nothing more can come."""
        try:
            new = self._child.read_nonblocking(65536, LOOK)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += new
        self._stream.feed(new)
        return True


_GONE = re.compile("").match("")
