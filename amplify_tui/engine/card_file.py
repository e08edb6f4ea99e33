"""The run's card on disk: RUN.rollback.md in its folder, whole at every moment, for whoever has nothing else left.

It is written before an effect is made whose undo is new, and soon after everything else that changes what is left to
take back. A card that cannot be written stops nothing: the journal has it all, and the problem is told.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from typing import Final

from amplify_tui.engine.rundir import RunDir
from amplify_tui.report.card import card_text
from amplify_tui.run import events as ev
from amplify_tui.run.events import EventData
from amplify_tui.run.state import State

SOON_S: Final = 0.2
TAKING_BACK_S: Final = 1.0  # then many events come in a row, and none of it may wait for a card
_CHANGES: Final = (
    ev.RunCreated,
    ev.RunStarted,
    ev.EffectIntended,
    ev.EffectDone,
    ev.EffectAccepted,
    ev.EffectFailed,
    ev.EffectUnknown,
    ev.EffectProbed,
    ev.EffectSettled,
    ev.RollbackStarted,
    ev.MitigationStarted,
    ev.MitigationDone,
    ev.ExposureReread,
    ev.UndoDecided,
    ev.DriftAnswered,
    ev.RunClosed,
)

_log = logging.getLogger(__name__)


def write_card(folder: RunDir, state: State) -> None:
    """Write the card of *state*, atomically, 0600: a reader sees the old one or this one. Raises OSError."""
    draft = folder.card.with_suffix(".tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(card_text(state).encode("utf-8", "replace"))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder.card)


def _is_urgent(data: EventData) -> bool:
    return isinstance(data, (ev.RunClosed, ev.Superseded, ev.Reversed)) or (
        isinstance(data, ev.EffectIntended) and data.undo is not None
    )


class CardFile:
    """Keeps the card as the run is. `problem` takes a sentence where it could not be written."""

    def __init__(self, folder: RunDir, problem: Callable[[str], None]) -> None:
        self._folder = folder
        self._problem = problem
        self._state: State | None = None
        self._later: asyncio.TimerHandle | None = None

    def told(self, state: State, events: Sequence[EventData]) -> None:
        """Write now what has to stand there before the world changes, and the last one; soon what else is another."""
        self._state = state
        if any(_is_urgent(data) for data in events):
            self.write()
        elif any(isinstance(data, _CHANGES) for data in events) and self._later is None:
            takes_back = state.phase == "rolling_back" or state.mitigation == "running"
            pause = TAKING_BACK_S if takes_back else SOON_S
            self._later = asyncio.get_running_loop().call_later(pause, self.write)

    def write(self, state: State | None = None) -> None:
        """Write the card now: of *state*, else of the last one that was told. Never raises for a disk."""
        state = state or self._state
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if state is None or state.phase in ("none", "draft"):
            return
        try:
            write_card(self._folder, state)
        except Exception as error:  # noqa: BLE001  # not even a bug of ours in a card may keep an effect from its end
            _log.warning("the card could not be written", exc_info=error)
            why = (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
            self._problem(f"{self._folder.card.name} is out of date, it cannot be written: {why}; `k` shows the card")
