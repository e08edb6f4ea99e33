"""What a command prints: taken from the file it prints into, line by line, cleaned, with a limit on everything.

A command writes into files, not into pipes: it then outlives the conductor that started it (a broken pipe
would end it half way), and a grandchild that keeps its output open holds up nobody. This module only reads.
"""

from __future__ import annotations

import codecs
import os
from collections import deque
from collections.abc import Callable
from typing import IO, Final, Literal, TypeAlias

from amplify_tui.adapters.clean import clean

LINE_LIMIT: Final = 2_000
TEXT_LIMIT: Final = 16 * 1024
HEAD_LIMIT: Final = 256 * 1024
TOTAL_LIMIT: Final = 1024 * 1024
_CHUNK: Final = 256 * 1024
_PENDING: Final = 16 * LINE_LIMIT
_CHUNKS_A_POLL: Final = 4
_BACKLOG: Final = 8 * 1024 * 1024
_RAW_LIMIT: Final = 64 * 1024 * 1024

Stream: TypeAlias = Literal["out", "err"]
OnLine: TypeAlias = Callable[[Stream, str], None]
Redact: TypeAlias = Callable[[str], str]


class Tail:
    """The last lines of a text, at most `TEXT_LIMIT` bytes of UTF-8 once joined."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._size = 0

    def add(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line.encode()) + 1
        while self._size > TEXT_LIMIT + 1:
            self._size -= len(self._lines.popleft().encode()) + 1

    def __str__(self) -> str:
        return "\n".join(self._lines)


class Follower:
    """Reads one growing file and hands on its whole lines."""

    def __init__(self, file: IO[bytes], stream: Stream, take: OnLine, redact: Redact) -> None:
        self._file = file
        self._stream = stream
        self._take = take
        self._redact = redact
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self._at = 0
        self._is_dropping = False
        self._head = bytearray()
        self.is_head_whole = True

    @property
    def head(self) -> str:
        """The beginning of all that was printed, at most `HEAD_LIMIT` bytes, as it was but for what is redacted."""
        return self._redact(self._head.decode("utf-8", "replace"))

    def poll(self) -> None:
        """Takes what was printed since the last time. Of a flood only the end is taken, so this takes no time."""
        printed = os.fstat(self._file.fileno()).st_size
        if printed - self._at > _BACKLOG:
            self._at = printed - _CHUNK
            self._is_dropping = True
            self.is_head_whole = False
        for _ in range(_CHUNKS_A_POLL):
            chunk = os.pread(self._file.fileno(), _CHUNK, self._at)
            if not chunk:
                break
            self._take_chunk(chunk)
        if printed > _RAW_LIMIT:
            # A runaway command must not fill the disk that the journal is on. The file is open for
            # appending at both ends: its writer goes on at the new end.
            os.ftruncate(self._file.fileno(), 0)
            self._at = 0

    def finish(self) -> None:
        """Takes the rest, and the last line even where it has no end."""
        self.poll()
        while chunk := os.pread(self._file.fileno(), _CHUNK, self._at):
            self._take_chunk(chunk)
            if self._at > _RAW_LIMIT:  # somebody goes on printing
                break
        self._feed(self._decoder.decode(b"", final=True))
        if self._pending and not self._is_dropping:
            self._hand_on(self._pending)
        self._pending = ""

    def _take_chunk(self, chunk: bytes) -> None:
        self._at += len(chunk)
        if self.is_head_whole:
            self._head += chunk[: HEAD_LIMIT - len(self._head)]
            self.is_head_whole = self._at <= HEAD_LIMIT
        self._feed(self._decoder.decode(chunk))

    def _feed(self, text: str) -> None:
        *lines, self._pending = (self._pending + text).split("\n")
        for line in lines:
            if self._is_dropping:
                self._is_dropping = False
            else:
                self._hand_on(line)
        if len(self._pending) > _PENDING:  # a line of a megabyte: its beginning is shown at once, the rest never
            if not self._is_dropping:
                self._hand_on(self._pending)
            self._is_dropping = True
            self._pending = ""

    def _hand_on(self, line: str) -> None:
        # A progress bar draws over itself: what a terminal would show last is what counts.
        shown = line.rstrip("\r").rpartition("\r")[2]
        self._take(self._stream, clean(self._redact(shown), LINE_LIMIT))


class Collector:
    """Gathers the lines of both streams: to the callback and the log up to a limit, and the last ones always."""

    def __init__(self, log: IO[str] | None, on_line: OnLine | None) -> None:
        self._log = log
        self._on_line = on_line
        self._told = 0
        self._is_full = False
        self.tail = Tail()

    def __call__(self, stream: Stream, line: str) -> None:
        self.tail.add(line)
        if self._is_full:
            return
        self._told += len(line) + 1
        self._is_full = self._told > TOTAL_LIMIT
        self._tell(stream, "… more output is left out here; only its end is kept" if self._is_full else line)

    def close(self) -> None:
        """Where lines were left out of the log, its end is what the command said last."""
        if self._is_full and self._log is not None:
            self._log.write(f"{self.tail}\n")

    def _tell(self, stream: Stream, line: str) -> None:
        if self._log is not None:
            self._log.write(f"{'! ' if stream == 'err' else '  '}{line}\n")
            self._log.flush()
        if self._on_line is not None:
            self._on_line(stream, line)
