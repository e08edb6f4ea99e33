"""One effect from intent to outcome: journaled, the lease checked, made, and journaled again.

Each of the words passes through `decide`. What an adapter cannot say becomes `unknown`, never a guess. Who wants an
effect is worker.py's (forward) and undoing.py's (back); who looks at one whose outcome nobody knows is looks.py's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from amplify_tui.adapters.ports import Absent, Accepted, AdapterError, Done, NoSecret, Outcome, Unknown
from amplify_tui.engine.journal import Fenced, JournalError
from amplify_tui.engine.scribe import Scribe, new_id
from amplify_tui.engine.setting import Setting
from amplify_tui.run import commands as c
from amplify_tui.run.shapes import Refusal, ref_of
from amplify_tui.run.state import EffectState, State
from amplify_tui.steps.verb import Context, Draft, Verb

GRACE_S: Final = 5.0
ENGINE: Final = "conductor"
NOT_BEGUN: Final = "it was not begun, for the journal could not be written"

_log = logging.getLogger(__name__)


class Effects:
    """Makes effects of one run. `say` takes a line for the panel of a step, or of the undo."""

    def __init__(self, scribe: Scribe, setting: Setting, say: Callable[[str, str], None]) -> None:
        self.scribe = scribe
        self.setting = setting
        self._say = say
        self._owed: list[c.Command] = []

    @property
    def state(self) -> State:
        return self.scribe.state

    def order(self, kind: type[Any], **fields: Any) -> Any:
        """A command of the conductor's own."""
        return kind(id=new_id(), actor=ENGINE, via="engine", **fields)

    def submit(self, kind: type[Any], **fields: Any) -> bool:
        """Give such a command; whether it was taken."""
        return not isinstance(self.scribe.submit(self.order(kind, **fields)), Refusal)

    def intent(self, name: str, draft: Draft, ordinal: str, **more: Any) -> c.Intend:
        undo = draft.undo
        return self.order(  # type: ignore[no-any-return]
            c.Intend,
            verb=name,
            target=draft.target,
            before=draft.before,
            after=draft.after,
            undo=undo,
            ordinal=ordinal,
            deadline=self.scribe.now() + draft.timeout + GRACE_S,
            says=draft.says,
            exposure=draft.exposure,
            on_rollback=draft.on_rollback,
            **more,
        )

    def journal_intent(self, order: c.Intend) -> EffectState | None:
        """The effect, journaled, with the lease checked right before it is made; None where it may not be."""
        result = self.scribe.submit(order)
        if isinstance(result, Refusal):
            self._say(ref_of(order.step, order.key) if order.step else "undo", str(result))
            return None
        effect = next(reversed(self.state.effects.values()))
        try:
            return effect if self.scribe.keeper.still_mine() else None
        except Fenced:
            raise
        except JournalError:
            self._owed += [
                self.order(c.Outcome, effect=effect.id, result="unknown", reason=NOT_BEGUN),
                self.order(c.Probed, effect=effect.id, result="absent", detail=NOT_BEGUN),
            ]
            raise

    async def act(self, word: Verb, draft: Draft, ctx: Context) -> Outcome:
        try:
            async with asyncio.timeout(draft.timeout + GRACE_S):
                return await word.act(draft, ctx)
        except TimeoutError:
            return Unknown(cause=f"no answer within {draft.timeout:g} s")
        except NoSecret as lacking:  # a write that may have happened never raises, so nothing was sent
            return Absent(reason=str(lacking), retryable=lacking.retryable, error=type(lacking).__name__)
        except AdapterError as error:
            return Unknown(cause=str(error))
        except Exception as error:  # noqa: BLE001  # whatever a verb did before its bug, nobody knows how far it came
            _log.exception("%s failed", draft.says)
            return Unknown(cause=f"a bug of ours: {type(error).__name__}: {error}")

    def pay(self) -> None:
        """Journal what was so while the journal could not be written. Raises JournalError where it still cannot be.

        Without it an effect that is over would stay intended, and its step at work, for as long as this process lives.
        """
        while self._owed:
            self.scribe.submit(self._owed[0])
            del self._owed[0]

    def journal_outcome(self, effect: EffectState, outcome: Outcome) -> None:
        """Journal how it came out; where the journal cannot be written now, at a later `pay`. Raises JournalError."""
        match outcome:
            case Done(receipt=receipt, observed=observed):
                order = self.order(c.Outcome, effect=effect.id, result="done", receipt=receipt, observed=observed)
            case Absent(reason=reason, observed=observed):
                again, error = outcome.retryable, outcome.error
                order = self.order(
                    c.Outcome,
                    effect=effect.id,
                    result="absent",
                    reason=reason,
                    retryable=again,
                    error=error,
                    observed=observed,
                )
            case Accepted(handle=handle, waits_for=waits_for, url=url):
                order = self.order(
                    c.Outcome, effect=effect.id, result="accepted", handle=handle, waits_for=waits_for, url=url
                )
            case Unknown(cause=cause):
                order = self.order(c.Outcome, effect=effect.id, result="unknown", reason=cause)
        try:
            self.scribe.submit(order)
        except Fenced:
            raise
        except JournalError:
            self._owed.append(order)
            raise
