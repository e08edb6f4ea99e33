"""What waits so long that people are told again: unanswered questions, holds only a person ends, undos that fail."""

from __future__ import annotations

from typing import Final

from amplify_tui.run.shapes import Hold
from amplify_tui.run.state import RUN_SCOPE, State, StepState
from amplify_tui.run.undo import ItemState, items_under_way

EVERY_S: Final = 300.0
ALARM_S: Final = 60.0


def waiting(state: State) -> dict[str, str]:
    """What waits for a person's word, by a name that stays as long as it does, in words for a message.

    What a person holds is none of it: they know. Nor is a trigger's question, which has a time of its own.
    """
    if state.phase != "forward":
        return {}
    asked = {hold.id: _held(state, hold) for hold in state.holds.values() if _needs_a_person(state, hold)}
    scopes = {hold.scope for hold in state.holds.values()}
    for ref, step in state.steps.items():
        if step.question and ref not in scopes:
            asked[f"{ref}:{step.n}"] = f"{ref} is stuck: {step.detail}; it asks: {step.question}"
    return asked


def overdue(state: State) -> dict[str, str]:
    """What is being taken back and does not go: by item, why, and the line that does it by hand, for a message."""
    late = (entry for entry in items_under_way(state) if entry.status == "blocked" or _is_tried_in_vain(entry))
    return {f"undo:{entry.item.id}": _overdue(entry) for entry in late}


def _is_tried_in_vain(entry: ItemState) -> bool:
    return entry.status == "waiting" and entry.tries > 0


def _overdue(entry: ItemState) -> str:
    by_hand = f"; by hand: {entry.item.by_hand}" if entry.item.by_hand else ""
    return f"{entry.item.target.id} is not taken back yet: {entry.detail or entry.status}{by_hand}"


def _needs_a_person(state: State, hold: Hold) -> bool:
    """Whether a machine placed it, and it goes by nobody's hand but a person's, or asks one what to do meanwhile."""
    if hold.by_person:
        return False
    if (hold.scope, hold.kind) == (RUN_SCOPE, "blind"):
        return state.on_blind.do == "ask"
    step = _step(state, hold)
    return not hold.auto_release or (step is not None and bool(step.question))


def _held(state: State, hold: Hold) -> str:
    step = _step(state, hold)
    at = f" at {state.exposed_now:g} %" if state.exposed_now else ""
    asks = f"; it asks: {step.question}" if step is not None and step.question else ""
    return f"still held{at}, and nobody is there: {hold.reason}{asks}"


def _step(state: State, hold: Hold) -> StepState | None:
    return next((step for ref, step in state.steps.items() if ref == hold.scope), None)
