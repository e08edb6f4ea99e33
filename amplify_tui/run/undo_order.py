"""Which undo items wait for which others inside a band: the reverse of how they were built.

`undo_after` of the playbook first; then later waves before earlier ones, a service after those that require it, and a
command after what its own step was needed for. Items that nothing connects stay independent, so that one that fails
does not keep the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from amplify_tui.run.shapes import CODE_BAND, DATA_BAND, UndoItem
from amplify_tui.run.state import EffectState, State

INSTANCE: Final = "instance"
ORDERED_BANDS: Final = frozenset({CODE_BAND, DATA_BAND})


def with_edges(state: State, items: Sequence[UndoItem]) -> list[UndoItem]:
    """The same items in the same order, each with the items of its band that it waits for in `needs`."""
    last = {item.id: _last(state, item) for item in items}
    ordered = [item for item in items if item.band in ORDERED_BANDS]
    needs: dict[str, set[str]] = {item.id: set() for item in ordered}
    pairs = [(a, b) for a in ordered for b in ordered if a.id != b.id and a.band == b.band]
    for item, other in pairs:
        plan = state.plan.steps.get(last[item.id].step)
        if plan is not None and last[other.id].step in plan.undo_after:
            _wait(needs, item.id, other.id)
    for item, other in pairs:
        if other.id in state.inherited_needs.get(item.id, ()):
            _wait(needs, item.id, other.id)
    for item, other in pairs:
        if _goes_first(state, last[other.id], last[item.id]):
            _wait(needs, item.id, other.id)
    return [replace(item, needs=tuple(i.id for i in items if i.id in needs.get(item.id, ()))) for item in items]


def _last(state: State, item: UndoItem) -> EffectState:
    return max((state.effects[name] for name in item.effects), key=lambda effect: effect.seq)


def _goes_first(state: State, other: EffectState, item: EffectState) -> bool:
    """Whether *other* has to be back before *item*: a later wave, a dependent service, a step built on the item's."""
    if other.ref == item.ref:
        return other.phase > item.phase
    if other.target.kind == item.target.kind == INSTANCE:
        service = item.target.id.partition("/")[0]
        dependent = state.services.get(other.target.id.partition("/")[0])
        return dependent is not None and service in dependent.requires
    return other.seq > item.seq and item.step in _ancestors(state, other.step)


def _ancestors(state: State, step: str) -> set[str]:
    found: set[str] = set()
    left = [step]
    while left:
        plan = state.plan.steps.get(left.pop())
        fresh = [need for need in plan.needs if need not in found] if plan else []
        found.update(fresh)
        left.extend(fresh)
    return found


def _wait(needs: dict[str, set[str]], item: str, other: str) -> None:
    """Adds the edge, unless it would close a circle: the edge that was there first stands."""
    reached, left = {other}, [other]
    while left:
        fresh = needs.get(left.pop(), set()) - reached
        reached |= fresh
        left.extend(fresh)
    if item not in reached:
        needs[item].add(other)
