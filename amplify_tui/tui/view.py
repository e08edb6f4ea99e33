"""The one value that every screen reads, and the feed that folds a client's updates into it. No widgets here.

The cockpit folds the events itself, so what it shows is exactly what the journal holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any, Final

from amplify_tui.engine.client import Board, Lost, NewEvents, Update
from amplify_tui.run.envelope import UnreadableEvent, decode
from amplify_tui.run.evolve import evolve
from amplify_tui.run.select.log_lines import LogLine, log_line
from amplify_tui.run.select.signals import COURSE
from amplify_tui.run.state import State

KEPT_LINES: Final = 2000
TIMES: Final = frozenset({"at", "data_at", "received_at", "window_from", "window_to"})


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """State, board and time as of one moment. Compared by identity: a new one is a new picture."""

    state: State = field(default_factory=State)
    board: Mapping[str, Any] = field(default_factory=dict)
    log: tuple[LogLine, ...] = ()
    lost: str = ""
    lost_at: float = 0.0
    at: float = 0.0
    actor: str = ""
    tz: tzinfo | None = None
    facts: str = ""


def _undated(value: Any) -> Any:
    """A value of the board without the times at which it was read."""
    return {key: part for key, part in value.items() if key not in TIMES} if isinstance(value, dict) else value


class Feed:
    """Folds what a client sends. `view(at)` is the picture as of *at*; `dirty` says whether it would be a new one."""

    def __init__(self, actor: str, tz: tzinfo | None) -> None:
        self._base = View(actor=actor, tz=tz)
        self._state = State()
        self._board: dict[str, Any] = {}
        self._log: list[LogLine] = []
        self._lost = ""
        self._lost_at = 0.0
        self._facts = ""
        self.dirty = True

    @property
    def seq(self) -> int:
        return self._state.seq

    def take(self, update: Update, at: float) -> None:
        """Fold one update, received at *at*. Raises UnreadableEvent where the run is newer than this program."""
        # What was read again and is as before only grows older, and ages are drawn once a second anyway.
        self.dirty = self.dirty or not isinstance(update, Board) or update.whole or self._is_news(update.values)
        match update:
            case NewEvents(bodies=bodies):
                self._lost = ""
                for body in bodies:
                    self._fold(body)
            case Board(values=values, whole=whole):
                self._lost = ""
                self._board = dict(values) if whole else self._board | values
            case Lost(reason=reason, went_back=went_back):
                self._lost, self._lost_at = reason, at
                if went_back:
                    self._start_over(reason)

    def _is_news(self, values: Mapping[str, Any]) -> bool:
        """Whether anything but the times of readings is another than on the board; always after a silence."""
        return bool(self._lost) or any(
            _undated(value) != _undated(self._board.get(key))
            for key, value in values.items()
            if not key.startswith(COURSE)  # its newest reading has a key of its own
        )

    def stop(self, reason: str, at: float) -> None:
        """Nothing more can be read: say so for good."""
        self._lost, self._lost_at, self.dirty = reason, at, True

    def view(self, at: float) -> View:
        self.dirty = False
        return replace(
            self._base,
            state=self._state,
            board=self._board,
            log=tuple(self._log),
            lost=self._lost,
            lost_at=self._lost_at,
            at=at,
            facts=self._facts,
        )

    def _fold(self, body: bytes) -> None:
        envelope = decode(body)
        try:
            line = log_line(self._state, envelope)
            state = evolve(self._state, envelope)
        except (KeyError, ValueError) as error:
            raise UnreadableEvent(f"event {envelope.seq} ({envelope.type}) does not fit what came before it") from error
        self._state = state
        self._log.append(line)
        if len(self._log) > KEPT_LINES:
            del self._log[: KEPT_LINES // 10]

    def _start_over(self, reason: str) -> None:
        self._state, self._log, self._board = State(), [], {}
        self._facts = f"the journal lost its end: {reason}; everything was read again, check what is unknown"
