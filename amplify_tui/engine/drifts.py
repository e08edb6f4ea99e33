"""Flags that somebody else changes while the run goes on: seen, told with who and what, and made ours where asked.

A reading that differs is no proof: the client API lags a second behind our own writes, so the server's own state is
read before anybody is accused. `decide` places the hold, and a person answers it (run/decide/drift.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from amplify_tui.adapters.flags.port import FlagRules
from amplify_tui.adapters.ports import Absent, AdapterError, FlagChange, FlagState
from amplify_tui.engine.effects import Effects
from amplify_tui.engine.facts import explain
from amplify_tui.engine.world import LiveWorld
from amplify_tui.playbook.resolve import Unresolved
from amplify_tui.run import commands as c
from amplify_tui.run.drift import drift_hold, image, label, left_by
from amplify_tui.run.shapes import Drift, StepPlan
from amplify_tui.run.state import EffectState, StepState
from amplify_tui.steps.flag_parts import flag_id, state_of
from amplify_tui.steps.registry import verb
from amplify_tui.steps.verb import Task
from amplify_tui.verdict.model import FlagReading

DAY_S: Final = 86_400.0
GONE: Final = "0" * 16  # the fingerprint of a flag that is not there
SEGMENT: Final = "segment-updated"


class Drifts:
    """Compares each flag of the run with what we left, after every poll of its source."""

    def __init__(self, effects: Effects, world: LiveWorld) -> None:
        self.effects = effects
        self._world = world
        self._reach: dict[str, tuple[str, str]] = {}

    async def compare(self, readings: Sequence[FlagReading]) -> None:
        """Tell `decide` of every flag that is not as we left it. Raises AdapterError where one cannot be confirmed."""
        for reading in readings:
            state = self.effects.state
            watching = state.phase == "forward" and state.mode != "dry" and state.mitigation != "running"
            if watching and reading.status in ("ok", "nodata"):
                await self._one(reading)

    async def _one(self, reading: FlagReading) -> None:
        flag = flag_id(reading.source, reading.flag)
        left = left_by(self.effects.state, flag)
        if left is None:
            return
        hold = drift_hold(self.effects.state, flag)
        rules = self._world.flag_kind(reading.source).rules
        known = hold.drift.fingerprint if hold and hold.drift else rules.fingerprint(image(left))
        if (reading.fingerprint or GONE) == known and self._reach.get(flag) == (left.id, reading.reach):
            return
        provider = self._world.flags(reading.source)
        now = await state_of(provider, reading.flag)
        changes: list[FlagChange] = []
        if now.fingerprint == known:
            # Segments change whom a flag reaches, and leave the flag itself as it is.
            if reading.reach and any(one.raw.get("segments") for one in now.strategies):
                since = max(left.ended_at or left.at, hold.at if hold else 0.0)
                changes = [one for one in await provider.changes(reading.flag, since) if one.kind == SEGMENT]
            if not changes:
                self._reach[flag] = (left.id, reading.reach)
                return
        else:
            changes = await self._lately(reading)
        if left_by(self.effects.state, flag) is left:
            self._tell(rules, flag, left, now, changes)
            self._reach[flag] = (left.id, reading.reach)

    async def _lately(self, reading: FlagReading) -> list[FlagChange]:
        """What the audit trail says of the flag; the clocks of two hosts may differ, so a whole day is asked for."""
        try:
            return await self._world.flags(reading.source).changes(reading.flag, self.effects.scribe.now() - DAY_S)
        except AdapterError:  # that it changed is known without it
            return []

    def _tell(self, rules: FlagRules, flag: str, left: EffectState, now: FlagState, changes: list[FlagChange]) -> None:
        was = image(left)
        last = changes[-1] if changes else None
        segment = last is not None and last.kind == SEGMENT and now.fingerprint == rules.fingerprint(was)
        what = (
            last.what if segment and last else "; ".join(rules.differences(was, now.raw)) or "it is as we left it again"
        )
        drift = Drift(
            flag=flag,
            effect=left.id,
            observed=now.raw,
            fingerprint=now.fingerprint,
            percent=rules.exposed(now.raw),
            left_percent=rules.exposed(was),
            widens=rules.widens(was, now.raw),
            what=what,
            by=last.by if last else "",
            changed_at=last.at if last else None,
            before_says=says(rules, left.before, now),
            left_says=says(rules, was, now),
            now_says=now.says,
        )
        self.effects.submit(c.Drifted, drift=drift)

    async def mend(self, hold_id: str) -> bool:
        """Write what we left once more, as a person chose; where that cannot be, they are asked anew."""
        hold = self.effects.state.holds.get(hold_id)
        if hold is None or hold.drift is None:
            return False
        setting, name = self.effects.setting, label(hold)
        word, ordinal = verb("flag"), str(sum(e.step == name for e in self.effects.state.effects.values()))
        ctx = setting.of_plan(StepPlan(id=name, stage="drift", verb=word.name), StepState(step=name, key=""))
        try:
            data = {"do": "mend", "drift": hold.drift}
            draft = await word.intend(Task(ordinal=ordinal, data=data, label=hold.drift.flag), ctx)
        except (AdapterError, Unresolved) as error:
            if isinstance(error, AdapterError) and error.retryable:
                return False
            return self.effects.submit(c.Unmended, hold=hold.id, detail=explain(error))
        if draft is None:
            return False
        effect = self.effects.journal_intent(self.effects.intent(word.name, draft, ordinal, mends=hold.id))
        if effect is None:
            return False
        outcome = await self.effects.act(word, draft, setting.of_undo(effect))
        self.effects.journal_outcome(effect, outcome)
        if isinstance(outcome, Absent) and not outcome.retryable:
            self.effects.submit(c.Unmended, hold=hold.id, detail=outcome.reason)
        return True


def says(rules: FlagRules, image: Any, flag: FlagState) -> str:
    """Who gets *flag* in the state that *image* holds, in one sentence."""
    known = isinstance(image, dict) and "strategies" in image
    return rules.state(flag.key, flag.env, image).says if known else ""
