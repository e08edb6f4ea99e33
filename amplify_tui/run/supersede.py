"""Fix forward: what a run takes over from the earlier one that it supersedes. Pure.

It is the undo plan of the earlier run, one effect for each target that it left changed, with the state before all of
it. The new run's own effects come on top, so that its undo plan, a fold of its own journal alone, goes back to the last
good state and not to the release that it mends. The earlier run keeps nothing to take back: one run owns each target.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.run.reversal import left_of
from amplify_tui.run.shapes import Exposure, Target, Undo, UndoItem
from amplify_tui.run.state import EffectState, State
from amplify_tui.run.undo import is_late, item_id
from amplify_tui.run.undo_asks import service_of

OF_A_STEP: Final = frozenset({"command", "http", "e2e", "message"})  # each is of one step of one run, and no state


class Inheritance(Struct, frozen=True, kw_only=True):
    """What a run has to know of the one it supersedes.

    needs: by undo item, those that it waits for, as the earlier run's playbook had it. exposure: percent of users by
    flag. previous_accepts: by service, the schema that the code accepts to which an undo goes back.
    """

    effects: tuple[EffectState, ...]
    next_effect: int
    needs: dict[str, tuple[str, ...]] = {}
    exposure: dict[str, float] = {}
    previous_accepts: dict[str, str] = {}


def inheritance_of(earlier: State) -> Inheritance:
    """What *earlier*, on which nothing is under way, leaves to the run that supersedes it."""
    items = [item for item in left_of(earlier) if not item.only_looks]
    names = {item.id: item_id(_target(earlier, item), item.band) for item in items}
    services = {service_of(item) for item in items} - {""}
    return Inheritance(
        effects=tuple(_as_one(earlier, item) for item in sorted(items, key=lambda item: _number(item.effects[0]))),
        next_effect=earlier.next_effect,
        needs={names[i.id]: tuple(names[need] for need in i.needs if need in names) for i in items if i.needs},
        exposure={flag: percent for flag, percent in earlier.exposure.items() if percent > 0},
        previous_accepts={
            name: earlier.services[name].previous_accepts for name in sorted(services) if name in earlier.services
        },
    )


def is_anything(inherited: Inheritance) -> bool:
    """Whether there is anything in it that an undo would take back."""
    return any(effect.undo is not None and effect.undo.cls != "none" for effect in inherited.effects)


def late_writes(earlier: State, now: float) -> list[str]:
    """The flags to which a write had no answer, and may yet be carried out."""
    return sorted({effect.target.id for effect in earlier.effects.values() if is_late(effect, now)})


def taken_over(state: State, inherited: Inheritance) -> State:
    """The state of a run that has just started, with what it takes over."""
    accepts = inherited.previous_accepts
    services = {
        name: replace(facts, previous_accepts=accepts[name]) if name in accepts else facts
        for name, facts in state.services.items()
    }
    return replace(
        state,
        effects={effect.id: effect for effect in inherited.effects},
        next_effect=inherited.next_effect,
        inherited_needs=inherited.needs,
        exposure=inherited.exposure,
        services=services,
    )


def _number(effect: str) -> int:
    return int(effect[1:])


def _as_one(earlier: State, item: UndoItem) -> EffectState:
    """All that *earlier* did to the item's target, as one effect: from the state before to the one it left."""
    made = [earlier.effects[name] for name in item.effects]
    last = _speaks_for(made)
    receipt = {name: value for name, value in (item.spec.get("receipt") or {}).items() if name != "exposed"}
    exposure = next((effect.exposure for effect in made if effect.exposure is not None), None)
    if exposure is not None:
        now = earlier.exposure.get(exposure.flag, 0.0)
        exposure = Exposure(flag=exposure.flag, before=exposure.before, after=now)
    is_message = item.target.kind == "message"  # the new run's own messages are no repetition of it
    return replace(
        last,
        id=item.effects[0],
        of_run=last.of_run or earlier.run,
        seq=0,
        ended_seq=0,
        n=0,
        step=last.step if last.of_run else f"{earlier.run}/{last.step}",
        target=_target(earlier, item),
        before=item.before,
        after=None if is_message else item.after,
        observed=None if is_message else item.after,
        receipt=receipt,
        exposure=exposure,
        undo=Undo(
            band=item.band,
            verb=item.verb,
            spec={name: value for name, value in item.spec.items() if name != "receipt"},
            cls=item.cls,
            says=item.says,
            by_hand=item.by_hand,
            proof=item.proof,
        ),
        on_rollback="leave",
        at_work=False,
    )


def _speaks_for(made: Iterable[EffectState]) -> EffectState:
    """The last one that is done, else the last."""
    *_, last = sorted(made, key=lambda effect: (effect.status == "done", _number(effect.id)))
    return last


def _target(earlier: State, item: UndoItem) -> Target:
    """What a step of the earlier run did is not what a step of the same name does in the new one."""
    of_run = earlier.effects[item.effects[0]].of_run
    if item.target.kind not in OF_A_STEP or of_run:
        return item.target
    return replace(item.target, id=f"{earlier.run}/{item.target.id}")
