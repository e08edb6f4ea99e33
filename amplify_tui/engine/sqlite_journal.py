"""The journal of one run in one SQLite file. No socket, no decision and no knowledge of what an event says.

Commands wait elsewhere (inbox.py has its own file): a process stopped inside a transaction on this file would stop the
conductor's writes with it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from amplify_tui.engine import journal as port
from amplify_tui.engine import sqlite_file
from amplify_tui.engine.journal import (
    EMPTY,
    Appended,
    Build,
    Corrupt,
    DiskFull,
    Fenced,
    Head,
    Lease,
    Missing,
    ReadOnly,
    Sight,
    Verification,
)
from amplify_tui.engine.sqlite_file import Reserve, immediate, mapped

SCHEMA_VERSION: Final = 1
# `seq` is the rowid, so no second index can answer for a page that is damaged.
_SCHEMA: Final = """
create table run(id text primary key);;
create table event(seq integer primary key, epoch integer not null, body blob not null);;
create table command(id text primary key, seq integer not null, answer blob not null);;
create table lease(run text primary key, epoch integer not null, holder text not null, beat_ns integer not null);;
create trigger event_is_final before update on event begin select raise(abort, 'an event is never changed'); end;;
create trigger event_is_kept before delete on event begin select raise(abort, 'an event is never deleted'); end
"""

_HOLDS: Final = "exists(select 1 from lease where run = :run and epoch = :epoch and holder = :holder)"
_INSERT_EVENT: Final = f"insert into event(seq, epoch, body) select :seq, :epoch, :body where {_HOLDS}"
_INSERT_ANSWER: Final = f"insert into command(id, seq, answer) select :id, :seq, :answer where {_HOLDS}"
_TAKE: Final = """
insert into lease(run, epoch, holder, beat_ns) values(:run, 1, :holder, :now)
 on conflict(run) do update set epoch = epoch + 1, holder = :holder, beat_ns = max(:now, beat_ns + 1)
 where lease.epoch = :saw_epoch and lease.beat_ns = :saw_beat returning epoch
