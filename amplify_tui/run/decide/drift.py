"""Somebody else changed a flag of the run: forward work is held, and a person says whose flag it is to be.

| answer | what follows |
| --- | --- |
| ours | our after-image is written once more; the hold goes when that is read back |
| accept | theirs becomes our after-image; refused where it gives the flag to anybody who did not have it |
| kill | exposure is taken away, as by a mitigation, and the run stays held |

Where an accepted change took the flag from users, a person begins its ramp anew: no next phase gives it back to them.
The hold is placed whether exposure grew or shrank: who pulled the brake had a reason (states.md 6.3).
"""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.decide.guards import Result, place, refuse
from amplify_tui.run.decide.takeback import mitigation
from amplify_tui.run.drift import drift_hold, left_by, to_mend
from amplify_tui.run.shapes import Drift, Hold, Refusal
from amplify_tui.run.state import RUN_SCOPE, State


def drifted(state: State, order: c.Drifted, now: float) -> Result:
    seen = order.drift
    left = left_by(state, seen.flag)
    if left is None or left.id != seen.effect:
        return refuse(f"the change of {seen.flag} is not taken", "it was compared with what is not our last word on it")
    if state.mitigation == "running":
        return refuse(f"the change of {seen.flag} is not taken", "exposure is being taken away")
    there = drift_hold(state, seen.flag)
    if there is None:
        return (_placed(state, seen),)
    assert there.drift is not None
    if (there.drift.fingerprint, there.drift.what) == (seen.fingerprint, seen.what):
        return ()
    if any(effect.step == f"drift-{there.id}" and effect.is_open for effect in state.effects.values()):
        return refuse(f"the change of {seen.flag} is not taken", "it is being made ours at this moment")
    return (ev.HoldReleased(hold=there.id, why="it changed once more"), _placed(state, seen))


def _placed(state: State, seen: Drift) -> ev.HoldPlaced:
    _, _, name = seen.flag.partition("/")
    moved = f"{seen.left_percent:g} % to {seen.percent:g} %, " if seen.percent != seen.left_percent else ""
    reason = f"{seen.by or 'somebody else'} changed {name}: {moved}{seen.what}"
    return ev.HoldPlaced(
        hold=place(state, RUN_SCOPE, "drift", reason).hold, scope=RUN_SCOPE, kind="drift", reason=reason, drift=seen
    )


def tail_lost(state: State, order: c.TailLost, now: float) -> Result:
    if any(hold.kind == "unknown" for hold in state.holds.values()):
        return ()
    return (place(state, RUN_SCOPE, "unknown", order.detail),)


def answered(state: State, hold: Hold, order: c.Release) -> Result:
    """What the answer to a drift leads to, before anything that goes on by itself once the hold is gone."""
    drift = hold.drift
    what = f"{hold.id} cannot be released"
    if drift is None or not order.choice:
        return refuse(what, "somebody else changed the flag", "choose with --choice ours, accept or kill")
    why = order.reason or f"{order.choice}, by {order.actor}"
    match order.choice:
        case "accept" if drift.widens:
            more = f"it may reach users who did not have it ({drift.left_percent:g} % to {drift.percent:g} %)"
            return refuse("their change is not accepted", more, "choose ours or kill")
        case "accept":
            return (ev.HoldReleased(hold=hold.id, why=why, choice="accept"),)
        case "ours" if hold.choice == "ours":
            return refuse(what, "our state is being written already", "wait, or choose kill")
        case "ours":
            return (ev.DriftAnswered(hold=hold.id, choice="ours", reason=order.reason),)
    taken_away = mitigation(state, f"{drift.flag} was changed by {drift.by or 'somebody else'}")
    return (ev.HoldReleased(hold=hold.id, why=why, choice="kill"), *taken_away)


def unmended(state: State, order: c.Unmended, now: float) -> Result:
    hold = state.holds.get(order.hold)
    if hold is None or hold.choice != "ours":
        return refuse(f"nothing is asked about {order.hold}", "no flag of it is being made ours")
    return (ev.DriftAnswered(hold=hold.id, choice="", reason=order.detail),)


def mend_refusal(state: State, order: c.Intend, now: float) -> Refusal | None:
    """Why a flag is not made ours now; None where a person asked for it and nothing is in the way."""
    if order.mends not in {hold.id for hold, _ in to_mend(state, now)}:
        return refuse(f"{order.says or order.verb} is not begun", "nobody asks for it now")
    return None
