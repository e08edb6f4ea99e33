"""Beginning a run that reverses a closed one: refused where there is nothing to take back, or another run does it."""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.decide.guards import Result, refuse
from amplify_tui.run.decide.supersede import give_up
from amplify_tui.run.reversal import is_undoable, left_of, reversal_of
from amplify_tui.run.shapes import VERIFY_BAND, Bundle, File, Refusal
from amplify_tui.run.state import State


def reverse(state: State, order: c.Reverse, now: float) -> Result:
    closed = order.closed
    plan = left_of(closed)
    if refusal := _refusal(closed, order) or _nothing_left(closed):
        return refusal
    if order.until_band <= VERIFY_BAND and not any(item.band <= VERIFY_BAND for item in plan):
        why = "no flag of it exposes anybody: only a rollback takes the code back"
        return refuse(_what(closed), why, f"`amplify rollback {closed.run}`")
    reversal = reversal_of(
        closed, plan, until_band=order.until_band, reason=order.reason, touched=order.touched, now=now
    )
    file = File(path=closed.playbook, sha256=closed.bundle_sha, text=closed.bundle_text)
    created = ev.RunCreated(
        mode=closed.mode,
        plan=closed.plan,
        bundle=Bundle(sha256=closed.bundle_sha, files=(file,)),
        engine=order.engine,
        playbook=closed.playbook,
        inputs=closed.inputs,
        sandbox=closed.sandbox,
        reverses=closed.run,
        reversal=reversal,
    )
    return (created,)


def _what(closed: State) -> str:
    return f"run {closed.run} is not reversed" if closed.run else "nothing is taken back"


def leave_undo(state: State, order: c.LeaveUndo, now: float) -> Result:
    """The closed run leaves its undo to the one that reverses it. Said twice by the same run, it is taken twice."""
    if state.reversed_by == order.by:
        return ()
    return _taken(state, order.instead_of) or _nothing_left(state) or (ev.Reversed(by=order.by),)


def _nothing_left(closed: State) -> Refusal | None:
    if is_undoable(left_of(closed)):
        return None
    why = "it changed nothing that could be taken back"
    if not closed.run:
        why = "as far as can be derived, the flags are off and the instances report that version"
    if closed.rollback_plan:
        why = f"it is {(closed.outcome or 'closed').replace('_', ' ')}, and nothing of it is left to take back"
    return refuse(_what(closed), why, f"`amplify show {closed.run}` lists what it did" if closed.run else "")


def _taken(closed: State, instead_of: str = "") -> Refusal | None:
    """Who has what *closed* left, if that is another one than the run that can never begin."""
    if (by := closed.superseded_by) not in ("", instead_of):
        why = f"run {by} supersedes it, and has taken over what there is to take back"
        return refuse(_what(closed), why, f"`amplify rollback {by}` takes both back; a draft: {give_up(by)}")
    if (by := closed.reversed_by) not in ("", instead_of):
        return refuse(
            f"run {closed.run} is not reversed again",
            f"run {by} reverses it already",
            f"`amplify attach {by}` follows it; `amplify rollback {by}` takes up what it left",
        )
    return None


def _refusal(closed: State, order: c.Reverse) -> Refusal | None:
    if closed.phase != "closed":
        return refuse(_what(closed), "it is not closed", f"`amplify rollback {closed.run}` takes it back itself")
    if refusal := _taken(closed):
        return refusal
    if order.problems:
        return refuse(_what(closed), "; ".join(order.problems), order.advice)
    return None
