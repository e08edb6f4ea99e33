"""The SQLite store: the contract of every store, and what a file can suffer."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amplify_tui.engine.journal import (
    EMPTY,
    Corrupt,
    Journal,
    Locked,
    Missing,
    NewerSchema,
    ReadOnly,
    link_of,
    tail_problem,
)
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SCHEMA_VERSION, SqliteJournal, SqliteReader
from tests.engine.engine_helpers import event, said, script
from tests.engine.journal_contract import JournalContract, Place, lease_of

APPEND_AND_DIE = """
import os, sys, signal
from pathlib import Path
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteJournal
from tests.engine.engine_helpers import event
run = RunDir(Path(sys.argv[1]))
journal = SqliteJournal.create(run.journal, "r-1", witness=run.head.write)
lease = journal.take("child", journal.seen())
for _ in range(100):
    journal.append(lease, [event(lease, pad=300)])
if sys.argv[2] == "mid-transaction":
    db = journal._writer
    db.execute("pragma cache_size = 5")
    db.execute("begin immediate")
    for seq in range(101, 1101):
        db.execute("insert into event values(?, 1, ?)", (seq, os.urandom(2000)))
os.kill(os.getpid(), signal.SIGKILL)
"""


class SqlitePlace:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[SqliteJournal] = []

    def path(self, run: str) -> Path:
        return self.folder / f"{run}.db"

    def create(self, run: str) -> Journal:
        return self._kept(SqliteJournal.create(self.path(run), run))

    def open(self, run: str) -> Journal:
        return self._kept(SqliteJournal.open_writer(self.path(run), run))

    def _kept(self, journal: SqliteJournal) -> Journal:
        self.opened.append(journal)
        return journal


@pytest.fixture
def place(tmp_path: Path) -> Iterator[SqlitePlace]:
    made = SqlitePlace(tmp_path)
    yield made
    for journal in made.opened:
        journal.close()


class TestContract(JournalContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Place]:
        made = SqlitePlace(tmp_path)
        yield made
        for journal in made.opened:
            journal.close()


@pytest.fixture
def crashed(tmp_path: Path) -> RunDir:
    return _crashed(tmp_path, "between")


def _crashed(folder: Path, where: str) -> RunDir:
    """A run whose conductor was killed by -9 with 100 events, all of them still in the WAL."""
    run = RunDir.create(folder, "r-1")
    with script(APPEND_AND_DIE, run.path, where) as child:
        assert said(child) == ""
        assert child.wait(20) == -9
    return run


def test_files_are_private_under_any_umask(place: SqlitePlace) -> None:
    was = os.umask(0)
    try:
        journal = place.create("r-1")
        lease_of(journal)
    finally:
        os.umask(was)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.folder.iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"r-1.db", "r-1.db-wal", "r-1.db-shm", "r-1.db.reserve"} <= modes.keys()


def test_every_commit_is_synced_and_readers_go_on_meanwhile(place: SqlitePlace) -> None:
    place.create("r-1")
    db = place.opened[0]._writer
    assert [db.execute(f"pragma {name}").fetchall()[0][0] for name in ("journal_mode", "synchronous")] == ["wal", 2]


def test_kill_9_keeps_every_committed_event_and_no_other(tmp_path: Path) -> None:
    run = _crashed(tmp_path, "mid-transaction")
    journal = SqliteJournal.open_writer(run.journal, "r-1")
    verified = journal.verify(run.head.read())
    assert (verified.ok, verified.seq) == (True, 100)
    journal.close()


def test_the_witness_hears_each_head_after_its_commit(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, "r-1")
    journal = SqliteJournal.create(run.journal, "r-1", witness=run.head.write)
    assert run.head.read() == EMPTY
    lease = lease_of(journal)
    for _ in range(3):
        journal.append(lease, [event(lease), event(lease)])
        assert run.head.read() == journal.head()
    journal.append(lease, [], command="c-1", answer=lambda head: b"no")
    assert run.head.read() == journal.head()
    journal.close()
    run.head.close()


def test_bytes_flipped_in_the_wal_lose_the_tail_and_the_outside_head_tells(crashed: RunDir) -> None:
    wal = crashed.path / "journal.db-wal"
    data = bytearray(wal.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 100] = bytes(byte ^ 0xFF for byte in data[middle : middle + 100])
    wal.write_bytes(data)
    journal = SqliteJournal.open_writer(crashed.journal, "r-1")
    alone = journal.verify()
    assert alone.ok  # SQLite and the chain see nothing wrong
    assert 0 < alone.seq < 100
    outside = crashed.head.read()
    assert outside is not None
    assert outside.seq == 100
    found = journal.verify(outside)
    assert not found.ok
    assert found.seq == alone.seq
    assert "went back" in str(found.problem)
    assert tail_problem(journal, outside) == found.problem
    journal.close()


def test_a_damaged_page_is_reported_by_verify_and_raised_by_read(place: SqlitePlace) -> None:
    journal = place.create("r-1")
    lease = lease_of(journal)
    journal.append(lease, [event(lease, pad=400) for _ in range(2000)])
    journal.close()
    path = place.path("r-1")
    data = bytearray(path.read_bytes())
    page = (len(data) // 4096 // 2) * 4096
    data[page : page + 4096] = os.urandom(4096)
    path.write_bytes(data)
    reader = SqliteReader.open(path)
    found = reader.verify()
    assert not found.ok
    assert "damaged" in str(found.problem) or "malformed" in str(found.problem)
    with pytest.raises(Corrupt, match="show --verify"):
        reader.read(0, 2000)
    reader.close()


@pytest.mark.parametrize("content", [b"", b"not a database, only text\n" * 100])
def test_a_file_that_is_no_journal_is_corrupt(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    with pytest.raises(Corrupt):
        SqliteReader.open(path)
    with pytest.raises(Corrupt):
        SqliteJournal.open_writer(path, "r-1")


def test_a_changed_event_breaks_the_chain_at_its_place(place: SqlitePlace) -> None:
    journal = place.create("r-1")
    lease = lease_of(journal)
    journal.append(lease, [event(lease, kind) for kind in "ABCD"])
    db = place.opened[0]._writer
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        db.execute("update event set body = x'7b7d' where seq = 2")
    with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
        db.execute("delete from event where seq = 4")
    db.execute("drop trigger event_is_final")
    changed = journal.read(1, 1)[0].replace(b'"B"', b'"X"')
    db.execute("update event set body = ? where seq = 2", (changed,))
    found = journal.verify()
    assert (found.ok, found.seq) == (False, 2)
    assert "event 3 does not follow event 2" in str(found.problem)


def test_a_missing_event_and_an_old_epoch_are_found_by_verify(place: SqlitePlace) -> None:
    journal = place.create("r-1")
    first = lease_of(journal)
    journal.append(first, [event(first, "A")])
    second = lease_of(journal)
    journal.append(second, [event(second, "B")])
    db = place.opened[0]._writer
    stale = event(first, "C")(3, journal.head().sha)
    db.execute("insert into event values(3, 1, ?)", (stale,))
    assert "written in epoch 1, after epoch 2" in str(journal.verify().problem)
    db.execute("drop trigger event_is_kept")
    db.execute("delete from event where seq = 2")
    assert "event 2 is missing" in str(journal.verify().problem)
    assert link_of(journal.read(0)[-1]).seq == 3


def test_a_newer_schema_is_refused_with_both_numbers_and_left_alone(place: SqlitePlace) -> None:
    place.create("r-1").close()
    path = place.path("r-1")
    db = sqlite3.connect(path)
    db.execute("pragma user_version = 7")
    db.close()
    before = path.read_bytes()
    openings: list[Callable[[], object]] = [
        lambda: SqliteReader.open(path),
        lambda: SqliteJournal.open_writer(path, "r-1"),
        lambda: SqliteJournal.create(path, "r-1"),
    ]
    for opening in openings:
        with pytest.raises(NewerSchema) as caught:
            opening()
        assert (caught.value.found, caught.value.known) == (7, SCHEMA_VERSION)
        assert "newer" in caught.value.next
    assert path.read_bytes() == before


def test_a_journal_that_is_not_there_is_missing_and_is_not_made(tmp_path: Path) -> None:
    for opening in (SqliteReader.open, lambda path: SqliteJournal.open_writer(path, "r-1")):
        with pytest.raises(Missing, match="amplify runs"):
            opening(tmp_path / "journal.db")
    assert list(tmp_path.iterdir()) == []


def test_the_journal_of_another_run_is_refused(place: SqlitePlace) -> None:
    place.create("r-1").close()
    with pytest.raises(Corrupt, match="of run r-1, not of r-2"):
        SqliteJournal.open_writer(place.path("r-1"), "r-2")


def test_a_writer_that_sits_in_a_transaction_makes_us_locked_not_wrong(place: SqlitePlace) -> None:
    journal = place.create("r-1")
    lease = lease_of(journal)
    other = sqlite3.connect(place.path("r-1"), isolation_level=None)
    other.execute("begin immediate")
    place.opened[0]._writer.execute("pragma busy_timeout = 10")
    with pytest.raises(Locked, match="SIGCONT"):
        journal.append(lease, [event(lease)])
    assert journal.read(0) == []
    other.close()
    journal.append(lease, [event(lease)])


def test_a_reader_opens_beside_the_writer_and_sees_what_is_in_the_wal(place: SqlitePlace) -> None:
    journal = place.create("r-1")
    lease = lease_of(journal)
    reader = SqliteReader.open(place.path("r-1"))
    journal.append(lease, [event(lease)])
    assert (reader.note, reader.head()) == (None, journal.head())
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._reader.execute("delete from event")
    reader.close()


def test_a_read_only_error_says_what_to_do() -> None:
    assert "remount" in str(ReadOnly("x"))
