"""Fix forward: when a run may be superseded, and what the one that supersedes it has to be like.

| the earlier run is | it is superseded |
| --- | --- |
| a draft | never: it did nothing |
| going forward | where a person holds it, and nothing of it is under way or unknown |
| rolling back | where nothing of that goes on by itself: it waits for a person |
| closed | where it left something to take back |

It ends with that. What it may not be is reversed later, or superseded twice: its undo is another run's by then. Its own
journal decides between two that want it: who is named there first has it, and nobody else begins.
"""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.decide.guards import Result, refuse
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.state import State
from amplify_tui.run.supersede import Inheritance, inheritance_of, is_anything, late_writes
from amplify_tui.run.undo import rollback_items
from amplify_tui.run.undo_turns import ready_items

REASON = "superseded by run {}"


def supersede(state: State, order: c.Supersede, now: float) -> Result:
    """The end of a run that another one takes over. Said twice by the same run, it is taken twice."""
    if state.superseded_by == order.by and state.phase == "closed":
        return ()
    if refusal := _refusal(state, order.instead_of, now):
        return refusal
    told = ev.Superseded(by=order.by)
    if state.phase == "closed":
        return (told,)
    outcome = "abandoned" if state.phase == "forward" else "rolled_back_partly"
    reason = REASON.format(order.by) + (f": {order.reason}" if order.reason else "")
    return (told, ev.RunClosed(outcome=outcome, reason=reason, exceptions=state.exceptions))  # type: ignore[arg-type]


def give_up(draft: str) -> str:
    """How a run that was to take another one over, and never started, leaves it to the next."""
    return f"`amplify resume {draft}` and `amplify do {draft} abort` give it up, then try again"


def _what(state: State) -> str:
    return f"run {state.run} is not superseded"


def _refusal(state: State, instead_of: str, now: float) -> Refusal | None:
    what = _what(state)
    if (by := state.superseded_by) not in ("", instead_of):
        return refuse(
            what, f"run {by} supersedes it already", f"`--supersedes {by}` takes both over; a draft: {give_up(by)}"
        )
    if (by := state.reversed_by) not in ("", instead_of):
        return refuse(
            what,
            f"run {by} reverses it already",
            f"`--supersedes {by}` takes over what that one leaves; where it leaves nothing, start without --supersedes",
        )
    if state.mode == "dry":
        return refuse(what, "it was a dry run, and changed nothing", "start yours without --supersedes")
    if late := late_writes(state, now):
        return refuse(what, f"a write to {', '.join(late)} had no answer, and may yet land", "wait half a minute")
    if refusal := _under_way(state, what, now):
        return refusal
    if not is_anything(inheritance_of(state)):
        return refuse(what, "it left nothing to take back", "start yours without --supersedes")
    return None


def _under_way(state: State, what: str, now: float) -> Refusal | None:
    """Why it is not quiet enough to be taken over."""
    if state.phase == "closed":
        return None
    if open_ := state.open_effects:
        if any(effect.status in ("intended", "accepted") for effect in open_):
            return refuse(what, f"{open_[0].id} of it is under way", "wait for its outcome")
        return refuse(
            what, f"nobody knows whether {open_[0].id} happened", f"`amplify do {state.run} settle {open_[0].id}`"
        )
    if state.mitigation == "running" and state.phase == "forward":
        return refuse(what, "exposure is being taken away", "wait until it is verified")
    if state.phase == "forward" and not state.is_held_by_person:
        return refuse(what, "it is under way, and nobody holds it", f"hold it first: `amplify do {state.run} hold`")
    if state.phase == "rolling_back":
        items = rollback_items(state)
        if ready_items(state, items, now) or any(entry.status in ("running", "waiting") for entry in items):
            return refuse(what, "it is rolling back", "wait until it is back, or until it waits for a person")
    return None


def take_over(state: State, order: c.Start, now: float) -> Inheritance | Refusal:
    """What the draft *state* takes over as it starts, or why it may not start instead of the earlier run."""
    earlier, facts = order.earlier, order.facts
    what = f"the run cannot start instead of run {state.supersedes}"
    if earlier is None or facts is None or earlier.run != state.supersedes:
        return refuse(what, "its journal cannot be read", "look at it with `amplify show`, and start again")
    if state.mode != "live":
        return refuse(what, "a dry run changes nothing, and so it takes nothing over", "start it without --dry-run")
    if earlier.phase in ("none", "draft"):
        return refuse(what, "that one has not started: there is nothing to take over", "start without --supersedes")
    if earlier.sandbox != state.sandbox:
        return refuse(
            what, "one of the two is of the sandbox, and the other is not", "supersede a run of its own world"
        )
    if earlier.environment != facts.environment:
        why = f"that one is of {earlier.environment}, and this one of {facts.environment}"
        return refuse(what, why, "a run takes over one of its own environment")
    if earlier.subject is None or earlier.subject.repo != facts.subject.repo:
        return refuse(what, "it releases from another repository", "a run takes over one of its own repository")
    if earlier.superseded_by != state.run and (refusal := _refusal(earlier, "", now)):
        return refusal
    return inheritance_of(earlier)
