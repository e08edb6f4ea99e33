"""Going forward: beginning steps, making their effects, finishing them, as the agenda says."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from amplify_tui.adapters.ports import Absent, Accepted, AdapterError, Done, Unknown
from amplify_tui.engine.effects import Effects
from amplify_tui.engine.facts import explain
from amplify_tui.playbook.resolve import Unresolved
from amplify_tui.run import commands as c
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.state import EffectState, State, StepState
from amplify_tui.steps.registry import verb
from amplify_tui.steps.verb import Task, Verb
from amplify_tui.verdict.model import Evidence

DID_NOT_HAPPEN: Final = "it did not happen"
ONLY_SHOWN: Final = frozenset({"rollout", "monitor", "e2e"})  # a dry run leaves nothing to wait for, or to count


class Worker:
    """Carries out the steps of one run. Holds no state of its own but what can be computed again."""

    def __init__(self, effects: Effects, evidence: Callable[[], Evidence]) -> None:
        self.effects = effects
        self.setting = effects.setting
        self._evidence = evidence

    @property
    def state(self) -> State:
        return self.effects.state

    async def begin(self, step: StepState) -> bool:
        """Ask the verb what stands before the step, and begin it, or say what it waits for."""
        return not isinstance(self.effects.scribe.submit(await self._prepared(step)), Refusal)

    async def _prepared(self, step: StepState) -> c.Begin:
        where = {"step": step.step, "key": step.key, "bundle": self.setting.bundle}
        try:
            if not self.setting.holds(step):
                return self.effects.order(c.Begin, **where, when=False)  # type: ignore[no-any-return]
            fields = self.setting.fields(step, fresh=True)
            found = await self.setting.preview(step, fields)
        except (AdapterError, Unresolved) as error:
            return self.effects.order(c.Begin, **where, when=None, problem=explain(error))  # type: ignore[no-any-return]
        preview = found.preview
        return self.effects.order(  # type: ignore[no-any-return]
            c.Begin,
            **where,
            awaits=found.awaits,
            preview=preview,
            preview_sha=_sha(preview),
            fields_sha=_sha(repr(fields)),
            watch=found.watch,
            evidence=self._evidence(),
        )

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
                return self.effects.submit(c.Enter, step=step.step, key=step.key)
            ended = await word.finish(fields, self.setting.context(current))
        except (AdapterError, Unresolved) as error:
            return self._finish(step, "failed", explain(error), {})
        return self._finish(step, "succeeded" if ended.ok else "failed", ended.reason, ended.outputs)

    def _finish(self, step: StepState, outcome: str, reason: str, outputs: Mapping[str, Any]) -> bool:
        return self.effects.submit(
            c.Finish, step=step.step, key=step.key, outcome=outcome, outputs=dict(outputs), reason=reason
        )

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
        if done is not None and done.status == "absent":
            return done.reason or DID_NOT_HAPPEN
        if done is not None:
            return "" if done.status == "done" else None
        step = self.state.steps[step.ref]
        draft = await word.intend(task, self.setting.context(step))
        if draft is None:
            return ""
        order = self.effects.intent(word.name, draft, task.ordinal, step=step.step, key=step.key, phase=step.phase)
        effect = self.effects.journal_intent(order)
        if effect is None:
            return None
        outcome = await self.effects.act(word, draft, self.setting.context(self.state.steps[step.ref], effect.id))
        self.effects.journal_outcome(effect, outcome)
        match outcome:
            case Done():
                return ""
            case Absent(reason=reason):
                return reason or DID_NOT_HAPPEN
            case Accepted() | Unknown():
                return None

    def _made(self, step: StepState, task: Task) -> EffectState | None:
        """The effect that this task already led to, unless it proved absent in an earlier attempt.

        One that failed in this attempt, with nobody left to say that the attempt failed, is not made again unasked.
        """
        idem = f"{self.state.run}/{step.step}/{step.key}/{task.ordinal}"
        found = [e for e in self.state.effects.values() if e.idem == idem and (e.status != "absent" or e.n == step.n)]
        return found[-1] if found else None


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
