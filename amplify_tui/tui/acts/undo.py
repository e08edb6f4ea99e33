"""Acts on the rollback screen's selected item: what to do where its target is not as we left it, and waiving it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from amplify_tui.run import commands as c
from amplify_tui.run.select.possible import refusal_beforehand
from amplify_tui.run.select.undo_lines import UndoRow, undo_rows
from amplify_tui.tui.acts import go
from amplify_tui.tui.acts.forms import reason, refused
from amplify_tui.tui.draw.rollback import item
from amplify_tui.tui.modals.form import Choice, Filled, Form
from amplify_tui.tui.orders import no

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit


def _row(app: Cockpit) -> UndoRow | None:
    chosen = app.selected_item()
    rows = {row.id: row for row in undo_rows(app.state, app.now(), app.view.board)}
    return rows.get(chosen)


CHOICES: Final = (
    Choice("ours", "Ours: keep theirs"),
    Choice("restore", "Restore: overwrite", "error"),
    Choice("kill", "Kill: off", "error"),
    Choice("waive", "Waive", "default"),
)


def choose(app: Cockpit) -> None:
    """⏎ on an item: what may be chosen for it; where nothing may, the item in full, and why not."""
    row = _row(app)
    if row is None:
        app.say(no("nothing is chosen", "there is no undo item here", "the plan fills with the effects of the run"))
        return
    why = {choice.id: refusal_beforehand(app.state, _order(app, row, choice.id), app.now()) for choice in CHOICES}
    choices = tuple(choice for choice in CHOICES if why[choice.id] is None)
    if not choices:
        go.read(app, f"Item {row.target}", item, cursor=row.id)
        refused(app, _order(app, row, "restore"))
        return
    lines = (
        f"{row.target}: {row.change}",
        f"{row.word}. {row.note}",
        f"by hand: {row.by_hand or 'nothing is written down'}",
    )
    _ask(app, row, Form("Take this back how?", lines, (reason("reason (waive needs one)", 0),), choices, danger=True))


def waive(app: Cockpit) -> None:
    row = _row(app)
    if row is None:
        app.say(no("nothing is waived", "no undo item is selected", "select one on the rollback screen (R)"))
        return
    if refused(app, _order(app, row, "waive")):
        return
    lines = (f"{row.target}: {row.change}", "It stays as it is, and the report says so.")
    form = Form("Leave this undone?", lines, (reason(),), (Choice("waive", "Waive", "error"),), danger=True)
    _ask(app, row, form)


def _order(app: Cockpit, row: UndoRow, choice: str, reason: str = "") -> c.DecideUndo:
    return app.order(c.DecideUndo, effect=row.id, choice=choice, reason=reason)


def _ask(app: Cockpit, row: UndoRow, form: Form) -> None:
    def done(filled: Filled) -> None:
        app.send(_order(app, row, filled.choice, filled.values["reason"]))

    app.ask(form, done)
