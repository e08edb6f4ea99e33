"""The journal on a disk that is full, limited or not ours to write. Real file systems and real limits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from amplify_tui.engine.journal import DiskFull, ReadOnly
from amplify_tui.engine.sqlite_journal import SqliteJournal, SqliteReader
from tests.engine.engine_helpers import event, said, script
from tests.engine.journal_contract import lease_of

LIMITED = """
import resource, sys
from pathlib import Path
from amplify_tui.engine.journal import DiskFull, ReadOnly
from amplify_tui.engine.sqlite_journal import SqliteJournal
from tests.engine.engine_helpers import event
journal = SqliteJournal.create(Path(sys.argv[1]), "r-1")
lease = journal.take("me", journal.seen())
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    for n in range(10_000):
        journal.append(lease, [event(lease, pad=300)])
except DiskFull as error:
    print("DiskFull", n, journal.head().seq, journal.verify().ok, flush=True)
"""

AS_NOBODY = """
import os, sys
from pathlib import Path
from amplify_tui.engine.journal import JournalError
from amplify_tui.engine.sqlite_journal import SqliteJournal, SqliteReader
if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
path = Path(sys.argv[1])
reader = SqliteReader.open(path)
print(reader.head().seq, reader.verify().ok, reader.note, flush=True)
try:
    SqliteJournal.open_writer(path, "r-1")
except JournalError as error:
    print(type(error).__name__, flush=True)
"""


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 8 MiB."""
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("a file system of its own size can only be mounted by root on Linux")
    folder = Path(tempfile.mkdtemp(prefix="amplify-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"mount is not allowed here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path, leave: int) -> Path:
    """Fill the disk but for so many bytes."""
    free = os.statvfs(folder)
    filler = folder / "filler"
    filler.write_bytes(bytes(free.f_bavail * free.f_frsize - leave))
    return filler


def append_while(journal: SqliteJournal, goes_on: Callable[[], bool]) -> int:
    """Append for as long as it may and can; the answer is how many events that made."""
    lease = lease_of(journal)
    count = 0
    with suppress(DiskFull):
        while goes_on():
            journal.append(lease, [event(lease, pad=3000)])
            count += 1
    return count


def test_on_a_full_disk_the_reserve_buys_hundreds_of_commits_and_then_it_says_so(small_disk: Path) -> None:
    journal = SqliteJournal.create(small_disk / "journal.db", "r-1")
    reader = SqliteReader.open(small_disk / "journal.db")
    filler = fill(small_disk, leave=100_000)
    before = append_while(journal, lambda: journal.reserve_ready)
    assert journal.head().seq == before > 0  # the append that found the disk full is in the journal, once
    bought = append_while(journal, lambda: True)
    assert bought > 200
    with pytest.raises(DiskFull, match="Free some space"):
        lease_of(journal)
    verified = journal.verify()
    assert (verified.ok, verified.seq) == (True, before + bought)
    assert reader.head() == journal.head()  # a reader that was open goes on

    filler.unlink()
    lease = lease_of(journal, "again")
    journal.append(lease, [event(lease)])
    assert journal.head().seq == before + bought + 1
    journal.close()
    reader.close()


def test_the_reserve_comes_back_when_there_is_room(small_disk: Path) -> None:
    filler = fill(small_disk, leave=1_000_000)
    journal = SqliteJournal.create(small_disk / "journal.db", "r-1")
    assert not journal.reserve_ready
    assert not journal.refill()
    filler.unlink()
    assert journal.refill()
    journal.close()


def test_show_on_a_full_disk_gives_the_events_or_says_what_it_may_miss(small_disk: Path) -> None:
    journal = SqliteJournal.create(small_disk / "journal.db", "r-1")
    lease = lease_of(journal)
    journal.append(lease, [event(lease)])
    journal.close()  # its -shm is gone with it, and there is no room for a new one
    fill(small_disk, leave=0)
    reader = SqliteReader.open(small_disk / "journal.db")
    assert reader.head().seq == 1
    assert reader.note is None or "write-ahead log" in reader.note
    reader.close()


def test_a_read_only_file_system_is_readable_labelled_and_not_writable(small_disk: Path) -> None:
    path = small_disk / "journal.db"
    journal = SqliteJournal.create(path, "r-1")
    lease = lease_of(journal)
    journal.append(lease, [event(lease)])
    journal.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    reader = SqliteReader.open(path)
    assert reader.head().seq == 1
    assert "may not be written" in str(reader.note)
    reader.close()
    with pytest.raises(ReadOnly, match="remount"):
        SqliteJournal.open_writer(path, "r-1")
    with pytest.raises(ReadOnly):
        SqliteJournal.create(small_disk / "another.db", "r-2")


def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path: Path) -> None:
    with script(LIMITED, tmp_path / "journal.db") as child:
        kind, appended, seq, sound = said(child).split()
    assert (kind, sound) == ("DiskFull", "True")
    assert appended == seq
    reader = SqliteReader.open(tmp_path / "journal.db")
    assert reader.verify().seq == int(seq) > 0
    reader.close()


@pytest.fixture
def foreign_folder() -> Iterator[Path]:
    """A folder that another user may read but not write."""
    folder = Path(tempfile.mkdtemp(prefix="amplify-foreign-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_foreign_user_reads_a_closed_journal_labelled_and_cannot_write_it(foreign_folder: Path) -> None:
    path = foreign_folder / "journal.db"
    journal = SqliteJournal.create(path, "r-1")
    lease = lease_of(journal)
    journal.append(lease, [event(lease)])
    journal.close()
    path.chmod(0o444)
    foreign_folder.chmod(0o555)
    with script(AS_NOBODY, path) as child:
        seq, sound, note = said(child).split(" ", 2)
        refusal = said(child)
    assert (seq, sound, refusal) == ("1", "True", "ReadOnly")
    assert "may not be written" in note
    assert "closed cleanly" in note


def test_without_the_wal_the_label_counts_what_is_not_shown(foreign_folder: Path) -> None:
    path = foreign_folder / "journal.db"
    journal = SqliteJournal.create(path, "r-1")
    lease = lease_of(journal)
    journal.append(lease, [event(lease)])
    journal._writer.execute("pragma wal_checkpoint(truncate)").fetchall()
    journal.append(lease, [event(lease)])
    copied = foreign_folder / "copied.db"  # as a backup would copy it: no -shm, and a WAL that cannot be joined
    shutil.copy(path, copied)
    shutil.copy(f"{path}-wal", f"{copied}-wal")
    journal.close()
    for file in foreign_folder.iterdir():
        file.chmod(0o444)
    foreign_folder.chmod(0o555)
    with script(AS_NOBODY, copied) as child:
        seq, _, note = said(child).split(" ", 2)
    assert seq == "2" or (seq == "1" and "bytes of newer events are not shown" in note)
