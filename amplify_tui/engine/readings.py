"""The readings of a run's signals, written beside its journal: to be tried again with other limits (`backtest`).

They are no part of the journal: nothing is decided by them later, and a disk that takes no more of them stops no run.
The newest 16 to 32 MiB are kept, some days of a dozen signals.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from amplify_tui.adapters.recorded import line_of
from amplify_tui.verdict.model import Reading

MOST: Final = 16 * 1024 * 1024

_log = logging.getLogger(__name__)


class Readings:
    """Appends to *path*; when it is full it becomes the older half, and what was the older half is gone."""

    def __init__(self, path: Path, most: int = MOST) -> None:
        self._path = path
        self._most = most
        self._file: IO[str] | None = None
        self._told = False

    def add(self, reading: Reading) -> None:
        """One reading more. Never raises for a disk: says so once in the log."""
        try:
            file = self._file = self._file or self._open()
            file.write(json.dumps(line_of(reading), ensure_ascii=False) + "\n")
            file.flush()
            if file.tell() >= self._most:
                self.close()
                self._path.replace(older(self._path))
        except OSError as error:
            if not self._told:
                _log.warning("readings are not kept in %s: %s", self._path, error)
            self._told = True

    def _open(self) -> IO[str]:
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        file = os.fdopen(fd, "a", encoding="utf-8")
        if file.tell():
            file.write("\n")  # the line before may have been cut off by a crash
        return file

    def close(self) -> None:
        """Close the file; the next reading opens it again."""
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):  # what a full disk did not take is lost; nobody waits for it
                file.close()


def older(path: Path) -> Path:
    """Where the older half of the readings in *path* lies."""
    return path.with_name(f"{path.name}.1")


def last_kept(path: Path) -> float | None:
    """When the last reading was kept (Unix seconds); None where none is there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def kept(path: Path) -> Iterator[str]:
    """Every line that was kept, oldest first; none where nothing was. A line that a crash cut off is left out."""
    for file in (older(path), path):
        if not file.is_file():
            continue
        with file.open(encoding="utf-8", errors="replace") as handle:
            for line in handle:
                if line.startswith("{") and line.endswith("}\n"):
                    yield line.rstrip("\n")
