"""A disk that is full or may not be written, and journals that are damaged or too new.

Every command says so in words and with a status, nothing is lost, and the other runs are as they were.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amplify_tui.engine.lease import acquire
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteJournal
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    amplify,
    assert_clear,
    checked,
    eventually,
    kill_conductor,
    plain_playbook,
    plain_repo,
    step,
)
from tests.engine.engine_helpers import event

TEXT = "support is staffed until midnight"


def draft(runs: Runs, folder: Path) -> RunDir:
    """A run that asks, then acts."""
    if not (folder / "repo").exists():
        plain_repo(folder / "repo")
    bench = Bench(folder / "bench")
    steps = [step("go", "confirm", {"ask": "Go?"}), step("work", "command", bench.command("work"))]
    return runs.create(checked(plain_playbook(folder / "repo", steps), folder / "playbook.yaml"))


async def noted(runs: Runs, folder: Path) -> RunDir:
    """A run that is under way with a note in its journal, and whose conductor is gone."""
    made = draft(runs, folder)
    await runs.conduct(made)
    async with Watched(made) as watched:
        await watched.start()
        assert (await watched.do("Note", text=TEXT)).ok
        await watched.seen("StepAwaiting", step="go")
    kill_conductor(made)
    with sqlite3.connect(made.journal) as db:
        db.execute("pragma wal_checkpoint(truncate)").fetchall()
    db.close()
    return made


def flip(path: Path, text: str) -> None:
    raw = bytearray(path.read_bytes())
    at = raw.index(text.encode())
    raw[at] ^= 1
    path.write_bytes(raw)


def with_writer(folder: RunDir, work: Callable[[SqliteJournal], None]) -> None:
    journal = SqliteJournal.open_writer(folder.journal, folder.run, folder.head.write)
    try:
        work(journal)
    finally:
        journal.close()


def garbage(folder: RunDir) -> None:
    folder.journal.write_bytes(os.urandom(20_000))


def damaged_page(folder: RunDir) -> None:
    raw = bytearray(folder.journal.read_bytes())
    raw[5000:20000] = os.urandom(15000)
    folder.journal.write_bytes(raw)


def empty(folder: RunDir) -> None:
    folder.journal.write_bytes(b"")


def gone(folder: RunDir) -> None:
    folder.journal.unlink()


def newer_file(folder: RunDir) -> None:
    with sqlite3.connect(folder.journal) as db:
        db.execute("pragma user_version = 99")
    db.close()


def newer_event(folder: RunDir) -> None:
    def work(journal: SqliteJournal) -> None:
        keeper = acquire(journal, FileLock(folder.lock))

        def build(seq: int, prev: str) -> bytes:
            made = event(keeper.lease, "NoteAdded")(seq, prev).decode()
            fields = '"v":99,"at":"2030-01-01T00:00:00Z","actor":"x","via":"cli","cmd":"","data":{},"epoch"'
            return made.replace('"epoch"', fields, 1).encode()

        journal.append(keeper.lease, [build])
        keeper.release()

    with sqlite3.connect(folder.journal) as db:
        db.execute("update lease set holder = ''")
    db.close()
    with_writer(folder, work)


BREAKS = {
    "garbage": (garbage, ("journal.db",)),
    "a damaged page": (damaged_page, ("journal.db",)),
    "empty": (empty, ("journal.db",)),
    "gone": (gone, ("journal.db", "is not there")),
    "a newer file": (newer_file, ("schema 99",)),
    "a newer event": (newer_event, ("version 99",)),
}


@pytest.mark.parametrize("kind", BREAKS)
async def test_a_journal_that_cannot_be_read_is_said_in_words_and_hides_no_other_run(
    runs: Runs, tmp_path: Path, kind: str
) -> None:
    broken = await noted(runs, tmp_path / "one")
    sound = await noted(runs, tmp_path / "other")
    damage, words = BREAKS[kind]
    damage(broken)
    before = broken.journal.read_bytes() if broken.journal.exists() else None
    for command in (["show", broken.run], ["attach", broken.run, "--headless"], ["resume", broken.run]):
        assert_clear(amplify(*command), *words)
    assert (broken.journal.read_bytes() if broken.journal.exists() else None) == before
    listed = amplify("runs", "--json")
    assert listed.returncode == 0
    assert sound.run in listed.stdout
    assert amplify("show", sound.run).returncode == 0
    (runs.home / "index.db").unlink()
    rebuilt = amplify("runs")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert sound.run[:8] in rebuilt.stdout
    assert "broken" in rebuilt.stdout
    await runs.conduct(sound)
    async with Watched(sound) as watched:
        await watched.until(lambda s: s.conductor.epoch > 2, "it is taken over")
        assert (await watched.do("Answer", step="go", values={"accept": True})).ok
        assert await watched.closed() == "completed"


async def test_verify_finds_a_flipped_byte(runs: Runs, tmp_path: Path) -> None:
    folder = await noted(runs, tmp_path)
    assert amplify("show", folder.run, "--verify").returncode == 0
    flip(folder.journal, TEXT)
    assert_clear(amplify("show", folder.run, "--verify"), "not sound", code=1)
    said = amplify("show", folder.run, "--verify", "--json")
    assert said.returncode == 1
    assert '"ok": false' in said.stdout


async def test_verify_finds_a_missing_tail_and_the_next_conductor_holds_the_run(runs: Runs, tmp_path: Path) -> None:
    folder = await noted(runs, tmp_path)
    with sqlite3.connect(folder.journal) as db:
        db.execute("drop trigger event_is_kept")
        db.execute("delete from event where seq = (select max(seq) from event)")
    db.close()
    assert_clear(amplify("show", folder.run, "--verify"), "went back", code=1)
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.until(lambda s: s.is_held, "the run is held")
        assert "went back" in next(iter(watched.state.holds.values())).reason


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 16 MiB, mounted for this test."""
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("a file system of its own size can only be mounted by root on Linux")
    folder = Path(tempfile.mkdtemp(prefix="amp-"))
    argv = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    mounted = subprocess.run(argv, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"mount is not allowed here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    shutil.rmtree(folder, ignore_errors=True)


def fill(folder: Path) -> Path:
    """A file that takes all that is left."""
    path = folder / "filler"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):  # ENOSPC
                while os.write(fd, b"x" * size):
                    pass
    finally:
        os.close(fd)
    assert os.statvfs(folder).f_bavail == 0
    return path


