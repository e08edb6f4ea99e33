"""How Amplify opens any SQLite file of its own, and what a SQLite error means. The only room that names SQLite's codes.

The rules, each measured: WAL and synchronous FULL; writers only BEGIN IMMEDIATE (a deferred read-then-write fails at
once with BUSY_SNAPSHOT); readers in autocommit and always `fetchall` (a half-read cursor keeps the WAL growing).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from amplify_tui.engine.journal import Corrupt, DiskFull, JournalError, Locked, Missing, NewerSchema, ReadOnly

BUSY_SECONDS: Final = 2.0
RESERVE_BYTES: Final = 4 * 1024 * 1024  # 200 kB bought 22 commits when it was measured; a rollback needs hundreds

Fill = Callable[[sqlite3.Connection], object]

_PRIMARY = 0xFF  # an extended code keeps its primary code in the low byte
_KINDS: dict[int, type[JournalError]] = {
    sqlite3.SQLITE_FULL: DiskFull,
    sqlite3.SQLITE_BUSY: Locked,
    sqlite3.SQLITE_LOCKED: Locked,
    sqlite3.SQLITE_READONLY: ReadOnly,
    sqlite3.SQLITE_PERM: ReadOnly,
    sqlite3.SQLITE_CORRUPT: Corrupt,
    sqlite3.SQLITE_NOTADB: Corrupt,
}
_KINDS_EXTENDED: dict[int, type[JournalError]] = {
    # A quota and `ulimit -f` do not say "full", they say that writing failed.
    sqlite3.SQLITE_IOERR_WRITE: DiskFull,
    sqlite3.SQLITE_IOERR_SHMSIZE: DiskFull,
    sqlite3.SQLITE_IOERR_SHORT_READ: Corrupt,
}


@contextlib.contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Turn a SQLite error on `path` into the one of journal.py that says what to do about it."""
    try:
        yield
    except sqlite3.Error as error:
        raise as_journal_error(error, path) from error


def as_journal_error(error: sqlite3.Error, path: Path) -> JournalError:
    """The JournalError that a SQLite error on `path` means."""
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    what = f"{path}: {error} ({name})"
    if code is None:
        return Corrupt(what) if isinstance(error, sqlite3.DatabaseError) else JournalError(what)
    if code & _PRIMARY == sqlite3.SQLITE_CANTOPEN:
        return _cannot_open(path, what)
    kind = _KINDS_EXTENDED.get(code) or _KINDS.get(code & _PRIMARY)
    if kind is None and str(error).startswith(("no such table", "no such column")):
        kind = Corrupt
    return (kind or JournalError)(what)


def _cannot_open(path: Path, what: str) -> JournalError:
    if not path.exists():
        return Missing(f"{path} is not there")
    if not os.access(path, os.R_OK) or not os.access(path.parent, os.W_OK):
        return ReadOnly(what)
    free = os.statvfs(path.parent)
    return DiskFull(what) if free.f_bavail == 0 or free.f_favail == 0 else JournalError(what)


def create_private(path: Path) -> None:
    """Make sure the file is there with mode 0600; SQLite gives its -wal and -shm the same mode.

    An existing file is not even opened: closing any descriptor of it would drop this process's SQLite locks on it.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise ReadOnly(f"{path} cannot be created: {error.strerror}") from error


def open_writer(path: Path, *, create: bool) -> sqlite3.Connection:
    """A connection that may write, in autocommit, WAL and synchronous FULL. Raises a JournalError."""
    if create:
        create_private(path)
    with mapped(path):
        db = sqlite3.connect(f"{_uri(path)}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_SECONDS)
        try:
            db.execute("pragma journal_mode = wal").fetchall()
            for setting in ("synchronous = full", "fullfsync = on", "temp_store = memory", "trusted_schema = off"):
                db.execute(f"pragma {setting}").fetchall()
        except sqlite3.Error:
            db.close()
            raise
        return db


def open_reader(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """A connection that cannot write. `immutable` ignores the WAL, so it may miss events: last resort, label it."""
    mode = "mode=ro&immutable=1" if immutable else "mode=ro"
    with mapped(path):
        db = sqlite3.connect(f"{_uri(path)}?{mode}", uri=True, isolation_level=None, timeout=BUSY_SECONDS)
        try:
            db.execute("pragma query_only = on").fetchall()
            db.execute("pragma temp_store = memory").fetchall()
            db.execute("select count(*) from sqlite_master").fetchall()  # the file is opened here, not by connect()
        except sqlite3.Error:
            db.close()
            raise
        return db


def _uri(path: Path) -> str:
    return path.absolute().as_uri()


@contextlib.contextmanager
def immediate(db: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: committed at the end, rolled back on any exception."""
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    except BaseException:
        if db.in_transaction:  # some errors (FULL, IOERR) have rolled back by themselves
            db.execute("rollback")
        raise


def migrate(db: sqlite3.Connection, path: Path, schema: str, known: int, fill: Fill | None = None) -> None:
    """Create the tables of `schema` in a new file, and let `fill` add its first rows; refuse a newer file.

    `known` is the version that this code writes. All in one transaction: a file is either whole or has version 0.
    """
    with mapped(path):
        if schema_version(db) == 0:
            with immediate(db):
                if schema_version(db) == 0:  # another process may have been first
                    for statement in schema.split(";;"):
                        db.execute(statement)
                    if fill is not None:
                        fill(db)
                    db.execute(f"pragma user_version = {known:d}")
    check_version(db, path, known)


def check_version(db: sqlite3.Connection, path: Path, known: int) -> None:
    """Raise NewerSchema for a newer file and Corrupt for one that was never finished."""
    with mapped(path):
        found = schema_version(db)
    if found > known:
        raise NewerSchema(str(path), found, known)
    if found < 1:
        raise Corrupt(f"{path} holds no tables: its creation was cut off, or it is another program's file")


def schema_version(db: sqlite3.Connection) -> int:
    """The `user_version` of the file."""
    return int(db.execute("pragma user_version").fetchall()[0][0])


def move_aside(path: Path) -> Path:
    """Rename a broken file (and its -wal and -shm) out of the way, and return where it is now. Nothing is deleted."""
    aside = path.with_name(f"{path.name}.broken-{time.time_ns()}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


class Reserve:
    """A file of 4 MiB that is given up when the disk is full, so that a rollback can still be journaled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fill(self) -> bool:
        """Make sure the reserve is there in full; False when there is no room for it (and nothing is left behind)."""
        try:
            if self._path.exists() and self._path.stat().st_size == RESERVE_BYTES:
                return True
            with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                # Random bytes: a file system that compresses or leaves holes would keep nothing for zeros.
                file.write(os.urandom(RESERVE_BYTES))
        except OSError:
            self.spend()
            return False
        return True

    def spend(self) -> bool:
        """Give the space back to the disk; False when it was already spent, or may not be."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
