"""The break-glass card: how to take a release back by hand, from the journal alone. Pure."""

from __future__ import annotations

from amplify_tui.run.state import State
from amplify_tui.run.undo import BAND_NAMES, SETTLED_ITEM, rollback_items


def card_text(state: State) -> str:
    """One line an item that is not back yet, in the order of the bands, with what to do."""
    subject = state.subject
    title = f"{state.plan.name} {subject.version if subject else ''} run {state.run}, {state.environment}"
    lines = [title, "By hand, in this order. Exposure first; code only when nobody is exposed any more.", ""]
    left = [entry for entry in rollback_items(state) if entry.status not in SETTLED_ITEM]
    for entry in left:
        item = entry.item
        lines.append(f"{item.band} {BAND_NAMES[item.band]}: {item.says or item.target.id}")
        if item.by_hand:
            lines.append(f"    {item.by_hand}")
    if not left:
        lines.append("nothing is left to take back")
    return "\n".join(lines)
