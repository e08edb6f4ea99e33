"""The single writer: command in, `decide`, journal, `evolve`, followers. The only caller of `decide` in production.

What is shown is durable: the state moves on only after the append. A command id that is known gets its first answer.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Final

from amplify_tui.engine.clock import ClockWatch
from amplify_tui.engine.journal import Head, Journal
from amplify_tui.engine.lease import Keeper
from amplify_tui.engine.wire import Answer, decode_answer
from amplify_tui.engine.wire import Refusal as WireRefusal
from amplify_tui.engine.wire import encode as encode_answer
from amplify_tui.run.commands import Command, Jump
from amplify_tui.run.decide import decide
from amplify_tui.run.envelope import decode, enclose, encode
from amplify_tui.run.events import EventData
from amplify_tui.run.evolve import evolve
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.state import State

REFUSALS_KEPT: Final = 500


def new_id() -> str:
    """A command id nobody else has."""
    return secrets.token_hex(8)


class Scribe:
    """Holds the state of one run and is the only one who changes it."""

    def __init__(
        self,
        journal: Journal,
        keeper: Keeper,
        state: State,
        *,
        clock: Callable[[], float] = time.time,
        watch: ClockWatch | None = None,
        told: Callable[[State, tuple[EventData, ...]], None] | None = None,
    ) -> None:
        self.state = state
        self.keeper = keeper
        self.now = clock
        self._journal = journal
        self._told = told
        self._refused: dict[str, Answer] = {}
        self._watch = watch
        self._jumped = 0.0
        self._went_back = False

    def look_at_clock(self) -> None:
        """Journal that the clock jumped, where it did. Raises JournalError: then it is told of at the next look."""
        self._jumped += self._watch.jumped() if self._watch is not None else 0.0
        if self._jumped:
            jump = Jump(id=new_id(), actor="conductor", via="engine", delta=self._jumped)
            result = decide(self.state, jump, self.now())
            if not isinstance(result, Refusal):
                self._append(jump, result)
            self._went_back |= self._jumped < 0
            self._jumped = 0.0

    def went_back(self) -> bool:
        """Whether the clock was set back since this was last asked."""
        went, self._went_back = self._went_back, False
        return went

    def submit(self, command: Command) -> tuple[EventData, ...] | Refusal:
        """Decide and journal. Raises JournalError where the journal cannot be written: then nothing happened.

        What the clock did comes first: everything behind it in the journal is told on the clock as it is.
        """
        self.look_at_clock()
        result = decide(self.state, command, self.now())
        if isinstance(result, Refusal) or not result:
            return result
        self._append(command, result)
        return result

    def answer(self, command: Command) -> Answer:
        """As `submit`, for a client: exactly once for each command id, whether it was taken or refused."""
        known = self.known(command.id)
        if known is not None:
            return known
        result = self.submit(command)
        if isinstance(result, Refusal):
            refused = Answer(ok=False, seq=self.state.seq, refusal=WireRefusal(result.what, result.why, result.next))
            self._refused[command.id] = refused
            if len(self._refused) > REFUSALS_KEPT:
                self._refused.pop(next(iter(self._refused)))
            return refused
        return Answer(ok=True, seq=self.state.seq)

    def known(self, command: str) -> Answer | None:
        """The first answer to a command id, where there was one."""
        stored = self._journal.answer(command)
        return decode_answer(stored) if stored is not None else self._refused.get(command)

    def _append(self, command: Command, events: tuple[EventData, ...]) -> None:
        at = self.now()
        run, epoch = self.state.run or self._journal.run, self.keeper.lease.epoch

        def build(data: EventData) -> Callable[[int, str], bytes]:
            def body(seq: int, prev: str) -> bytes:
                envelope = enclose(
                    data,
                    seq=seq,
                    run=run,
                    epoch=epoch,
                    at=at,
                    actor=command.actor,
                    via=command.via,
                    cmd=command.id,
                    prev=prev,
                )
                written = encode(envelope)
                decode(written)  # what could not be read back must fail here, while nothing is written yet
                return written

            return body

        def answer(head: Head) -> bytes:
            return encode_answer(Answer(ok=True, seq=head.seq))

        done = self._journal.append(
            self.keeper.lease, [build(data) for data in events], command=command.id, answer=answer
        )
        for body in done.bodies:
            self.state = evolve(self.state, decode(body))
        if self._told is not None:
            self._told(self.state, events)
