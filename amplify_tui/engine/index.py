"""The list of all runs, and the locks between them, in one small shared file. Never a source of truth about a run.

Whatever is here can be rebuilt from the run directories, so a broken index is moved aside and made anew. Each write is
one short transaction; a caller for whom the index is a convenience treats a JournalError as a note, not as a stop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from amplify_tui.engine import sqlite_file
from amplify_tui.engine.journal import GENESIS, Corrupt, Head, JournalError
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_file import immediate, mapped

SCHEMA_VERSION: Final = 1
BROKEN: Final = "broken"  # the phase of a run whose journal cannot be read: it is listed all the same

_SCHEMA: Final = """
create table run(
  id text primary key, name text not null, version text not null, environment text not null, mode text not null,
  phase text not null, outcome text, started_at real, ended_at real, actor text not null, playbook text not null,
  head_seq integer not null, head_sha text not null, note text not null);;
create table lock(
  name text primary key, run text not null, host text not null, pid integer not null, since real not null)
"""


class RunSummary(Struct, frozen=True, kw_only=True):
    """One line of `amplify runs`. Times are Unix seconds; None: not yet."""

    id: str
    name: str = ""
    version: str = ""
    environment: str = ""
    mode: str = ""
    phase: str = ""
    outcome: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    actor: str = ""
    playbook: str = ""
    head_seq: int = 0
    head_sha: str = GENESIS
    note: str = ""
    locks: tuple[str, ...] = ()  # held by the run, or by its heir; only `rebuild` reads these two
    heir: str = ""  # the run that supersedes it, to which its locks go until that one has started


class Holding(Struct, frozen=True):
    """A lock that a run holds. It is the run's, not the process's: a dead conductor frees nothing."""

    name: str
    run: str
    host: str
    pid: int
    since: float


ReadSummary = Callable[[Path], RunSummary]
_COLUMNS: Final = tuple(name for name in RunSummary.__struct_fields__ if name not in ("locks", "heir"))
_PUT: Final = f"insert or replace into run({', '.join(_COLUMNS)}) values({', '.join(':' + name for name in _COLUMNS)})"


class Index:
    """The shared index. Open it, use it, close it: nothing in here waits for another run."""

    def __init__(self, home: Path, db: sqlite3.Connection) -> None:
        self.path = home / "index.db"
        self.moved_aside: Path | None = None
        self._home = home
        self._db = db

    @classmethod
    def open(cls, home: Path, read_summary: ReadSummary) -> Index:
        """Open the index; a new or broken one is rebuilt from the run directories, a broken one is moved aside first.

        `moved_aside` then says where it went. Raises Locked, ReadOnly, DiskFull, NewerSchema.
        """
        path = home / "index.db"
        if path.exists():
            try:
                return cls._open(home)
            except Corrupt:
                pass
        repair = FileLock(home / "index.lock")
        if not repair.take():
            return cls._open(home)  # another process repairs it now; if it is still broken the error is true
        try:
            return cls._repaired(home, read_summary)
        finally:
            repair.release()

    @classmethod
    def _open(cls, home: Path) -> Index:
        path = home / "index.db"
        db = sqlite_file.open_writer(path, create=True)
        try:
            sqlite_file.migrate(db, path, _SCHEMA, SCHEMA_VERSION)
            with mapped(path):
                found = [str(row[0]) for row in db.execute("pragma quick_check(1)").fetchall()]
            if found != ["ok"]:
                raise Corrupt(f"{path} is damaged: {found[0]}")
        except JournalError:
            db.close()
            raise
        return cls(home, db)

    @classmethod
    def _repaired(cls, home: Path, read_summary: ReadSummary) -> Index:
        aside = None
        try:
            index = cls._open(home)  # somebody may have repaired it just before us
        except Corrupt:
            aside = sqlite_file.move_aside(home / "index.db")
            index = cls._open(home)
        index.moved_aside = aside
        if not index.runs():
            index.rebuild(read_summary)
        return index

    def rebuild(self, read_summary: ReadSummary) -> None:
        """Read every run directory again. A run that cannot be read is listed as broken, and hides no other one.

        `read_summary` may raise JournalError, OSError, ValueError or msgspec.MsgspecError for such a run.
        """
        found = [_summary(each, read_summary) for each in RunDir.all(self._home)]
        with mapped(self.path), immediate(self._db):
            known = {row.name: row for row in self._holdings()}
            self._db.execute("delete from run")
            self._db.execute("delete from lock")
            for summary in found:
                self._put(summary)
            drafts = {summary.id for summary in found if summary.phase == "draft"}
            for summary in found:
                owner = summary.heir or summary.id
                if summary.heir and owner not in drafts:
                    continue  # it holds its own by now, or none any more
                for name in summary.locks:
                    was = known.get(name)
                    same = was if was is not None and was.run == owner else None
                    self._hold(same or Holding(name, owner, "", 0, summary.started_at or 0.0))

    def put(self, summary: RunSummary) -> None:
        """Write the line of one run, replacing the one that is there. Its locks are not touched."""
        with mapped(self.path), immediate(self._db):
            self._put(summary)

    def witness(self, run: str, head: Head) -> None:
        """Keep the run's head outside its own file. An unknown run is fine."""
        with mapped(self.path), immediate(self._db):
            self._db.execute("update run set head_seq = ?, head_sha = ? where id = ?", (head.seq, head.sha, run))

    def head(self, run: str) -> Head | None:
        """The head that was last kept for this run; None when none was."""
        row = self.get(run)
        return Head(row.head_seq, row.head_sha) if row is not None and row.head_seq else None

    def get(self, run: str) -> RunSummary | None:
        """The line of one run; None when it is not listed."""
        return next(iter(self._rows("where id = ?", run)), None)

    def runs(self, limit: int = 1000) -> list[RunSummary]:
        """The newest runs first; drafts, which have not started, before all."""
        return self._rows("order by started_at is not null, started_at desc, id desc limit ?", limit)

    def take(
        self, names: Sequence[str], *, run: str, host: str, pid: int, now: float, beside: str | None = None
    ) -> list[Holding]:
        """Take all locks or none; the answer is what is in the way, so an empty list means they are ours.

        One that `run` holds already is ours; one that `beside` holds (the run that is to be superseded) stays with it.
        """
        with mapped(self.path), immediate(self._db):
            held = [each for each in self._holdings() if each.name in names]
            blocking = [each for each in held if each.run not in {run, beside}]
            if not blocking:
                theirs = {each.name for each in held if each.run == beside}
                for name in names:
                    if name not in theirs:
                        self._hold(Holding(name, run, host, pid, now))
            return blocking

    def hand_over(self, run: str, *, to: str) -> None:
        """Every lock of *run* is the other one's from now on: nobody gets in between."""
        with mapped(self.path), immediate(self._db):
            self._db.execute("update lock set run = ? where run = ?", (to, run))

    def release(self, run: str) -> None:
        """Free every lock of a run. A run that holds none is fine."""
        with mapped(self.path), immediate(self._db):
            self._db.execute("delete from lock where run = ?", (run,))

    def holders(self, names: Iterable[str] | None = None) -> list[Holding]:
        """Who holds these locks (all locks: None), by name."""
        wanted = None if names is None else set(names)
        with mapped(self.path):
            return [each for each in self._holdings() if wanted is None or each.name in wanted]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _put(self, summary: RunSummary) -> None:
        values = msgspec.structs.asdict(summary)
        del values["locks"], values["heir"]
        self._db.execute(_PUT, values)

    def _hold(self, lock: Holding) -> None:
        self._db.execute("insert or replace into lock values(?, ?, ?, ?, ?)", msgspec.structs.astuple(lock))

    def _holdings(self) -> list[Holding]:
        rows = self._db.execute("select name, run, host, pid, since from lock order by name").fetchall()
        return [Holding(*row) for row in rows]

    def _rows(self, where: str, value: object) -> list[RunSummary]:
        with mapped(self.path):
            sql = f"select {', '.join(_COLUMNS)} from run {where}"  # noqa: S608
            rows = self._db.execute(sql, (value,)).fetchall()
        return [RunSummary(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def newest_first(home: Path, read_summary: ReadSummary) -> list[RunSummary]:
    """What an index would list, from the run directories alone: for a place where none can be written."""
    found = [_summary(each, read_summary) for each in RunDir.all(home)]
    return sorted(found, key=lambda row: (row.started_at is None, row.started_at or 0.0, row.id), reverse=True)


def _summary(found: RunDir, read_summary: ReadSummary) -> RunSummary:
    try:
        return read_summary(found.path)
    except (JournalError, OSError, ValueError, msgspec.MsgspecError) as error:
        head = found.head.read() or Head(0, GENESIS)
        return RunSummary(id=found.run, phase=BROKEN, head_seq=head.seq, head_sha=head.sha, note=str(error))
