"""The shared index: runs, locks, and that it can be lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from amplify_tui.engine.index import BROKEN, Index, RunSummary
from amplify_tui.engine.journal import Corrupt, Head, JournalError, Locked, NewerSchema
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteJournal, SqliteReader
from tests.engine.engine_helpers import event
from tests.engine.journal_contract import lease_of


def read_summary(path: Path) -> RunSummary:
    """As the integrated reader does, but for the fold: from the journal, which may be broken."""
    reader = SqliteReader.open(path / "journal.db")
    try:
        head = reader.head()
        return RunSummary(
            id=path.name, phase="forward", started_at=1.0, head_seq=head.seq, head_sha=head.sha, locks=("prod",)
        )
    finally:
        reader.close()


def make_run(home: Path, run: str) -> RunDir:
    made = RunDir.create(home, run)
    journal = SqliteJournal.create(made.journal, run)
    lease = lease_of(journal)
    journal.append(lease, [event(lease)])
    journal.close()
    return made


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index.open(tmp_path, read_summary)
    yield made
    made.close()


def test_a_run_is_put_replaced_and_listed_newest_first_drafts_before_all(index: Index) -> None:
    index.put(RunSummary(id="a", started_at=10.0, phase="forward"))
    index.put(RunSummary(id="b", started_at=20.0, name="checkout", version="3.0.0", mode="live", actor="captain"))
    index.put(RunSummary(id="c", phase="draft"))
    index.put(RunSummary(id="a", started_at=10.0, phase="closed", outcome="completed", ended_at=30.0))
    assert [run.id for run in index.runs()] == ["c", "b", "a"]
    assert [run.id for run in index.runs(limit=1)] == ["c"]
    found = index.get("a")
    assert found == RunSummary(id="a", started_at=10.0, phase="closed", outcome="completed", ended_at=30.0)
    assert index.get("nobody") is None


def test_the_head_is_kept_outside_the_journal(index: Index) -> None:
    index.put(RunSummary(id="a"))
    assert index.head("a") is None
    index.witness("a", Head(7, "ab" * 32))
    index.witness("nobody", Head(7, "ab" * 32))
    assert index.head("a") == Head(7, "ab" * 32)
    assert index.head("nobody") is None


def test_locks_are_taken_all_or_none_and_name_who_is_in_the_way(index: Index) -> None:
    assert index.take(["prod", "checkout"], run="a", host="h", pid=1, now=5.0) == []
    blocking = index.take(["web", "prod"], run="b", host="h", pid=2, now=6.0)
    assert [(lock.name, lock.run, lock.host, lock.pid, lock.since) for lock in blocking] == [("prod", "a", "h", 1, 5.0)]
    assert [lock.name for lock in index.holders()] == ["checkout", "prod"]
    assert index.holders(["web"]) == []
    assert index.take(["prod"], run="a", host="h", pid=9, now=7.0) == []  # its own, from a new process
    index.release("a")
    assert index.take(["web", "prod"], run="b", host="h", pid=2, now=8.0) == []


def test_a_run_that_is_to_supersede_another_takes_what_that_one_lacks_and_leaves_it_its_own(index: Index) -> None:
    index.take(["prod"], run="a", host="h", pid=1, now=5.0)
    index.take(["web"], run="b", host="h", pid=1, now=5.0)
    in_the_way = index.take(["prod", "web", "api"], run="c", host="h", pid=2, now=6.0, beside="a")
    assert [lock.name for lock in in_the_way] == ["web"]
    assert {lock.name: lock.run for lock in index.holders()} == {"prod": "a", "web": "b"}, "all or none"
    assert index.take(["prod", "api"], run="c", host="h", pid=2, now=6.0, beside="a") == []
    assert {lock.name: lock.run for lock in index.holders()} == {"prod": "a", "web": "b", "api": "c"}


def test_locks_are_handed_over_whole(index: Index) -> None:
    index.take(["prod", "web"], run="a", host="h", pid=1, now=5.0)
    index.take(["api"], run="c", host="h", pid=1, now=5.0)
    index.hand_over("a", to="c")
    assert {lock.name: lock.run for lock in index.holders()} == {"prod": "c", "web": "c", "api": "c"}
    index.hand_over("a", to="d")
    assert {lock.run for lock in index.holders()} == {"c"}, "from who holds none, none"


@pytest.mark.parametrize(("phase", "holder"), [("draft", {"new"}), ("forward", set()), ("closed", set())])
def test_an_index_made_again_gives_the_locks_of_a_run_to_the_draft_for_which_it_has_ended(
    tmp_path: Path, phase: str, holder: set[str]
) -> None:
    for run in ("old", "new"):
        make_run(tmp_path, run)
    found = {
        "old": RunSummary(id="old", phase="closed", locks=("prod",), heir="new"),
        "new": RunSummary(id="new", phase=phase),
    }
    index = Index.open(tmp_path, lambda path: found[path.name])
    assert {lock.run for lock in index.holders(["prod"])} == holder
    index.close()


def test_two_processes_cannot_hold_one_lock(index: Index, tmp_path: Path) -> None:
    other = Index.open(tmp_path, read_summary)
    assert index.take(["prod"], run="a", host="h", pid=1, now=5.0) == []
    assert [lock.run for lock in other.take(["prod"], run="b", host="h", pid=2, now=5.0)] == ["a"]
    other.close()


def test_a_lost_index_is_made_again_from_the_run_directories(tmp_path: Path) -> None:
    for run in ("a", "b"):
        make_run(tmp_path, run)
    index = Index.open(tmp_path, read_summary)
    assert sorted((run.id, run.phase, run.head_seq) for run in index.runs()) == [
        ("a", "forward", 1),
        ("b", "forward", 1),
    ]
    assert [lock.name for lock in index.holders()] == ["prod"]
    index.close()


def test_a_broken_run_is_listed_as_broken_and_hides_no_other(tmp_path: Path) -> None:
    make_run(tmp_path, "sound")
    broken = make_run(tmp_path, "broken")
    broken.head.write(Head(1, "ab" * 32))
    broken.head.close()
    broken.journal.write_bytes(b"garbage" * 1000)
    make_run(tmp_path, "empty").journal.unlink()
    (tmp_path / "runs" / "a stray file").write_text("x")
    index = Index.open(tmp_path, read_summary)
    phases = {run.id: run.phase for run in index.runs()}
    assert phases == {"sound": "forward", "broken": BROKEN, "empty": BROKEN}
    found = index.get("broken")
    assert found is not None
    assert "not a database" in found.note
    assert index.head("broken") == Head(1, "ab" * 32)
    index.close()


@pytest.mark.parametrize("damage", ["all of it", "one page"])
def test_a_broken_index_is_moved_aside_and_rebuilt(tmp_path: Path, damage: str) -> None:
    make_run(tmp_path, "a")
    index = Index.open(tmp_path, read_summary)
    for number in range(300):
        index.put(RunSummary(id=f"gone-{number}", note="x" * 100))
    index.close()
    path = tmp_path / "index.db"
    data = bytearray(path.read_bytes())
    where = slice(0, len(data)) if damage == "all of it" else slice(5 * 4096, 8 * 4096)
    data[where] = b"\xa5" * len(data[where])
    path.write_bytes(data)
    index = Index.open(tmp_path, read_summary)
    assert index.moved_aside is not None
    assert index.moved_aside.read_bytes() == data
    assert [run.id for run in index.runs()] == ["a"]
    index.close()


def test_a_rebuild_keeps_who_took_a_lock_and_when(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    index = Index.open(tmp_path, read_summary)
    index.take(["prod"], run="a", host="h", pid=7, now=5.0)
    index.take(["gone"], run="b", host="h", pid=8, now=5.0)
    index.rebuild(read_summary)
    assert [(lock.name, lock.pid, lock.since) for lock in index.holders()] == [("prod", 7, 5.0)]
    index.close()


def test_a_newer_index_is_left_alone(tmp_path: Path) -> None:
    Index.open(tmp_path, read_summary).close()
    db = sqlite3.connect(tmp_path / "index.db")
    db.execute("pragma user_version = 9")
    db.close()
    with pytest.raises(NewerSchema):
        Index.open(tmp_path, read_summary)
    assert [path.name for path in tmp_path.glob("*.broken*")] == []


def test_a_process_stopped_in_a_write_is_an_error_in_words_and_reading_goes_on(index: Index) -> None:
    index.put(RunSummary(id="a"))
    other = sqlite3.connect(index.path, isolation_level=None)
    other.execute("begin immediate")
    index._db.execute("pragma busy_timeout = 10")
    with pytest.raises(Locked) as caught:
        index.put(RunSummary(id="b"))
    assert isinstance(caught.value, JournalError)
    assert not isinstance(caught.value, Corrupt)
    assert [run.id for run in index.runs()] == ["a"]
    other.close()
