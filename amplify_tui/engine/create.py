"""Making a run: its directory, its first event with the pinned bundle, and a conductor to drive it."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amplify_tui.engine.journal import Lease
from amplify_tui.engine.lease import acquire
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.spawn import Child, detach
from amplify_tui.engine.sqlite_journal import SqliteJournal
from amplify_tui.run.envelope import enclose, encode
from amplify_tui.run.events import RunCreated, Via
from amplify_tui.run.shapes import Bundle, File, Mode

if TYPE_CHECKING:
    from amplify_tui.playbook.document import Document


def create_run(
    home: Path,
    document: Document,
    inputs: dict[str, Any],
    *,
    actor: str,
    mode: Mode = "live",
    sandbox: bool = False,
    engine: str = "",
    via: Via = "cli",
    supersedes: str = "",
) -> RunDir:
    """A new run under *home*, as a draft; its journal holds the playbook's text.

    supersedes: the run that it takes over as it starts. Lease epoch 1 is given back, so that the conductor can take it.
    Raises JournalError and PlaceError.
    """
    from amplify_tui.run.plan import draft_plan  # here, for it brings the YAML reader: a cockpit starts without

    name = secrets.token_hex(4)
    folder = RunDir.create(home, name)
    path = str(Path(document.path).absolute())
    created = RunCreated(
        mode=mode,
        plan=draft_plan(document.name, document.structure(), document.raw, document.inputs),
        bundle=bundle_of(document, path),
        engine=engine,
        playbook=path,
        inputs=inputs,
        supersedes=supersedes,
        sandbox=sandbox,
    )
    write_first(folder, created, actor=actor, via=via)
    return folder


def write_first(
    folder: RunDir, created: RunCreated, *, actor: str, via: Via, ready: Callable[[], None] = lambda: None
) -> None:
    """The journal of a run whose folder was just made, with its first event. Raises JournalError.

    ready: called when nothing is left to do but write that event; where it raises there is none.
    """
    journal = SqliteJournal.create(folder.journal, folder.run, folder.head.write)
    try:
        keeper = acquire(journal, FileLock(folder.lock))
        try:
            ready()
            journal.append(keeper.lease, [_first(created, keeper.lease, actor, via)])
        finally:
            keeper.release()
    finally:
        journal.close()
        folder.head.close()


def bundle_of(document: Document, path: str) -> Bundle:
    """What a run pins of the document at *path*."""
    return Bundle(sha256=document.sha256, files=(File(path=path, sha256=document.sha256, text=document.text),))


def _first(created: RunCreated, lease: Lease, actor: str, via: Via) -> Any:
    at = time.time()

    def build(seq: int, prev: str) -> bytes:
        return encode(
            enclose(created, seq=seq, run=lease.run, epoch=lease.epoch, at=at, actor=actor, via=via, prev=prev)
        )

    return build


def conductor_argv(folder: RunDir) -> list[str]:
    return [sys.executable, "-m", "amplify_tui.engine", str(folder.path)]


def start_conductor(folder: RunDir) -> Child:
    """A detached conductor for the run: it outlives this process and its terminal."""
    return detach(conductor_argv(folder), folder.log)


def default_actor() -> str:
    """AMPLIFY_ACTOR, else user@host."""
    import getpass
    import socket

    said = os.environ.get("AMPLIFY_ACTOR", "").strip()
    return said or f"{getpass.getuser()}@{socket.gethostname()}"
