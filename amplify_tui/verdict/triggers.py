"""Whether a trigger of `rollback.when` fires now. What is done about it (ask, auto, scope) is decided in `run`."""

from __future__ import annotations

from amplify_tui.verdict.gate import judge_term
from amplify_tui.verdict.model import Evidence, Expected, Term, TermVerdict


def fires(term: Term, evidence: Evidence, expected: Expected, now: float) -> TermVerdict:
    """The verdict of the trigger *term*: `fail` means that it fires, no other answer does.

    The same span machine as for a gate: it needs `for` of bad readings and, for a share, evidence beyond chance.
    `expected.since` is the first exposure, so evidence lasts through phases, holds and waits for people.
    """
    return judge_term(term, evidence, expected, now)
