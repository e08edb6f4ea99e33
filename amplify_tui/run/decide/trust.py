"""Whether a bundle may start: what a commit vouches for starts, anything else needs a person's word and a reason.

A bundle that has to be on a branch (`release.trusted_ref`) and is not there starts by nobody's word. In a sandbox
nothing is asked: it holds nothing that is worth protecting.
"""

from __future__ import annotations

from amplify_tui.run import commands as c
from amplify_tui.run.decide.guards import refuse
from amplify_tui.run.shapes import Refusal, Trust
from amplify_tui.run.state import State

HOW = "commit it, or start it with `--untrusted --reason WHY` once you have read what it would run"


def untrusted(state: State, order: c.Start, trust: Trust | None) -> Refusal | None:
    """Why the bundle of this run may not start; None where it may."""
    if state.sandbox:
        return None
    what = "the run cannot start"
    if trust is None:
        return refuse(what, "nobody has looked yet whether its playbook can be trusted", "start again")
    if trust.barred:
        return refuse(what, trust.barred, trust.fix)
    if not trust.doubts:
        return None
    why = "; ".join(trust.doubts)
    if not order.untrusted:
        return refuse(what, f"its playbook is not trusted: {why}", HOW)
    if not order.reason.strip():
        return refuse(what, f"its playbook is not trusted ({why}), and no reason says why it should start", HOW)
    if order.expect and order.expect != trust.sha:
        return refuse(what, "what it would run is another than what was shown", "look again, then start")
    return None