@pytest.fixture
def disk_runs(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    monkeypatch.setenv("AMPLIFY_HOME", str(small_disk / "home"))
    made = Runs(small_disk / "home")
    yield made
    made.sweep()


async def test_a_full_disk_is_said_in_words_and_nothing_is_lost(
    disk_runs: Runs, small_disk: Path, tmp_path: Path
) -> None:
    folder = await noted(disk_runs, tmp_path)
    told = amplify("show", folder.run).stdout
    filler = fill(small_disk)
    (folder.path / "journal.db.reserve").unlink()
    fill(small_disk)
    assert_clear(amplify("resume", folder.run))
    assert_clear(amplify("attach", folder.run, "--headless"))
    shown = amplify("show", folder.run)
    if shown.returncode:
        assert_clear(shown)
    else:
        assert "undo" in shown.stdout or folder.run in shown.stdout
    filler.unlink()
    assert amplify("show", folder.run).stdout == told
    await disk_runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.until(lambda s: s.conductor.epoch > 2, "it is taken over")
        assert (await watched.do("Answer", step="go", values={"accept": True})).ok
        assert await watched.closed() == "completed"


async def test_a_conductor_outlives_a_full_disk_and_goes_on_when_there_is_room(
    disk_runs: Runs, small_disk: Path, tmp_path: Path
) -> None:
    folder = draft(disk_runs, tmp_path)
    await disk_runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        filler = fill(small_disk)
        text = "x" * 100_000
        refused = None
        while refused is None:  # the reserve is used up first
            fill(small_disk)
            refused = (await watched.do("Note", text=text)).refusal
        assert "full" in str(refused)
        filler.unlink()
        assert (await watched.do("Answer", step="go", values={"accept": True})).ok
        assert await watched.closed() == "completed"
        assert amplify("show", folder.run, "--verify").returncode == 0


async def test_a_disk_that_may_not_be_written_is_said_in_words_and_shown_as_it_is(
    disk_runs: Runs, small_disk: Path, tmp_path: Path
) -> None:
    folder = await noted(disk_runs, tmp_path)
    # The threads of a killed process keep its files open for a moment longer than the process itself is there.
    read_only = ["mount", "-o", "remount,ro", str(small_disk)]
    await eventually(lambda: subprocess.run(read_only, check=False, stderr=subprocess.DEVNULL).returncode == 0, "ro")
    try:
        shown = amplify("show", folder.run)
        assert (shown.returncode, "go" in shown.stdout) == (0, True)
        assert_clear(amplify("resume", folder.run))
        assert_clear(amplify("attach", folder.run, "--headless"))
        assert_clear(amplify("do", folder.run, "note", "x"))
        listed = amplify("runs")
        assert (listed.returncode, folder.run[:8] in listed.stdout) == (0, True), listed.stderr
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert amplify("resume", folder.run).returncode == 0
