"""A conductor with the secrets of this shell in the place of one that lives and lacks them."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from amplify_tui.engine.proc import lives
from amplify_tui.engine.rundir import RunDir
from amplify_tui.run.shapes import Refusal

_WITHIN_S: Final = 20.0
_LOOK_S: Final = 0.05


async def with_secrets(folder: RunDir) -> str:
    """Have this shell's conductor take over where that helps. In words what came of it; "" where nothing is lacking.

    Raises JournalError.
    """
    said = folder.conductor()
    if said is None or not said.lacks:
        return ""
    from amplify_tui.cli.common import ensure_conductor, replay
    from amplify_tui.engine.create import start_conductor
    from amplify_tui.engine.succession import claim
    from amplify_tui.run.decide import decide
    from amplify_tui.run.select.words import refused

    if not lives(said.mark):  # it has left, and whoever was to come has not
        await ensure_conductor(folder, with_ours=False)
        return ""
    order = await asyncio.to_thread(claim, said)
    state = await asyncio.to_thread(replay, folder)
    result = decide(state, order, time.time())  # the one that is to leave decides once more
    if isinstance(result, Refusal):
        return refused(result.what, result.why, result.next)
    child = start_conductor(folder)
    until = time.monotonic() + _WITHIN_S
    while time.monotonic() < until:
        is_over = child.ended() is not None
        now = folder.conductor()
        if now is not None and now.mark != said.mark:  # ours, or that of another shell which was faster
            return "a conductor with the secrets of this shell has taken over" if now.mark.pid == child.pid else ""
        if is_over:
            break
        await asyncio.sleep(_LOOK_S)
    if not lives(said.mark):
        await ensure_conductor(folder, with_ours=False)
        return f"the one that was to take over has ended, and another was started: {folder.log} says why"
    return f"the conductor is not replaced: {folder.log} says why"