"""
_BEAT: Final = """
update lease set beat_ns = max(:now, beat_ns + 1) where run = :run and epoch = :epoch and holder = :holder
"""
_FREE: Final = "update lease set holder = '' where run = :run and epoch = :epoch and holder = :holder"

T = TypeVar("T")


class SqliteReader:
    """A journal that can only be read. `note` says when it may miss the newest events."""

    def __init__(self, path: Path, db: sqlite3.Connection, note: str | None = None) -> None:
        sqlite_file.check_version(db, path, SCHEMA_VERSION)
        self.path = path
        self._reader = db
        self._note = note
        rows = self._select("select id from run")
        if len(rows) != 1:
            raise Corrupt(f"{path} names {len(rows)} runs, not one")
        self._run = str(rows[0][0])

    @classmethod
    def open(cls, path: Path) -> SqliteReader:
        """Open for `show`: shares the file with a living conductor, and falls back to a view without the WAL.

        The fallback is needed where the folder may not be written (a foreign user, a read-only disk, a full disk):
        SQLite cannot make its -shm file there. It is labelled by `note`. Raises Missing, Corrupt, NewerSchema.
        """
        try:
            db, note = sqlite_file.open_reader(path), None
        except (Missing, Corrupt):
            raise
        except port.JournalError as error:
            db = sqlite_file.open_reader(path, immutable=True)
            note = _label(path, error)
        try:
            return cls(path, db, note)
        except port.JournalError:
            db.close()
            raise

    @property
    def run(self) -> str:
        """The run whose journal this is."""
        return self._run

    @property
    def note(self) -> str | None:
        """A sentence when this view may miss the newest events, else None."""
        return self._note

    def read(self, after: int, limit: int = 1000) -> list[bytes]:
        """Bodies with seq > `after`, oldest first, at most `limit`."""
        rows = self._select("select body from event where seq > ? order by seq limit ?", after, limit)
        return [row[0] for row in rows]

    def head(self) -> Head:
        """The last event; `EMPTY` when there is none."""
        return _head(self._select("select seq, body from event order by seq desc limit 1"))

    def answer(self, command: str) -> bytes | None:
        """The first answer to this command id, None when it was never journaled."""
        rows = self._select("select answer from command where id = ?", command)
        return rows[0][0] if rows else None

    def verify(self, outside: Head | None = None) -> Verification:
        """Check the file, walk the chain and compare with `outside`. A damaged page is an answer here, not an error."""
        try:
            found = [str(row[0]) for row in self._select("pragma quick_check(3)")]
            if found != ["ok"]:
                return Verification(False, 0, f"the file is damaged: {'; '.join(found)}")
            return port.verify_chain(self, outside)
        except Corrupt as error:
            return Verification(False, 0, error.what)

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()

    def _select(self, sql: str, *values: object) -> list[tuple[bytes, ...]]:
        with mapped(self.path):
            return self._reader.execute(sql, values).fetchall()


class SqliteJournal(SqliteReader):
    """The writer's journal, with its lease: fills the port `Journal`. For one thread.

    Both connections are opened at the start, for none can be opened later on a full disk. `witness` is told each new
    head right after its commit; it keeps it outside this file.
    """

    def __init__(self, path: Path, writer: sqlite3.Connection, witness: Callable[[Head], None] | None) -> None:
        self._writer = writer
        self._witness = witness
        self._reserve = Reserve(path.with_name(path.name + ".reserve"))
        self.reserve_ready = self._reserve.fill()
        reader = sqlite_file.open_reader(path)
        try:
            super().__init__(path, reader)
        except port.JournalError:
            reader.close()
            raise

    @classmethod
    def create(cls, path: Path, run: str, witness: Callable[[Head], None] | None = None) -> SqliteJournal:
        """Make the journal of a new run. Opening one that exists is fine if it is this run's, else Corrupt."""
        writer = sqlite_file.open_writer(path, create=True)
        try:
            sqlite_file.migrate(
                writer, path, _SCHEMA, SCHEMA_VERSION, lambda db: db.execute("insert into run(id) values(?)", (run,))
            )
            return cls._checked(path, writer, run, witness)
        except port.JournalError:
            writer.close()
            raise

    @classmethod
    def open_writer(cls, path: Path, run: str, witness: Callable[[Head], None] | None = None) -> SqliteJournal:
        """Open the journal of an existing run for writing. Raises Missing, ReadOnly, Corrupt, NewerSchema, DiskFull."""
        if not path.exists():
            raise Missing(f"{path} is not there")
        writer = sqlite_file.open_writer(path, create=False)
        try:
            sqlite_file.check_version(writer, path, SCHEMA_VERSION)
            return cls._checked(path, writer, run, witness)
        except port.JournalError:
            writer.close()
            raise

    @classmethod
    def _checked(
        cls, path: Path, writer: sqlite3.Connection, run: str, witness: Callable[[Head], None] | None
    ) -> SqliteJournal:
        made = cls(path, writer, witness)
        if made.run != run:
            made.close()
            raise Corrupt(f"{path} is the journal of run {made.run}, not of {run}")
        return made

    def append(
        self,
        lease: Lease,
        events: Sequence[Build],
        *,
        command: str | None = None,
        answer: Callable[[Head], bytes] | None = None,
    ) -> Appended:
        """Add all `events`, or none, in one durable transaction; see the port for the whole contract."""
        if (command is None) != (answer is None) or not (events or command):
            raise ValueError("an append needs events or a command, and a command needs its answer")
        made = self._write(lambda db: _append(db, lease, events, command, answer))
        if made.bodies and self._witness is not None:
            self._witness(made.head)
        return made

    def refill(self) -> bool:
        """Try to have the reserve again once there is room; `reserve_ready` says whether it is there."""
        self.reserve_ready = self._reserve.fill()
        return self.reserve_ready

    def seen(self) -> Sight | None:
        """The lease as it is now; None when nobody ever held it."""
        with mapped(self.path):
            sql = "select epoch, beat_ns, holder from lease where run = ?"
            rows = self._writer.execute(sql, (self._run,)).fetchall()
        return Sight(epoch=rows[0][0], beat=rows[0][1], holder=rows[0][2]) if rows else None

    def take(self, holder: str, saw: Sight | None) -> Lease | None:
        """Take the lease with the next epoch, if it still is exactly what was seen; else None."""
        values = {
            "run": self._run,
            "holder": holder,
            "now": time.time_ns(),
            "saw_epoch": saw.epoch if saw else -1,
            "saw_beat": saw.beat if saw else -1,
        }
        rows: list[tuple[int]] = self._write(lambda db: db.execute(_TAKE, values).fetchall())
        return Lease(run=self._run, epoch=rows[0][0], holder=holder) if rows else None

    def beat(self, lease: Lease) -> bool:
        """Say that the holder lives. False: the lease is lost, for good."""
        values = {**_claim(lease), "now": time.time_ns()}
        return self._write(lambda db: db.execute(_BEAT, values).rowcount) == 1

    def free(self, lease: Lease) -> None:
        """Give the lease back, so that the next holder need not wait."""
        self._write(lambda db: db.execute(_FREE, _claim(lease)).rowcount)

    def close(self) -> None:
        """Close both connections; the last one out folds the WAL into the file."""
        super().close()
        self._writer.close()

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` in one transaction; at a full disk give up the reserve and try once more."""
        try:
            return self._transaction(work)
        except DiskFull:
            if not self._reserve.spend():
                raise
            self.reserve_ready = False
            return self._transaction(work)

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with mapped(self.path), immediate(self._writer):
            return work(self._writer)


def _append(
    db: sqlite3.Connection,
    lease: Lease,
    events: Sequence[Build],
    command: str | None,
    answer: Callable[[Head], bytes] | None,
) -> Appended:
    """The body of one append, inside the caller's transaction."""
    before = _head(db.execute("select seq, body from event order by seq desc limit 1").fetchall())
    if command is not None:
        known = db.execute("select answer from command where id = ?", (command,)).fetchall()
        if known:
            return Appended(head=before, bodies=(), answer=known[0][0], repeated=True)
    head, bodies = port.build_chain(lease, before, events)
    claim = _claim(lease)
    first = before.seq + 1
    if bodies:
        _fenced(db.execute(_INSERT_EVENT, {**claim, "seq": first, "body": bodies[0]}), lease)
        # The first row decided: in this transaction nobody else can take the lease.
        rest = [(seq, lease.epoch, body) for seq, body in enumerate(bodies[1:], first + 1)]
        db.executemany("insert into event(seq, epoch, body) values(?, ?, ?)", rest)
    if command is None or answer is None:
        return Appended(head=head, bodies=bodies, answer=None)
    text = answer(head)
    _fenced(db.execute(_INSERT_ANSWER, {**claim, "id": command, "seq": head.seq, "answer": text}), lease)
    return Appended(head=head, bodies=bodies, answer=text)


def _fenced(done: sqlite3.Cursor, lease: Lease) -> None:
    if done.rowcount != 1:
        raise Fenced(f"run {lease.run}: epoch {lease.epoch} is over, another conductor has taken the lease")


def _claim(lease: Lease) -> dict[str, object]:
    return {"run": lease.run, "epoch": lease.epoch, "holder": lease.holder}


def _head(rows: Sequence[tuple[bytes, ...]]) -> Head:
    return Head(int(rows[0][0]), port.sha_of(rows[0][1])) if rows else EMPTY


def _label(path: Path, error: port.JournalError) -> str:
    wal = path.with_name(path.name + "-wal")
    try:
        waiting = wal.stat().st_size
    except OSError:
        waiting = 0
    why = "this folder may not be written" if isinstance(error, ReadOnly) else error.what
    missing = f"{waiting} bytes of newer events are not shown" if waiting else "all that was closed cleanly is shown"
    return f"opened without the write-ahead log, because {why}: {missing}"
