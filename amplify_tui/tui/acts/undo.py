"""Acts on the rollback screen's selected item: what to do where its target is not as we left it, and waiving it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amplify_tui.run import commands as c
from amplify_tui.run.select.undo_lines import UndoRow, undo_rows
from amplify_tui.tui.acts.forms import reason
from amplify_tui.tui.modals.form import Choice, Filled, Form

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit


def _row(app: Cockpit) -> UndoRow | None:
    chosen = app.selected_item()
    rows = {row.id: row for row in undo_rows(app.state, app.now())}
    return rows.get(chosen)


def choose(app: Cockpit) -> None:
    """⏎ on an item: ours, restore, kill or waive; the refusal says when nothing is to be chosen."""
    row = _row(app)
    if row is None:
        app.say("✗ Nothing is chosen. There is no undo item here. The plan fills with the effects of the run.")
        return
    lines = (
        f"{row.target}: {row.change}",
        f"{row.word}. {row.note}",
        f"by hand: {row.by_hand or 'nothing is written down'}",
    )
    choices = (
        Choice("ours", "Ours: keep theirs"),
        Choice("restore", "Restore: overwrite", "error"),
        Choice("kill", "Kill: off", "error"),
        Choice("waive", "Waive", "default"),
    )
    _ask(app, row, Form("Take this back how?", lines, (reason("reason (waive needs one)", 0),), choices, danger=True))


def waive(app: Cockpit) -> None:
    row = _row(app)
    if row is None:
        app.say("✗ Nothing is waived. No undo item is selected. Select one on the rollback screen (R).")
        return
    lines = (f"{row.target}: {row.change}", "It stays as it is, and the report says so.")
    form = Form("Leave this undone?", lines, (reason(),), (Choice("waive", "Waive", "error"),), danger=True)
    _ask(app, row, form)


def _ask(app: Cockpit, row: UndoRow, form: Form) -> None:
    def done(filled: Filled) -> None:
        why = filled.values["reason"]
        app.send(app.order(c.DecideUndo, effect=row.id, choice=filled.choice, reason=why))

    app.ask(form, done)
