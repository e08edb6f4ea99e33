"""Whether a flag is as we left it: which effect left it so, and which hold asks a person about it. Pure."""

from __future__ import annotations

from typing import Any

from amplify_tui.run.shapes import Drift, Hold
from amplify_tui.run.state import EffectState, State


def left_by(state: State, flag: str) -> EffectState | None:
    """The effect that made the flag what it should be; None where none did, or where one on it is still open.

    flag: the target's id, `source/name`.
    """
    mine = [e for e in state.effects.values() if (e.target.kind, e.target.id) == ("flag", flag)]
    if any(effect.is_open for effect in mine):
        return None
    done = (effect for effect in mine if effect.status == "done")
    return max(done, key=lambda effect: (effect.ended_seq, effect.seq), default=None)


def image(effect: EffectState) -> Any:
    """The state in which *effect* left its target: what was read back, else what was planned."""
    return effect.observed if isinstance(effect.observed, dict) else effect.after


def drift_hold(state: State, flag: str) -> Hold | None:
    """The hold that asks a person about a change of *flag*."""
    return next((hold for hold in state.holds.values() if hold.drift is not None and hold.drift.flag == flag), None)


def label(hold: Hold) -> str:
    """What the effects carry as their step that make the flag of *hold* ours again."""
    return f"drift-{hold.id}"


def mends(state: State, effect: EffectState) -> Hold | None:
    """The hold for which *effect* makes a flag ours again."""
    return next((hold for hold in state.holds.values() if hold.drift and label(hold) == effect.step), None)


def to_mend(state: State, now: float) -> list[tuple[Hold, Drift]]:
    """The flags that a person wants as we left them, and that nothing is done about at this moment."""
    if state.mitigation == "running":
        return []
    found = []
    for hold in state.holds.values():
        if hold.drift is None or hold.choice != "ours":
            continue
        tries = [effect for effect in state.effects.values() if effect.step == label(hold)]
        resting = bool(tries) and tries[-1].not_before > now
        if not resting and not any(effect.target.id == hold.drift.flag for effect in state.open_effects):
            found.append((hold, hold.drift))
    return found
