"""Commands that wait for a conductor, in a file of their own. Nothing is decided or answered here.

A command that is taken twice is harmless: the journal answers a known id with its first answer. So "exactly once" is
the journal's, and a row is only deleted after the journal has it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from msgspec import Struct

from amplify_tui.engine import sqlite_file
from amplify_tui.engine.journal import Corrupt, JournalError
from amplify_tui.engine.sqlite_file import immediate, mapped

SCHEMA_VERSION: Final = 1
MAX_COMMAND: Final = 1024 * 1024  # as on the wire
MAX_WAITING: Final = 1000
_SCHEMA: Final = """
create table waiting(
  place integer primary key autoincrement, id text not null unique, body blob not null, at real not null)
"""


class Waiting(Struct, frozen=True):
    """One command that waits: its id, its bytes as submitted, and when (Unix seconds)."""

    id: str
    body: bytes
    at: float


class InboxFull(JournalError):
    """Too many commands wait already, or this one is too long."""

    advice = "Start a conductor with `amplify attach`; it answers what waits"


class Inbox:
    """The inbox of one run. Any process may submit; the conductor takes."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self.moved_aside: Path | None = None
        self._db = db
        self._version = -1

    @classmethod
    def open(cls, path: Path) -> Inbox:
        """Open the inbox, making it if need be. Raises a JournalError, Corrupt for a broken file."""
        db = sqlite_file.open_writer(path, create=True)
        try:
            sqlite_file.migrate(db, path, _SCHEMA, SCHEMA_VERSION)
        except JournalError:
            db.close()
            raise
        return cls(path, db)

    @classmethod
    def open_or_replace(cls, path: Path) -> Inbox:
        """As `open`, for the conductor: a broken file is moved aside (`moved_aside` says where) and a new one made."""
        try:
            return cls.open(path)
        except Corrupt:
            aside = sqlite_file.move_aside(path)
        made = cls.open(path)
        made.moved_aside = aside
        return made

    def submit(self, command: str, body: bytes, at: float) -> bool:
        """Leave a command, durably; False when this id waits already. Raises InboxFull."""
        if len(body) > MAX_COMMAND:
            raise InboxFull(f"command {command} has {len(body)} bytes, at most {MAX_COMMAND} can wait")
        with mapped(self.path), immediate(self._db):
            count = self._db.execute("select count(*) from waiting").fetchall()[0][0]
            if count >= MAX_WAITING:
                raise InboxFull(f"{count} commands wait in {self.path} already")
            sql = "insert into waiting(id, body, at) values(?, ?, ?) on conflict(id) do nothing"
            return self._db.execute(sql, (command, body, at)).rowcount == 1

    def pending(self) -> list[Waiting]:
        """What waits, in the order of submission."""
        with mapped(self.path):
            rows = self._db.execute("select id, body, at from waiting order by place").fetchall()
        return [Waiting(id=row[0], body=row[1], at=row[2]) for row in rows]

    def taken(self, command: str) -> None:
        """Forget a command whose answer is in the journal. An unknown id is fine."""
        with mapped(self.path), immediate(self._db):
            self._db.execute("delete from waiting where id = ?", (command,))

    def changed(self) -> bool:
        """True at the first call, and when another process has written since the last one. Cheap: ask each second."""
        with mapped(self.path):
            version = int(self._db.execute("pragma data_version").fetchall()[0][0])
        changed, self._version = version != self._version, version
        return changed

    def close(self) -> None:
        """Close the file."""
        self._db.close()
