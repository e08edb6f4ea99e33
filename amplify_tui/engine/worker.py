"""Doing what the agenda says: beginning steps, making effects, looking at unknown ones, taking back.

Every effect goes intent, lease check, act, outcome; each of the three words passes through `decide`. What an adapter
cannot say becomes `unknown`, never a guess.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from amplify_tui.adapters.ports import Absent, Accepted, AdapterError, Done, Outcome, Probe, Unknown
from amplify_tui.engine.facts import Facts, explain
from amplify_tui.engine.scribe import Scribe, new_id
from amplify_tui.engine.setting import Setting
from amplify_tui.playbook.context import Context as Names
from amplify_tui.playbook.resolve import Unresolved, resolve_fields
from amplify_tui.run import commands as c
from amplify_tui.run.shapes import Refusal, StepPlan, Undo, UndoItem, ref_of
from amplify_tui.run.state import EffectState, State, StepState
from amplify_tui.steps.registry import specs, verb
from amplify_tui.steps.verb import Context, Draft, Task, Verb, World
from amplify_tui.verdict.model import Evidence

GRACE_S: Final = 5.0
ENGINE: Final = "conductor"
ONLY_SHOWN: Final = frozenset({"rollout", "monitor", "e2e"})  # a dry run leaves nothing to wait for, or to count

_log = logging.getLogger(__name__)


class Worker:
    """Carries out todos of one run. Holds no state of its own but what can be computed again."""

    def __init__(
        self,
        scribe: Scribe,
        facts: Facts,
        world: World,
        evidence: Callable[[], Evidence],
        say: Callable[[str, str], None],
    ) -> None:
        self.scribe = scribe
        self.facts = facts
        self.setting = Setting(scribe, facts, world, say)
        self._evidence = evidence
        self._say = say

    @property
    def state(self) -> State:
        return self.scribe.state

    def order(self, kind: type[Any], **fields: Any) -> Any:
        """A command of the conductor's own."""
        return kind(id=new_id(), actor=ENGINE, via="engine", **fields)

    # --- beginning --------------------------------------------------------------------------------------------------

    async def begin(self, step: StepState) -> bool:
        """Ask the verb what stands before the step, and begin it, or say what it waits for."""
        order = await self._prepared(step)
        return not isinstance(self.scribe.submit(order), Refusal)

    async def _prepared(self, step: StepState) -> c.Begin:
        where = {"step": step.step, "key": step.key}
        try:
            if not self.setting.holds(step):
                return self.order(c.Begin, **where, when=False)  # type: ignore[no-any-return]
            fields = self.setting.fields(step, fresh=True)
            found = await self.setting.preview(step, fields)
        except (AdapterError, Unresolved) as error:
            return self.order(c.Begin, **where, when=None, problem=explain(error))  # type: ignore[no-any-return]
        preview = found.preview
        return self.order(  # type: ignore[no-any-return]
            c.Begin,
            **where,
            awaits=found.awaits,
            preview=preview,
            preview_sha=_sha(preview),
            fields_sha=_sha(repr(fields)),
            watch=found.watch,
            evidence=self._evidence(),
        )

    # --- going forward ----------------------------------------------------------------------------------------------

    async def drive(self, step: StepState) -> bool:
        """Make what is missing of the step's current phase, then finish the step or open its gate."""
        try:
            fields = self.setting.fields(step)
            word = verb(self.setting.typed(step).verb)
            failure = await self._make(word, fields, step)
            if failure is None:
                return False
            if failure:
                return self._finish(step, "failed", failure, {})
            current = self.state.steps[step.ref]
            if self.state.mode == "dry" and word.name in ONLY_SHOWN:
                return self._finish(step, "succeeded", "", {"summary": "a dry run: nothing was done"})
            if current.watch is not None:
                return not isinstance(self.scribe.submit(self.order(c.Enter, step=step.step, key=step.key)), Refusal)
            ended = await word.finish(fields, self.setting.context(current))
        except (AdapterError, Unresolved) as error:
            return self._finish(step, "failed", explain(error), {})
        return self._finish(step, "succeeded" if ended.ok else "failed", ended.reason, ended.outputs)

    def _finish(self, step: StepState, outcome: str, reason: str, outputs: Mapping[str, Any]) -> bool:
        order = self.order(
            c.Finish, step=step.step, key=step.key, outcome=outcome, outputs=dict(outputs), reason=reason
        )
        return not isinstance(self.scribe.submit(order), Refusal)

    async def _make(self, word: Verb, fields: Any, step: StepState) -> str | None:
        """All tasks of the phase. "" when each is done, a reason when one is absent, None when it may not go on."""
        if self.state.mode == "dry":
            return ""
        groups = await word.tasks(fields, self.setting.context(step), step.phase)
        for group in groups:
            results = await asyncio.gather(*(self._perform(word, task, step) for task in group))
            if any(result is None for result in results):
                return None
            if failures := [result for result in results if result]:
                return "; ".join(failures)
        return ""

    async def _perform(self, word: Verb, task: Task, step: StepState) -> str | None:
        done = self._made(step, task)
        if done is not None:
            return "" if done.status == "done" else None
        step = self.state.steps[step.ref]
        draft = await word.intend(task, self.setting.context(step))
        if draft is None:
            return ""
        order = self._intent(word.name, draft, task.ordinal, step=step.step, key=step.key, phase=step.phase)
        effect = self._journal_intent(order)
        if effect is None:
            return None
        outcome = await self._act(word, draft, self.setting.context(self.state.steps[step.ref], effect.id))
        self._journal_outcome(effect, outcome)
        match outcome:
            case Done():
                return ""
            case Absent(reason=reason):
                return reason or "it did not happen"
            case Accepted() | Unknown():
                return None

    def _made(self, step: StepState, task: Task) -> EffectState | None:
        """The effect that this task already led to, unless it proved absent."""
        idem = f"{self.state.run}/{step.step}/{step.key}/{task.ordinal}"
        found = [e for e in self.state.effects.values() if e.idem == idem and e.status != "absent"]
        return found[-1] if found else None

    def _intent(self, name: str, draft: Draft, ordinal: str, **more: Any) -> c.Intend:
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
            **more,
        )

    def _journal_intent(self, order: c.Intend) -> EffectState | None:
        """The effect, journaled, with the lease checked right before it is made; None where it may not be."""
        result = self.scribe.submit(order)
        if isinstance(result, Refusal):
            self._say(ref_of(order.step, order.key) if order.step else "undo", str(result))
            return None
        effect = next(reversed(self.state.effects.values()))
        return effect if self.scribe.keeper.still_mine() else None

    async def _act(self, word: Verb, draft: Draft, ctx: Context) -> Outcome:
        try:
            async with asyncio.timeout(draft.timeout + GRACE_S):
                return await word.act(draft, ctx)
        except TimeoutError:
            return Unknown(cause=f"no answer within {draft.timeout:g} s")
        except AdapterError as error:
            return Unknown(cause=str(error))
        except Exception as error:  # noqa: BLE001  # whatever a verb did before its bug, nobody knows how far it came
            _log.exception("%s failed", draft.says)
            return Unknown(cause=f"a bug of ours: {type(error).__name__}: {error}")

    def _journal_outcome(self, effect: EffectState, outcome: Outcome) -> None:
        match outcome:
            case Done(receipt=receipt, observed=observed):
                order = self.order(c.Outcome, effect=effect.id, result="done", receipt=receipt, observed=observed)
            case Absent(reason=reason, retryable=retryable, error=error):
                order = self.order(
                    c.Outcome, effect=effect.id, result="absent", reason=reason, retryable=retryable, error=error
                )
            case Accepted(handle=handle, waits_for=waits_for, url=url):
                order = self.order(
                    c.Outcome, effect=effect.id, result="accepted", handle=handle, waits_for=waits_for, url=url
                )
            case Unknown(cause=cause):
                order = self.order(c.Outcome, effect=effect.id, result="unknown", reason=cause)
        self.scribe.submit(order)

    # --- looking and taking back ------------------------------------------------------------------------------------

    async def probe(self, effect: EffectState) -> bool:
        """Look at the world for an effect whose outcome nobody knows."""
        step = self.state.steps.get(effect.ref)
        ctx = self.setting.context(step, effect.id) if step else self.setting.of_undo(effect)
        word = verb(effect.verb)
        try:
            async with asyncio.timeout(30):
                seen = await word.probe(effect, ctx)
        except TimeoutError:
            seen = Probe(result="unreachable", detail="the probe had no answer within 30 s")
        except (AdapterError, Unresolved) as error:
            seen = Probe(result="unreachable", detail=explain(error))
        order = self.order(c.Probed, effect=effect.id, result=seen.result, observed=seen.observed, detail=seen.detail)
        self.scribe.submit(order)
        return True

    async def take_back(self, item: UndoItem) -> bool:
        """One item of the undo plan: its own verb does it, from the journaled data alone."""
        word = verb(item.verb)
        plan = StepPlan(id="undo", stage="rollback", verb=item.verb)
        ctx = self.setting.of_plan(plan, StepState(step="undo", key=""))
        try:
            task = await word.undo(item, ctx)
            draft = await word.intend(task, ctx) or _already(item)
        except (AdapterError, Unresolved) as error:
            return self._could_not(item, error)
        effect = self._journal_intent(self._intent(word.name, draft, self._ordinal(item), undoes=item.id))
        if effect is None:
            return False
        outcome = (
            Done(observed=item.before)
            if draft.data.get("already")
            else await self._act(word, draft, self.setting.of_undo(effect))
        )
        self._journal_outcome(effect, outcome)
        return True

    def _ordinal(self, item: UndoItem) -> str:
        """One for each try: a second undo of the same item after a first that was done is another effect."""
        tries = sum(e.undoes == item.id and e.status != "absent" for e in self.state.effects.values())
        return f"{item.id}#{tries}"

    def _could_not(self, item: UndoItem, error: AdapterError | Unresolved) -> bool:
        """The target could not even be read: journaled as a try, so that the screen says why it waits."""
        retryable = isinstance(error, AdapterError) and error.retryable
        effect = self._journal_intent(self._intent(item.verb, _already(item), self._ordinal(item), undoes=item.id))
        if effect is not None:
            kind = type(error).__name__
            self._journal_outcome(effect, Absent(reason=explain(error), retryable=retryable, error=kind))
        return effect is not None

    async def integrity(self, check: str) -> tuple[str, str]:
        """Run one read-only check of the playbook: (pass, fail or error; in words)."""
        step = next(s for s in self.facts.playbook.rollback.integrity if s.id == check)
        state = StepState(step=check)
        plan = StepPlan(id=check, stage="rollback", verb=step.verb, timeout=step.timeout)
        word = verb(step.verb)
        try:
            ctx = self.setting.of_plan(plan, state)
            fields = resolve_fields(
                self.facts.document, step, Names(self.setting.names(None), self.scribe.now()), specs()
            )
            for group in await word.tasks(fields, ctx, 0):
                for task in group:
                    draft = await word.intend(task, ctx)
                    outcome = await self._act(word, draft, ctx) if draft else Done()
                    if not isinstance(outcome, Done):
                        return ("fail" if isinstance(outcome, Absent) else "error"), msgspec.json.encode(
                            outcome
                        ).decode()
        except (AdapterError, Unresolved) as error:
            return "error", explain(error)
        return "pass", ""


def _already(item: UndoItem) -> Draft:
    """A draft for an item that needs no act, or that could not be read."""
    undo: Undo | None = None
    return Draft(
        target=item.target,
        before=item.after,
        after=item.before,
        timeout=GRACE_S,
        says=item.says or f"{item.target.id} taken back",
        data={"already": True},
        undo=undo,
    )


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
