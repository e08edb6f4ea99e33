"""Taking over from an earlier run as a hotfix starts: its journal is read, it is told, and its locks change hands.

| step | is written to       | what                                                                  |
| ---- | ------------------- | --------------------------------------------------------------------- |
| 1    | the locks           | those that the new run wants, and the earlier one does not hold       |
| 2    | the earlier journal | it is superseded by this run, and ends: the point of decision         |
| 3    | the locks           | those of the earlier run go over, all at once; either of the two does |
| 4    | the new journal     | it starts, with all that is left to take back                         |

Of two that want it, step 2 takes one. After a crash before it a conductor of the draft gives back what step 1 took, and
the earlier run is as it was. After a crash behind it the locks go to the draft, which finds itself named in the earlier
journal when it is started anew, and goes on from there. Until then nobody else takes the earlier run over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from amplify_tui.engine.client import UnreachableError
from amplify_tui.engine.journal import JournalError
from amplify_tui.engine.locks import Registrar
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.scribe import new_id
from amplify_tui.engine.spawn import NotStartedError
from amplify_tui.engine.takers import read, tell, void_taker
from amplify_tui.engine.wire import WireError
from amplify_tui.playbook.model import Playbook
from amplify_tui.run import commands as c
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.state import State
from amplify_tui.run.supersede import Inheritance


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
    if taken := registrar.take(draft.run, locks, beside=earlier):
        return replace(order, problems=tuple(taken))
    if said := await _superseded(home, earlier, by=draft.run, order=order):
        return replace(order, problems=(said,))
    registrar.inherit(draft.run, earlier)
    if taken := registrar.take(draft.run, locks):
        return replace(order, problems=tuple(taken))
    return replace(order, earlier=await asyncio.to_thread(read, home, earlier))


async def _superseded(home: Path, earlier: str, *, by: str, order: c.Start) -> str:
    """Let the earlier run end, by its own door. Why that is not done, in words; "" where its journal names *by*."""
    written = await asyncio.to_thread(read, home, earlier)
    if written is None:
        return f"the journal of run {earlier} cannot be read; start again"
    told = c.Supersede(
        id=new_id(),
        actor=order.actor,
        via=order.via,
        reason=order.reason,
        by=by,
        instead_of=await asyncio.to_thread(void_taker, home, written),
    )
    try:
        answer = await tell(RunDir(home / "runs" / earlier), told, is_open=written.phase != "closed")
    except (UnreachableError, WireError, NotStartedError, JournalError, OSError) as error:
        written = await asyncio.to_thread(read, home, earlier)
        if written is not None and written.superseded_by == by:
            return ""
        return f"run {earlier} could not be told that it is superseded: {error}; start again"
    if answer.refusal is None:
        return ""
    return str(Refusal(answer.refusal.what, answer.refusal.why, answer.refusal.next))
