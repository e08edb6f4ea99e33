"""Taking back: ending what still goes forward, and each item of the undo plan.

An item's own verb does it, from the journaled data alone.
"""

from __future__ import annotations

from amplify_tui.adapters.ports import Absent, AdapterError, Done
from amplify_tui.engine.effects import GRACE_S, Effects
from amplify_tui.engine.facts import explain
from amplify_tui.playbook.resolve import Unresolved
from amplify_tui.run.shapes import StepPlan, Undo, UndoItem
from amplify_tui.run.state import EffectState, State, StepState
from amplify_tui.steps.registry import verb
from amplify_tui.steps.verb import Draft, stop


class Undoing:
    """Makes undo effects of one run."""

    def __init__(self, effects: Effects) -> None:
        self.effects = effects
        self.setting = effects.setting

    @property
    def state(self) -> State:
        return self.effects.state

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
        effect = self.effects.journal_intent(self.effects.intent(word.name, draft, self._ordinal(item), undoes=item.id))
        if effect is None:
            return False
        outcome = (
            Done(observed=item.before)
            if draft.data.get("already")
            else await self.effects.act(word, draft, self.setting.of_undo(effect))
        )
        self.effects.journal_outcome(effect, outcome)
        return True

    async def stop(self, effect: EffectState) -> bool:
        """End what an effect still does, where its verb can; how far it came is then for its probe to say."""
        step = self.state.steps.get(effect.ref)
        ctx = self.setting.context(step, effect.id) if step else self.setting.of_undo(effect)
        return await stop(verb(effect.verb), effect, ctx)

    def _ordinal(self, item: UndoItem) -> str:
        """One for each try: a second undo of the same item after a first that was done is another effect."""
        tries = sum(effect.status != "absent" for effect in self.state.tries_of(item.id))
        return f"{item.id}#{tries}"

    def _could_not(self, item: UndoItem, error: AdapterError | Unresolved) -> bool:
        """The target could not even be read: journaled as a try, so that the screen says why it waits."""
        retryable = isinstance(error, AdapterError) and error.retryable
        effect = self.effects.journal_intent(
            self.effects.intent(item.verb, _already(item), self._ordinal(item), undoes=item.id)
        )
        if effect is not None:
            kind = type(error).__name__
            self.effects.journal_outcome(effect, Absent(reason=explain(error), retryable=retryable, error=kind))
        return effect is not None


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
