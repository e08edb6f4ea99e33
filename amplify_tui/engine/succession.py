"""Taking over from a conductor that lives and lacks a secret: what the one that comes does, and what it says of itself.

Whether it may is decided in `run/decide`, by the one that is to leave. It ends what is on its way, for a moment; what
takes longer it leaves to its successor as a killed one would.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import Final

import msgspec

from amplify_tui.engine.client import RunClient, UnreachableError
from amplify_tui.engine.create import default_actor
from amplify_tui.engine.effects import GRACE_S
from amplify_tui.engine.journal import LeaseHeld
from amplify_tui.engine.proc import lives
from amplify_tui.engine.rundir import Conductor, RunDir
from amplify_tui.engine.scribe import new_id
from amplify_tui.engine.secret_values import Secrets
from amplify_tui.engine.wire import WireError
from amplify_tui.run.commands import HandOver, encode_command

_LOOK_S: Final = 0.02

_log = logging.getLogger(__name__)


async def make_way(busy: set[str], wake: asyncio.Event) -> None:
    """Wait for what the one that leaves is still at, for a moment. busy: by name, kept up; wake: set at each change.

    What takes longer is left as after a kill -9: cancelled, a command would be ended, and a migration never is.
    """
    try:
        async with asyncio.timeout(GRACE_S):
            while busy:
                wake.clear()
                await wake.wait()
    except TimeoutError:
        _log.warning("left to the next conductor: %s", ", ".join(sorted(busy)))
        os._exit(0)


def claim(said: Conductor) -> HandOver:
    """The order to make way for a conductor with what has a value here."""
    has = Secrets().held(said.uses)
    return HandOver(
        id=new_id(),
        actor=default_actor(),
        via="cli",
        host=socket.gethostname(),
        has=has,
        uses=said.uses,
        lacks=said.lacks,
    )


async def succeed(folder: RunDir) -> None:
    """Have the living conductor leave if it lacks a secret that has a value here, and wait until it is gone.

    Raises LeaseHeld with its words where it stays. One that does not answer is left to the lease.
    """
    said = folder.conductor()
    if said is None or not said.lacks:
        return
    client = RunClient(folder.path)
    try:
        answer = await client.do(msgspec.json.decode(encode_command(claim(said))))
    except (UnreachableError, WireError):
        return
    finally:
        await client.close()
    if answer.refusal is not None:
        raise LeaseHeld(f"{answer.refusal.what}: {answer.refusal.why}")
    for _ in range(round(2 * GRACE_S / _LOOK_S)):
        if not lives(said.mark):
            return
        await asyncio.sleep(_LOOK_S)
