"""What a gate showed over the whole time of a watch: the worst of each condition, and for how long it was what. Pure.

A verdict says how it is now. This is carried on from one look to the next, and journaled beside the verdict: so the
worst is known afterwards, also where it was over before anybody looked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.verdict.model import Answer, Term, TermVerdict, Verdict
from amplify_tui.verdict.promises import shown_rule
from amplify_tui.verdict.triage import RANK

LOOKED_S: Final = 10.0  # what lies further apart than this was not looked at in between
NOTABLE: Final = 1.1  # by so much nearer to its limit than what is journaled is worth an event of its own,
NEAR: Final = 0.5  # once it is as near as this


class Seen(Struct, frozen=True, kw_only=True):
    """One condition over the time it was watched.

    worst: the value nearest to its limit, or farthest past it, of data at `at` (Unix seconds); None where it has no
    number. answer: the worst that it ever gave. good, bad, blind, undecided: seconds. spent: of an SLO, the part of its
    error budget (1 is all of it) that was burnt meanwhile, about: its traffic is taken to be even.
    """

    id: str
    worst: float | None = None
    limit: float | None = None
    below: bool = False
    at: float = 0.0
    answer: Answer = "pass"
    good: float = 0.0
    bad: float = 0.0
    blind: float = 0.0
    undecided: float = 0.0
    spent: float | None = None

    @property
    def watched(self) -> float:
        """Seconds for which somebody looked."""
        return self.good + self.bad + self.blind + self.undecided


def nearness(seen: Seen) -> float:
    """1 at the limit, more past it; of a condition without a number infinite where it failed, else 0."""
    if seen.worst is None or seen.limit is None:
        return math.inf if seen.answer == "fail" else 0.0
    return _near(seen.worst, seen.limit, seen.below)


def _near(value: float | None, limit: float | None, below: bool) -> float:
    if value is None or limit is None:
        return 0.0
    mine, bound = (limit, value) if below else (value, limit)
    if bound > 0.0:
        return max(0.0, mine / bound)
    return math.inf if mine > bound else 1.0 if mine == bound and mine else 0.0


def worst_of(seen: Sequence[Seen]) -> Seen | None:
    """The condition that came nearest to its limit, or went farthest past it; of equal ones the worse answer."""
    return max(seen, key=lambda one: (nearness(one), -RANK.index(one.answer)), default=None)


def looked(
    seen: Sequence[Seen], verdict: Verdict, terms: Sequence[Term], seconds: float, now: float
) -> tuple[Seen, ...]:
    """*seen* after one more look: *verdict* at *now*, *seconds* after the look before.

    A condition that does not apply gets no time. More than `LOOKED_S` at once is time that nobody looked.
    """
    seconds = seconds if 0.0 <= seconds <= LOOKED_S else 0.0
    before = {one.id: one for one in seen}
    asked = {term.id: term for term in terms}
    return tuple(
        _on(before.get(said.id) or Seen(id=said.id), said, asked.get(said.id), seconds, now) for said in verdict.terms
    )


def is_notable(before: Sequence[Seen], after: Sequence[Seen]) -> bool:
    """Whether *after* has a worst that a crash must not lose: past its limit for the first time, or by a tenth worse.

    A value that creeps up to its limit is worth eight such events, and one that grows to ten times of it 25 more. What
    is far from its limit waits for the next event that is due.
    """
    known = {one.id: nearness(one) for one in before}
    for one in after:
        was, now = known.get(one.id, 0.0), nearness(one)
        if now >= NEAR and now > was and (now >= was * NOTABLE or was <= 1.0 < now):
            return True
    return False


def _on(seen: Seen, said: TermVerdict, term: Term | None, seconds: float, now: float) -> Seen:
    if not said.applies:
        return seen
    spell = _spell(said)
    changes: dict[str, Any] = {spell: getattr(seen, spell) + seconds}
    if RANK.index(said.answer) < RANK.index(seen.answer):
        changes["answer"] = said.answer
    if spell == "blind":
        return replace(seen, **changes)
    if said.value is not None and math.isfinite(said.value):
        changes |= _worse(seen, said, term, now)
    if term is not None and term.slo is not None and term.slo.window > 0.0:
        spent = (said.burning or 0.0) * seconds / term.slo.window
        changes["spent"] = (seen.spent or 0.0) + spent
    return replace(seen, **changes)


def _spell(said: TermVerdict) -> str:
    match said.answer:
        case "pass":
            return "good"
        case "fail":
            return "bad"
        case "blind" | "error":
            return "blind"
        case "undecided":
            return "bad" if said.bad_for > 0.0 else "undecided"


def _worse(seen: Seen, said: TermVerdict, term: Term | None, now: float) -> dict[str, Any]:
    """What changes where the value is the worst so far; nothing where it is not."""
    below = seen.below
    if seen.worst is None and term is not None:  # asked once: it costs more than all the rest of a look
        rule = shown_rule(term)
        below = rule is not None and rule.below
    value = said.value
    if value is not None and said.burning is not None:
        value = min(value, said.burning)  # both windows have to burn: an old fire in the long one alone is none
    if seen.worst is not None and _near(value, said.limit, below) <= nearness(seen):
        return {}
    return {"worst": value, "limit": said.limit, "below": below, "at": now - (said.age or 0.0)}
