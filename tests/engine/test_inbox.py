"""Commands that wait for a conductor."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from amplify_tui.engine import inbox as module
from amplify_tui.engine.inbox import MAX_COMMAND, Inbox, InboxFull
from amplify_tui.engine.journal import Corrupt
from tests.engine.engine_helpers import said, script

SUBMIT = """
import os, signal, sys
from pathlib import Path
from amplify_tui.engine.inbox import Inbox
inbox = Inbox.open(Path(sys.argv[1]))
print(inbox.submit("c-1", b"{}", 5.0), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    made = Inbox.open(tmp_path / "inbox.db")
    yield made
    made.close()


def test_commands_wait_in_order_until_they_are_taken(inbox: Inbox) -> None:
    for name in ("c-2", "c-1", "c-3"):
        assert inbox.submit(name, name.encode(), at=7.0)
    assert [(each.id, each.body, each.at) for each in inbox.pending()] == [
        ("c-2", b"c-2", 7.0),
        ("c-1", b"c-1", 7.0),
        ("c-3", b"c-3", 7.0),
    ]
    inbox.taken("c-1")
    inbox.taken("never submitted")
    assert [each.id for each in inbox.pending()] == ["c-2", "c-3"]


def test_one_id_waits_once_and_the_first_one_counts(inbox: Inbox) -> None:
    assert inbox.submit("c-1", b"first", at=1.0)
    assert not inbox.submit("c-1", b"second", at=2.0)
    assert [each.body for each in inbox.pending()] == [b"first"]


def test_what_another_process_submitted_is_noticed_and_survives_its_kill_9(inbox: Inbox) -> None:
    assert inbox.changed()
    assert not inbox.changed()
    with script(SUBMIT, inbox.path) as child:
        assert said(child) == "True"
        assert child.wait(20) == -9
    assert inbox.changed()
    assert [(each.id, each.at) for each in inbox.pending()] == [("c-1", 5.0)]
    assert not inbox.changed()


def test_a_long_command_and_a_full_inbox_are_refused_in_words(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InboxFull, match="amplify attach"):
        inbox.submit("c-1", b"x" * (MAX_COMMAND + 1), at=1.0)
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    inbox.submit("c-1", b"", at=1.0)
    with pytest.raises(InboxFull, match="1 commands wait"):
        inbox.submit("c-2", b"", at=1.0)
    assert len(inbox.pending()) == 1


def test_a_broken_inbox_is_moved_aside_for_the_conductor_only(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    path.write_bytes(b"broken" * 1000)
    with pytest.raises(Corrupt):
        Inbox.open(path)
    inbox = Inbox.open_or_replace(path)
    assert inbox.moved_aside is not None
    assert inbox.moved_aside.read_bytes() == b"broken" * 1000
    assert inbox.submit("c-1", b"{}", at=1.0)
    inbox.close()


def test_a_process_stopped_in_the_inbox_does_not_touch_the_journal(inbox: Inbox) -> None:
    other = sqlite3.connect(inbox.path, isolation_level=None)
    other.execute("begin immediate")
    assert inbox.pending() == []  # reading goes on
    assert sorted(path.name for path in inbox.path.parent.iterdir()) == ["inbox.db", "inbox.db-shm", "inbox.db-wal"]
    other.close()


def test_the_file_is_private(inbox: Inbox) -> None:
    assert stat.S_IMODE(inbox.path.stat().st_mode) == 0o600
