"""What would be refused, said before anybody is asked for a reason: `decide` itself is asked. No rule lives here."""

from __future__ import annotations

from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.state import State
from amplify_tui.verdict.model import Evidence

IN_A_DIALOG = "a reason that the dialog asks for"


def refusal_beforehand(state: State, order: c.Person, now: float) -> Refusal | None:
    """Why *order* would be refused whatever its dialog brings; None where the dialog is worth opening.

    A reason is taken as given. A refusal that changes with the readings is none yet: the conductor looks at them when
    the order comes. Nothing is known of a run without events.
    """
    from amplify_tui.run.decide import decide  # at the first key: a cockpit paints without the rules

    if state.phase == "none":
        return None
    filled = order if order.reason else replace(order, reason=IN_A_DIALOG)
    said = decide(state, filled, now)
    if not isinstance(said, Refusal):
        return None
    if isinstance(filled, c.Advance | c.Override) and filled.evidence is None:
        seen = decide(state, replace(filled, evidence=Evidence()), now)
        return said if seen == said else None
    return said
