"""Looking at the world: for effects whose outcome nobody knows, for what was taken back, for integrity."""

from __future__ import annotations

import asyncio
from typing import Final

from amplify_tui.adapters.ports import Absent, Accepted, AdapterError, Done, Probe, Unknown
from amplify_tui.engine.effects import Effects
from amplify_tui.engine.facts import Facts, explain
from amplify_tui.playbook.context import Context as Names
from amplify_tui.playbook.resolve import Unresolved, resolve_fields
from amplify_tui.run import commands as c
from amplify_tui.run.shapes import StepPlan, UndoItem
from amplify_tui.run.state import EffectState, State, StepState
from amplify_tui.steps.registry import specs, verb
from amplify_tui.steps.verb import poll
from amplify_tui.verdict.dependencies import schema_violations
from amplify_tui.verdict.drained import Drained, drained
from amplify_tui.verdict.model import InstanceReading

LOOK_S: Final = 30.0


class Looks:
    """Asks, and tells `decide` what the answer was. Changes nothing."""

    def __init__(self, effects: Effects, facts: Facts) -> None:
        self.effects = effects
        self.setting = effects.setting
        self.facts = facts

    @property
    def state(self) -> State:
        return self.effects.state

    async def probe(self, effect: EffectState) -> bool:
        """Look at the world for an effect whose outcome nobody knows; False where it is still at work, as before."""
        seen = await self._seen(effect)
        if seen.result == "running" and effect.at_work:
            return False  # journaled already: it is looked at again soon, as its end is what a rollback waits for
        self.effects.submit(c.Probed, effect=effect.id, result=seen.result, observed=seen.observed, detail=seen.detail)
        return True

    async def poll(self, effect: EffectState) -> bool:
        """How an effect stands that a pipeline or an approval gate took; journaled once it is over."""
        step = self.state.steps.get(effect.ref)
        ctx = self.setting.context(step, effect.id) if step else self.setting.of_undo(effect)
        try:
            async with asyncio.timeout(LOOK_S):
                stands = await poll(verb(effect.verb), effect, ctx)
        except (TimeoutError, AdapterError, Unresolved):
            return False  # it is asked again; what it is taken for is known by its handle, and is not unknown
        if isinstance(stands, Accepted):
            return False
        self.effects.journal_outcome(effect, stands)
        return True

    async def reread(self, effect: EffectState) -> bool:
        """One more look at a flag that was verified off. A server that does not answer is asked again a bit later."""
        seen = await self._seen(effect)
        if seen.result == "unreachable":
            return False
        return self.effects.submit(
            c.Reread,
            effect=effect.id,
            agrees=seen.result == "done",
            percent=seen.exposed or 0.0,
            observed=seen.observed,
            detail=seen.detail,
        )

    async def _seen(self, effect: EffectState) -> Probe:
        step = self.state.steps.get(effect.ref)
        ctx = self.setting.context(step, effect.id) if step else self.setting.of_undo(effect)
        word = verb(effect.verb)
        try:
            async with asyncio.timeout(LOOK_S):
                return await word.probe(effect, ctx)
        except TimeoutError:
            return Probe(result="unreachable", detail=f"the probe had no answer within {LOOK_S:g} s")
        except (AdapterError, Unresolved) as error:
            return Probe(result="unreachable", detail=explain(error))

    async def integrity(self, check: str) -> tuple[str, str]:
        """Run one read-only check of the playbook: (pass, fail or error; in words)."""
        step = next(s for s in self.facts.playbook.rollback.integrity if s.id == check)
        state = StepState(step=check)
        plan = StepPlan(id=check, stage="rollback", verb=step.verb, timeout=step.timeout)
        word = verb(step.verb)
        try:
            ctx = self.setting.of_plan(plan, state)
            fields = resolve_fields(
                self.facts.document, step, Names(self.setting.names(None), self.effects.scribe.now()), specs()
            )
            for group in await word.tasks(fields, ctx, 0):
                for task in group:
                    draft = await word.intend(task, ctx)
                    outcome = await self.effects.act(word, draft, ctx) if draft else Done()
                    match outcome:
                        case Absent(reason=reason):
                            return "fail", reason
                        case Unknown(cause=cause):
                            return "error", cause
                        case Accepted(waits_for=waits_for):
                            return "error", f"it has not ended: it waits for {waits_for}"
        except (AdapterError, Unresolved) as error:
            return "error", explain(error)
        return "pass", ""

    async def backwards(self, service: str) -> tuple[str, str]:
        """Whether the code before accepts the schema that *service* has now: (pass, fail or error; in words).

        One instance that answers is enough: they look at one database. Error where none does.
        """
        facts = self.state.services[service]
        await self.setting.world.refresh()
        latest: dict[str, InstanceReading] = {}
        for reading in sorted(self.setting.world.evidence().fleet, key=lambda one: one.received_at):
            if reading.service == service:
                latest[reading.instance] = reading
        schemas = {unit: one.schema for unit, one in latest.items() if one.ok is not None and one.schema}
        if not schemas:
            return "error", f"no instance of {service} says which {facts.schema_field} it sees"
        asked = {service: (facts.schema_field, facts.previous_accepts)}
        wrong = schema_violations(asked, {service: schemas})
        return ("fail", f"the code before: {wrong[0].said}") if wrong else ("pass", "")

    def traffic(self, item: UndoItem, look: EffectState) -> Drained | None:
        """Whether requests still get a flag that was read as off; None while that cannot be said, or was said."""
        spec = item.spec["traffic"]
        off = [e.ended_at for e in self.state.effects.values() if e.undoes in item.needs and e.ended_at is not None]
        mine = [
            one
            for one in self.setting.world.evidence().signals
            if one.signal == spec["signal"] and one.cohort == "treatment"
        ]
        latest = max(mine, key=lambda one: one.received_at, default=None)
        said = drained(latest, max(off, default=look.at), spec["poll"], spec["window"], self.effects.scribe.now())
        known = self.state.traffic.get(look.id)
        return None if known is not None and said is not None and known.verdict == said.verdict else said
