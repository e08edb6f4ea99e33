"""What a conductor says of secrets in the run's folder: which the run uses, and which have no value where it runs.

Names only. Who comes by can tell from it whether a conductor of their own could do more (succession.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from amplify_tui.engine.proc import this_process
from amplify_tui.engine.reach import secrets_named
from amplify_tui.engine.rundir import Conductor, RunDir
from amplify_tui.engine.secret_values import Secrets
from amplify_tui.playbook.context import secret_names
from amplify_tui.run.state import State

LOOK_S: Final = 5.0

_log = logging.getLogger(__name__)


def secrets_of(raw: Mapping[str, Any], state: State) -> tuple[str, ...]:
    """The secrets that the run's playbook, its inputs and its undo data name, by name.

    raw: the playbook as it is written. What was done by an earlier text of it is undone as that one said.
    """
    undo = [effect.undo.spec for effect in state.effects.values() if effect.undo is not None]
    kept = msgspec.json.encode([state.inputs, undo]).decode()
    return tuple(sorted({*secrets_named(raw), *secret_names(kept)}))


class OwnSecrets:
    """Writes conductor.json, and keeps what it says of secrets true."""

    def __init__(self, folder: RunDir) -> None:
        self._folder = folder
        self._said: Conductor | None = None
        self._asked = asyncio.Event()
        self.uses: tuple[str, ...] = ()
        self.lacks: tuple[str, ...] = ()

    def attach(self) -> None:
        """Say who conducts; of secrets nothing is known yet. Raises OSError."""
        self._say()

    def of(self, uses: tuple[str, ...]) -> None:
        """Which secrets the run uses from now on."""
        self.uses = uses
        self._asked.set()

    async def keep_true(self) -> None:
        """Look which of them have a value, and again every few seconds: a keyring may be given one meanwhile."""
        while True:
            await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._asked.wait()
            self._asked.clear()

    async def _look(self) -> None:
        # In a thread, for a keyring may take its time, and a flag waits for no keyring.
        held = await asyncio.to_thread(Secrets().held, self.uses)
        self.lacks = tuple(name for name in self.uses if name not in held)
        try:
            if self._said is not None:
                self._say()
        except OSError as full:
            _log.warning("which secrets are missing is not written down: %s", full)

    def _say(self) -> None:
        said = Conductor(this_process(), str(self._folder.own_socket()), self.uses, self.lacks)
        if said != self._said:
            self._folder.write_conductor(said)
            self._said = said
