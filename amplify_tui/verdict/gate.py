"""The one door of judgement: terms and evidence in, a verdict out. How each term is judged lives beside it.

| who asks            | with                | and gets                                        |
|---------------------|---------------------|-------------------------------------------------|
| a gate              | `judge`             | Verdict: fail > error > blind > undecided > pass |
| a trigger           | triggers.fires      | TermVerdict: `fail` means it fires              |
| a bake              | bake.accrue         | seconds with fresh readings and no fail         |

A set of terms without a member is undecided: nothing asked is nothing shown. A term that does not apply (there is no
control to compare with) is set aside; where none is left, the gate is undecided too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amplify_tui.verdict import budget, dependencies, fleet, ramped
from amplify_tui.verdict.model import Answer, Evidence, Expected, Term, TermVerdict, Verdict
from amplify_tui.verdict.promises import is_sequential
from amplify_tui.verdict.sequential import judge_sequential
from amplify_tui.verdict.terms import judge_condition
from amplify_tui.verdict.triage import RANK

# The first of these that any term gives is the gate's; `pass` is reached only when no term gives another.
_ORDER: Final[tuple[Answer, ...]] = tuple(answer for answer in RANK if answer != "pass")


def judge(terms: Sequence[Term], evidence: Evidence, expected: Expected, now: float) -> Verdict:
    """The verdict of a gate at *now* (Unix seconds), with the verdict of each term in the order given.

    Any fail fails, else any error, else any blind, else any undecided; it passes only where at least one term was
    asked and every one passes. The order of terms and of readings changes no answer. Nothing is raised.
    """
    verdicts = tuple(judge_term(term, evidence, expected, now) for term in terms)
    if not verdicts:
        return Verdict(answer="undecided", reason="the gate asks nothing", need="needs at least one condition")
    applying = [verdict for verdict in verdicts if verdict.applies]
    if not applying:
        reason = "; ".join(verdict.reason for verdict in verdicts)
        need = "needs a condition that applies: override it, or go back"
        return Verdict(answer="undecided", reason=reason, need=need, terms=verdicts)
    for answer in _ORDER:
        decisive = [verdict for verdict in applying if verdict.answer == answer]
        if decisive:
            return Verdict(
                answer=answer,
                reason="; ".join(verdict.reason for verdict in decisive),
                need="; ".join(verdict.need for verdict in decisive if verdict.need),
                terms=verdicts,
            )
    reason = f"{len(applying)} of {len(applying)} conditions pass"
    aside = "".join(f"; {verdict.reason}" for verdict in verdicts if not verdict.applies)
    return Verdict(answer="pass", reason=reason + aside, terms=verdicts)


def is_good_again(verdict: Verdict) -> bool:
    """Whether the evidence of a gate that holds is good: it passes, or all that fails of it has recovered since.

    A sequential test that has fired fails until the hold is released, so its recovery is what lets the hold go.
    """
    if verdict.answer == "pass":
        return True
    applying = [term for term in verdict.terms if term.applies]
    return bool(applying) and all(term.answer == "pass" or term.recovered for term in applying)


def judge_term(term: Term, evidence: Evidence, expected: Expected, now: float) -> TermVerdict:
    """The verdict of one term: a condition on a signal, or a built-in by its name."""
    match term.builtin:
        case None:
            if term.condition is not None and (term.condition.slo or term.condition.burn is not None):
                return budget.judge_budget(term, evidence, expected, now)
            judged = judge_sequential if is_sequential(term) else judge_condition
            return judged(term, evidence, expected, now)
        case "health":
            return fleet.judge_health(term, evidence, expected, now)
        case "fleet":
            return fleet.judge_fleet(term, evidence, expected, now)
        case "dependencies":
            return dependencies.judge_dependencies(term, evidence, expected, now)
        case "exposure":
            return ramped.judge_exposure(term, evidence, expected, now)
        case "drift":
            return ramped.judge_drift(term, evidence, expected, now)
