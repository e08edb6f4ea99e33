"""A run that reverses a closed one: what it is seeded with, and the state it begins in. Pure.

It is rolling back from its first event on. Its plan is the undo data of the closed run, which is what its own journal
begins with, so that it needs nothing else: not the other journal, not the playbook's file. A plan that was derived (a
rollback without a journal) comes the same way, from a state that nobody recorded.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.run.shapes import WORDS_BAND, ServiceFacts, StepRef, Subject, Target, UndoItem, ref_of
from amplify_tui.run.state import OVER, EffectState, State, StepState
from amplify_tui.run.undo import SETTLED_ITEM, ItemState, is_late, item_id, rollback_items
from amplify_tui.run.undo_asks import INSTANCE
from amplify_tui.run.undo_fleet import FLEET, found_on_new, with_fleets


class Reversal(Struct, frozen=True, kw_only=True):
    """What a run that reverses another one has to know of it. `run` is "" where nothing was recorded.

    until_band: the last band that may be taken back before a person says more. touched: items whose target somebody
    changed after the closed run did, in a sentence each; a person decides about them.
    """

    run: str
    plan: tuple[UndoItem, ...]
    effects: tuple[EffectState, ...]
    next_effect: int
    until_band: int = WORDS_BAND
    reason: str = ""
    touched: dict[str, str] = {}
    environment: str = ""
    subject: Subject | None = None
    services: dict[str, ServiceFacts] = {}
    baseline: dict[str, dict[str, str | None]] = {}
    integrity: tuple[str, ...] = ()
    integrity_baseline: dict[str, str] = {}
    locks: tuple[str, ...] = ()
    notes: str = ""
    steps: tuple[StepState, ...] = ()
    exposure: dict[str, float] = {}
    first_exposure_at: float | None = None


def left_of(closed: State) -> tuple[UndoItem, ...]:
    """What a closed run left to take back: all of it, or after a rollback what that one left standing."""
    entries = rollback_items(closed)
    if not closed.rollback_plan:
        made = [e for e in entries if not e.never_happened and not e.item.only_looks]
        # What never happened is only looked for beside what did.
        return tuple(e.item for e in (entries if any(e.item.cls != "none" for e in made) else made))
    open_ = {e.item.id for e in entries if e.status not in SETTLED_ITEM or e.status == "waived"}
    read = {e.item.id for e in entries if e.item.only_looks and set(e.item.needs) & open_}
    open_ |= _left_on_new(closed, entries)
    left = [e.item for e in entries if e.item.id in open_ | read or (open_ and e.status == "kept")]
    return tuple(with_fleets([item for item in left if item.target.kind != FLEET]))


def _left_on_new(closed: State, entries: list[ItemState]) -> set[str]:
    """The instances that the last look at their service found on what had been taken back, where a person waived it."""
    looks = [e.item for e in entries if e.item.target.kind == FLEET and e.status == "waived"]
    return {
        item_id(Target(kind=INSTANCE, id=f"{item.target.id}/{unit}"), item.band)
        for item in looks
        for last in closed.tries_of(item.id)[-1:]
        for unit in found_on_new(last)
    }


def is_undoable(plan: tuple[UndoItem, ...]) -> bool:
    """Whether anything of the plan can be taken back: what is only kept gives a run nothing to do."""
    return any(item.cls != "none" for item in plan)


def reversal_of(
    closed: State, plan: tuple[UndoItem, ...], *, until_band: int, reason: str, touched: Mapping[str, str], now: float
) -> Reversal:
    """The seed of a run that takes *plan* back, which is what *closed* left."""
    named = {name for item in plan for name in item.effects}
    effects = (e for e in closed.effects.values() if e.id in named)
    return Reversal(
        run=closed.run,
        plan=plan,
        effects=tuple(_seed(effect, now) for effect in effects),
        next_effect=closed.next_effect,
        until_band=until_band,
        reason=reason,
        touched=dict(touched),
        environment=closed.environment,
        subject=closed.subject,
        services=closed.services,
        baseline=closed.baseline,
        integrity=closed.integrity,
        integrity_baseline=closed.integrity_baseline,
        locks=closed.locks,
        notes=closed.release_notes,
        steps=tuple(_how_it_ended(s) for s in closed.steps.values() if closed.plan_of(s).lane == "forward"),
        exposure={flag: percent for flag, percent in closed.exposure.items() if percent > 0},
        first_exposure_at=closed.first_exposure_at,
    )


def _seed(effect: EffectState, now: float) -> EffectState:
    """The effect as the new run begins with it: older than all that it does itself, and with nothing on its way."""
    late = effect.unknown_since if is_late(effect, now) else 0.0
    return replace(effect, seq=0, unknown_since=late)


def _how_it_ended(step: StepState) -> StepState:
    """What expressions of the rollback section may ask of a step, and what a screen shows of it."""
    return StepState(
        step=step.step,
        key=step.key,
        status=step.status if step.status in OVER else "canceled",
        n=step.n,
        outputs=step.outputs,
        skipped_by=step.skipped_by,
        started_at=step.started_at,
        ended_at=step.ended_at,
    )


def seeded(state: State, data: Reversal, *, by: str, via: str, at: float) -> State:
    """The state after the first event of a run that reverses another one. at: Unix seconds."""
    steps: dict[StepRef, StepState] = {ref_of(s.step, s.key): s for s in data.steps}
    return replace(
        state,
        phase="rolling_back",
        reverses=data.run,
        is_derived=not data.run,
        until_band=data.until_band,
        touched=data.touched,
        environment=data.environment,
        subject=data.subject,
        services=data.services,
        baseline=data.baseline,
        integrity=data.integrity,
        integrity_baseline=data.integrity_baseline,
        locks=data.locks,
        release_notes=data.notes,
        steps={ref: steps.get(ref, step) for ref, step in state.steps.items()},
        effects={effect.id: effect for effect in data.effects},
        next_effect=data.next_effect,
        exposure=data.exposure,
        first_exposure_at=data.first_exposure_at,
        rollback_plan=data.plan,
        rollback_reason=data.reason,
        rollback_by=by,
        rollback_via=via,
        rollback_at=at,
        started_at=at,
    )
