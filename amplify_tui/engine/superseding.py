"""Taking over from an earlier run as a hotfix starts: its journal is read, its locks change hands, and it is told.

In this order, so that at no moment nobody, or both, may act on what they share: the locks first, then the earlier run
ends (its own door says whether it may), and only then the new one starts. Started anew after a crash in between, it
finds itself named in the earlier journal and goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from amplify_tui.engine.client import RunClient, UnreachableError
from amplify_tui.engine.create import start_conductor
from amplify_tui.engine.journal import JournalError
from amplify_tui.engine.locks import Registrar, open_index
from amplify_tui.engine.replay import state_of
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.scribe import new_id
from amplify_tui.engine.spawn import NotStartedError, wait_ready
from amplify_tui.engine.wire import WireError
from amplify_tui.playbook.model import Playbook
from amplify_tui.run import commands as c
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.state import State
from amplify_tui.run.supersede import Inheritance

ANSWER_WITHIN = 30.0
READY_WITHIN = 20.0
_log = logging.getLogger(__name__)


def earlier_of(home: Path, run: str) -> State | None:
    """The state of the run to take over; None where its journal is gone or cannot be read.

    Who superseded it is forgotten where that one never started: it has taken nothing over.
    """
    earlier = _state(home, run)
    if earlier is not None and earlier.superseded_by and not has_started(home, earlier.superseded_by, run):
        return replace(earlier, superseded_by="")
    return earlier


def superseded_by(home: Path, closed: State) -> str:
    """The run that has taken over what *closed* left; "" where none has, or it never started, or is gone."""
    by = closed.superseded_by
    return by if by and has_started(home, by, closed.run) else ""


def has_started(home: Path, run: str, instead_of: str) -> bool:
    """Whether *run* is there, has started, and did so instead of the other one."""
    state = _state(home, run)
    return state is not None and state.started_at is not None and state.supersedes == instead_of


def _state(home: Path, run: str) -> State | None:
    try:
        return state_of(RunDir(home / "runs" / run))
    except (JournalError, OSError) as error:
        _log.warning("run %s cannot be read: %s", run, error)
        return None


def lacks(playbook: Playbook, inherited: Inheritance) -> list[str]:
    """A sentence for each name that the undo of what is taken over needs, and that *playbook* does not know."""
    wanted: dict[str, str] = {}
    for effect in inherited.effects:
        if effect.undo is None or effect.undo.cls == "none":
            continue
        spec = effect.undo.spec
        if effect.target.kind == "flag" and spec.get("source") not in playbook.sources:
            wanted[f"source {spec.get('source')}"] = effect.target.id
        elif effect.target.kind == "instance" and spec.get("service") not in playbook.services:
            wanted[f"service {spec.get('service')}"] = effect.target.id
        elif effect.target.kind == "message" and spec.get("stakeholder") not in playbook.stakeholders:
            wanted[f"stakeholder {spec.get('stakeholder')}"] = effect.target.id
    return [f"the playbook has no {name}, which the undo of {target} needs" for name, target in wanted.items()]


async def take_over(home: Path, registrar: Registrar, order: c.Start, draft: State, locks: Sequence[str]) -> c.Start:
    """*order* with the earlier run as it ended; or with the problems for which nothing changed hands.

    locks: those of the new run and of the earlier one.
    """
    earlier = draft.supersedes
    if taken := registrar.take(draft.run, locks, instead_of=earlier):
        return replace(order, problems=tuple(taken))
    assert order.earlier is not None
    said = await _tell(home, order.earlier, by=draft.run, order=order)
    if said:
        await asyncio.to_thread(_give_back, home, draft.run, order.earlier)
        return replace(order, problems=(said,))
    return replace(order, earlier=await asyncio.to_thread(_state, home, earlier))


def _give_back(home: Path, run: str, earlier: State) -> None:
    with contextlib.suppress(JournalError, OSError):
        index = open_index(home)
        try:
            index.hand_back(run, to=earlier.run, names=() if earlier.phase == "closed" else earlier.locks)
        finally:
            index.close()


async def _tell(home: Path, earlier: State, *, by: str, order: c.Start) -> str:
    """End the earlier run, by its own conductor and its own door. Why that is not done, in words; "" where it is."""
    folder = RunDir(home / "runs" / earlier.run)
    written = await asyncio.to_thread(_state, home, earlier.run)
    told = c.Supersede(
        id=new_id(),
        actor=order.actor,
        via=order.via,
        reason=order.reason,
        by=by,
        instead_of=written.superseded_by if written is not None and not earlier.superseded_by else "",
    )
    client = RunClient(folder.path, within=ANSWER_WITHIN)
    try:
        try:
            await client.connect()
        except UnreachableError:
            await wait_ready(folder.path, start_conductor(folder), within=READY_WITHIN)
        answer = await client.do(msgspec.to_builtins(told), within=ANSWER_WITHIN)
    except (UnreachableError, WireError, NotStartedError, JournalError, OSError) as error:
        return f"run {earlier.run} could not be told that it is superseded: {error}; start again"
    finally:
        await client.close()
    if answer.refusal is None:
        return ""
    return str(Refusal(answer.refusal.what, answer.refusal.why, answer.refusal.next))
