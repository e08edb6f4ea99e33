"""Whether a bundle may start: what a commit vouches for starts, anything else needs a person's word and a reason.

A bundle that has to be on a branch (`release.trusted_ref`) and is not there starts by nobody's word. In a sandbox
nothing is asked: it holds nothing that is worth protecting. The same stands before a look without a run: it would ask
what the playbook names, with a person's tokens.
"""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run.decide.guards import refuse
from amplify_tui.run.shapes import Refusal, Trust
from amplify_tui.run.state import State

HOW = "commit it, or start it with `--untrusted --reason WHY` once you have read what it would run"
HOW_TO_LOOK = "commit it, or give `--untrusted` once you have read what it would reach"


def untrusted(state: State, order: c.Start, trust: Trust | None) -> Refusal | None:
    """Why the bundle of this run may not start; None where it may."""
    what = "the run cannot start"
    doubts = _doubts(state, what, trust)
    if isinstance(doubts, Refusal) or not doubts:
        return doubts or None
    if not order.untrusted:
        return refuse(what, f"its playbook is not trusted: {doubts}", HOW)
    if not order.reason.strip():
        return refuse(what, f"its playbook is not trusted ({doubts}), and no reason says why it should start", HOW)
    if order.expect and trust is not None and order.expect != trust.sha:
        return refuse(what, "what it would run is another than what was shown", "look again, then start")
    return None


def unvouched(state: State, what: str, reason: str, trust: Trust | None) -> Refusal | None:
    """Why a run that has started may not go by another text; its hash was named, so that a reason alone is a word."""
    doubts = _doubts(state, what, trust)
    if isinstance(doubts, Refusal):
        return doubts
    if not doubts or reason.strip():
        return None
    why = f"the file is not trusted ({doubts}), and no reason says why to go by it"
    return refuse(what, why, "commit it, or give a reason once you have read what it would run")


def unasked(trust: Trust, *, untrusted: bool) -> Refusal | None:
    """Why nothing may be asked of what a playbook names, where no run has pinned it; None where it may.

    No reason is wanted, since no journal would keep it. *untrusted* also helps where the playbook has to be on a branch
    and is not: nothing is started by a look, and a change has to be checked before it is merged.
    """
    doubts = "; ".join((*trust.doubts, *((trust.barred,) if trust.barred else ())))
    if not doubts or untrusted:
        return None
    return refuse("nothing was asked of what it names", f"its playbook is not trusted: {doubts}", HOW_TO_LOOK)


def _doubts(state: State, what: str, trust: Trust | None) -> str | Refusal:
    """Why no commit vouches for a bundle, in words; "" where one does. A refusal where no word of a person helps."""
    if state.sandbox:
        return ""
    if trust is None:
        return refuse(what, "nobody has looked yet whether its playbook can be trusted", "give the command again")
    if trust.barred:
        return refuse(what, trust.barred, trust.fix)
    return "; ".join(trust.doubts)
