"""A program in a pseudo terminal, and what its screen shows. Nothing here knows what runs in it.

Everything waits for something to be on the screen (or for the end), with a deadline that is far away: a test that fails
shows the screen, and a slow machine only makes it slower.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pexpect
import pyte

WITHIN = 90.0  # seconds; what takes longer says so itself
AGAIN = 1.0  # after that long an Enter is no repeat of the one before
STAYS = 0.7  # seconds that the focus has to stand still
ALTERNATE = 1049
LOOK = 0.05  # how long one read of the terminal blocks
KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "ctrl+p": "\x10",
}
GONE = re.match("", "")  # a match, for what is waited for by its absence


class _Screen(pyte.Screen):
    """pyte has one screen alone: leaving the alternate one clears it, so that nothing old is taken for shown."""

    def reset_mode(self, *modes: int, **options: Any) -> None:
        super().reset_mode(*modes, **options)
        if ALTERNATE in modes:
            self.reset()


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
        self._screen = _Screen(columns, rows)
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
        self._until(f"not {pattern}", lambda: None if re.search(pattern, self.text) else GONE, within)

    def printed(self, pattern: str, *, within: float = WITHIN) -> re.Match[str]:
        """Wait until *pattern* is anywhere in all that was written: for plain lines that scroll away."""
        return self._until(pattern, lambda: re.search(pattern, self.raw), within)

    def ends(self, *, within: float = WITHIN) -> int:
        """Wait until the program ends. Its exit status; negative: the number of the signal."""
        self._until("its end", lambda: None if self._read() else GONE, within)
        self._child.close()
        code = self._child.exitstatus
        return int(code) if code is not None else -int(self._child.signalstatus or 0)

    def answer(self, title: str, label: str) -> None:
        """Press the button *label* (a regular expression) in the dialog *title*, as a person does: wait for it, walk
        to it, Enter, and again where the dialog took the Enter for the repeat of a held key.
        """
        self.shows(title)
        deadline = time.monotonic() + WITHIN
        while not self._stays_on(label):  # what is not armed yet is walked over
            assert time.monotonic() < deadline, f"the focus never came to {label!r}:\n{self.text}"
            before = self._reversed()
            self.press("tab")
            self._soon(lambda seen=before: self._reversed() != seen)  # type: ignore[misc]
        while re.search(title, self.text):
            assert time.monotonic() < deadline, f"{label!r} did not close {title!r}:\n{self.text}"
            self.press("enter")
            self._soon(lambda: not re.search(title, self.text))

    def type_into(self, label: str, words: str) -> None:
        """Type *words* into the field under *label* (a regular expression), the nearest one to where the focus is."""
        self.shows(label)
        there = label + r".*\n.*" + re.escape(words)
        deadline = time.monotonic() + WITHIN
        while True:
            self.press(words)
            self._soon(lambda: re.search(there, self.text) is not None)
            if re.search(there, self.text):
                return
            assert time.monotonic() < deadline, f"{words!r} never came under {label!r}:\n{self.text}"
            self.press("shift+tab")  # a button had the focus, which no letter presses

    def _reversed(self) -> list[str]:
        """The runs of cells that are drawn reversed, without their blanks: among them the focused button's label."""
        runs = []
        for y in range(self._screen.lines):
            row = [self._screen.buffer[y][x] for x in range(self._screen.columns)]
            runs += [
                "".join(c.data for c in run) for is_reversed, run in groupby(row, lambda c: c.reverse) if is_reversed
            ]
        return [run.strip() for run in runs]

    def _stays_on(self, label: str) -> bool:
        """Whether the focus is on *label* and stays there: on a busy machine a Tab too many is still on its way."""
        until = time.monotonic() + STAYS
        while is_on := any(re.fullmatch(label, run) for run in self._reversed()):
            if time.monotonic() >= until or not self._read():
                break
        return is_on

    def _soon(self, look: Callable[[], bool]) -> None:
        """Read on until *look* is true, or for AGAIN seconds: the caller looks again, and has a deadline."""
        until = time.monotonic() + AGAIN
        while not look() and time.monotonic() < until and self._read():
            pass

    def kill(self, number: signal.Signals) -> None:
        self._child.kill(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._child.isalive():
            self._child.kill(signal.SIGKILL)
            self._child.wait()
        self._child.close()

    def _until(self, what: str, look: Callable[[], re.Match[str] | None], within: float) -> re.Match[str]:
        deadline = time.monotonic() + within
        alive = True
        while (found := look()) is None:
            assert alive, f"it ended before {what!r} was seen:\n{self.text}"
            assert time.monotonic() < deadline, f"no {what!r} after {within:g} s:\n{self.text}"
            alive = self._read()
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
