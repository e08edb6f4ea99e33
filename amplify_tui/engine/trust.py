"""Whether a bundle can be trusted, looked at before the start: who vouches for it, and what is new about it.

Only facts are found here; what follows from them is decided in run/decide/trust.py. The bundle is what the run pinned,
never what the file says by now.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from amplify_tui.adapters.git.committed import CommittedFile
from amplify_tui.adapters.ports import AdapterError
from amplify_tui.engine.facts import Facts
from amplify_tui.engine.journal import JournalError
from amplify_tui.engine.locks import list_runs
from amplify_tui.engine.reach import reach_of, reach_written
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.playbook.context import Context
from amplify_tui.playbook.document import Document
from amplify_tui.playbook.resolve import Unresolved, resolve_value
from amplify_tui.playbook.yaml import decode as read_text
from amplify_tui.run.envelope import UnreadableEvent, decode
from amplify_tui.run.events import RunCreated, RunStarted
from amplify_tui.run.shapes import Reach, Trust
from amplify_tui.run.state import State
from amplify_tui.run.trust import difference

LOOKED_AT: Final = 50  # earlier runs of the playbook, newest first
FIRST: Final = 200  # a run's start stands among its first events

_log = logging.getLogger(__name__)
Same = Callable[[bytes], bool]


class Use(msgspec.Struct, frozen=True):
    """An earlier start of a bundle of the same name."""

    run: str
    bundle: str
    ref: str
    trust: Trust


async def examine(facts: Facts, state: State, home: Path) -> Trust:
    """What is known of the run's bundle. Never raises for what git says: what cannot be known is a doubt."""
    bundle = _Bundle(state.plan.name, state.run, state.bundle_text, state.bundle_sha)
    reach = reach_of(facts.document, facts.playbook, facts.names)
    return await _examined(bundle, facts.document.path, facts.playbook.release.trusted_ref or "", reach, home)


async def look_at(document: Document, names: Mapping[str, Any], home: Path) -> Trust:
    """As `examine`, where there is no run: of a file that somebody wants to have looked at, or tried on the past."""
    bundle = _Bundle(document.name, "", document.text, document.sha256)
    written, doubt = (document.raw.get("release") or {}).get("trusted_ref") or "", ""
    try:
        ref = str(resolve_value(written, Context(dict(names))))
    except Unresolved:
        ref, doubt = "", f"release.trusted_ref is {written}, which is not known yet"
    found = await _examined(bundle, document.path, ref, reach_written(document, names), home)
    return replace(found, doubts=(*found.doubts, doubt)) if doubt else found


class _Bundle(msgspec.Struct, frozen=True):
    """A text that is to be trusted, and the run that has pinned it, if one has."""

    name: str
    run: str
    text: str
    sha: str


async def _examined(bundle: _Bundle, path: str, ref: str, reach: Reach, home: Path) -> Trust:
    def is_same(blob: bytes) -> bool:
        return read_text(blob)[0] == bundle.text

    uses = await asyncio.to_thread(lambda: list(earlier(home, bundle.name, bundle.run)))
    last = next(iter(uses), None)
    file = CommittedFile(Path(path))
    barred = await _barred(file, ref, is_same) if ref else ""
    doubts = [*await _doubts(file, is_same)]
    if last is not None and last.ref and last.ref != ref:
        doubts += await _dropped(file, last, ref, is_same)
    found = Trust(
        doubts=tuple(doubts),
        barred=barred,
        fix=f"merge it to {ref} and fetch, or start the version that is there" if barred else "",
        reach=reach,
        is_new=all(use.bundle != bundle.sha for use in uses),
        last=last.run if last is not None else "",
        changes=difference(last.trust.reach, reach) if last is not None else (),
    )
    return replace(found, sha=hashlib.sha256(msgspec.json.encode([doubts, reach, bundle.sha])).hexdigest())


async def _doubts(file: CommittedFile, is_same: Same) -> list[str]:
    try:
        doubt = await file.doubt(is_same)
    except AdapterError as error:
        return [f"nobody can say that {file.name} is committed: {error.what}"]
    return [doubt] if doubt else []


async def _barred(file: CommittedFile, ref: str, is_same: Same) -> str:
    """Why the bundle is not on *ref*, which it says it has to be on; "" where it is."""
    try:
        is_there = await file.is_on(ref, is_same)
    except AdapterError as error:
        return f"release.trusted_ref is {ref}, and whether {file.name} is on it cannot be found out: {error.what}"
    return "" if is_there else f"{file.name} is not on {ref}, where release.trusted_ref says that it has to be"


async def _dropped(file: CommittedFile, last: Use, ref: str, is_same: Same) -> list[str]:
    """A playbook may name another branch than it did, or none; but not in a version that the old one does not have."""
    try:
        if await file.is_on(last.ref, is_same):
            return []
    except AdapterError as error:
        _log.info("the trusted_ref of run %s cannot be looked at: %s", last.run, error)
    now = f"names {ref}" if ref else "names none"
    return [f"in run {last.run} it had to be on {last.ref}; this version is not there, and {now}"]


def earlier(home: Path, name: str, but: str) -> Iterator[Use]:
    """Starts of bundles of that name in this home, newest first, without the run *but*.

    Sandboxes and dry runs were no use of it.
    """
    rows = [row for row in list_runs(home) if row.name == name and row.id != but]
    for row in rows[:LOOKED_AT]:
        try:
            found = _use(RunDir(home / "runs" / row.id))
        except (JournalError, UnreadableEvent, OSError) as error:
            _log.info("run %s cannot be compared with: %s", row.id, error)
            continue
        if found is not None:
            yield found


def _use(folder: RunDir) -> Use | None:
    reader = SqliteReader.open(folder.journal)
    try:
        events = [decode(body) for body in reader.read(0, FIRST)]
    finally:
        reader.close()
    created = next((e.data for e in events if isinstance(e.data, RunCreated)), None)
    started = next((e.data for e in events if isinstance(e.data, RunStarted)), None)
    if created is None or started is None or started.trust is None or created.mode != "live":
        return None
    return Use(folder.run, created.bundle.sha256, started.plan.trusted_ref, started.trust)
