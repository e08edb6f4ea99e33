"""Looking again at what was taken back: exposure has to stay off, for a lost `on` may land after our `off`.

The verification of band 2 holds from the first look that agrees; more looks follow beside the bands after it
(states.md 6.1). One that finds users exposed again puts exposure first again: switched off once more, and what has not
begun of the code waits.
"""

from __future__ import annotations

from typing import Final

from amplify_tui.run.shapes import VERIFY_BAND, Target
from amplify_tui.run.state import EffectState, Reread, State
from amplify_tui.run.undo import ItemState, is_verification, mitigation_items, rollback_items

REREAD_AFTER: Final = (5.0, 15.0, 30.0)  # seconds after the write that took exposure away
GIVE_UP_AFTER: Final = 600.0  # seconds that a look may be late


def _under_way(state: State) -> list[ItemState]:
    """The verifications of the rollback, or of the last mitigation as long as the run only holds after it."""
    if state.phase == "rolling_back":
        items = rollback_items(state)
    elif state.phase == "forward" and state.mitigation == "done":
        items = mitigation_items(state)
    else:
        return []
    looks = (i for i in items if i.item.band == VERIFY_BAND and i.effect is not None and i.effect.status == "done")
    return [i for i in looks if i.status in ("done", "waiting")]


def _is_ramped_again(state: State, look: EffectState) -> bool:
    """Whether the run itself has gone forward on that target since, as a person may decide after a mitigation."""
    return any(not e.undoes and e.target == look.target and e.seq > look.seq for e in state.effects.values())


def looks_left(state: State, now: float) -> list[tuple[EffectState, float]]:
    """The verifications that are to be looked at again, each with the time (Unix seconds) of its next look.

    A look that is long overdue (nobody conducted, the server was away) is none any more: the world has moved on.
    """
    return [(look, at) for look, at in _looks(state) if now <= at + GIVE_UP_AFTER]


def unread(state: State, now: float) -> list[EffectState]:
    """The verifications whose last looks were given up: nobody can say that the flag stayed as it was left."""
    given_up = [look for look, at in _looks(state) if now > at + GIVE_UP_AFTER]
    return [look for look in given_up if look.target in _unanswered(state)]


def _looks(state: State) -> list[tuple[EffectState, float]]:
    left = []
    for entry in _under_way(state):
        look = entry.effect
        assert look is not None
        taken = state.rereads.get(look.id, Reread()).agreed
        written = [e.ended_at for e in state.effects.values() if e.undoes in entry.item.needs and e.ended_at]
        if taken < len(REREAD_AFTER) and not _is_ramped_again(state, look):
            left.append((look, max(written, default=look.at) + REREAD_AFTER[taken]))
    return left


def looks_due(state: State, now: float) -> list[EffectState]:
    """The verifications whose next look is due at *now*."""
    return [look for look, at in looks_left(state, now) if now >= at]


def late_writes(state: State, now: float) -> list[EffectState]:
    """Verifications that the closing waits for: a write to their target got no answer, and may land late.

    Where every write was answered nothing of ours is on its way, and the run ends without the last looks.
    """
    return [look for look, _ in looks_left(state, now) if look.target in _unanswered(state)]


def _unanswered(state: State) -> set[Target]:
    of_flags = (e for e in state.effects.values() if e.exposure is not None or e.target.kind == "flag")
    return {e.target for e in of_flags if e.unknown_since and not is_verification(e)}
