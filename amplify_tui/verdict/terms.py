"""The answer of one threshold condition: pass, fail, undecided, blind or error, in a sentence with both numbers.

The span machine (spans.py) says how long; this module says what follows from it, in this order: the provider is broken
or silent, then a fail, then everything that forbids a pass. A pass is what is left when nothing forbids it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from amplify_tui.verdict import alerts, words
from amplify_tui.verdict.conditions import COUNTED_S, Rule, cached_rule, select
from amplify_tui.verdict.evidence import bad_needed
from amplify_tui.verdict.model import Answer, Evidence, Expected, Reading, Term, TermVerdict
from amplify_tui.verdict.silence import Heard, heard_of, silence_of
from amplify_tui.verdict.spans import (
    ENOUGH,
    GOOD_IN_A_ROW,
    History,
    fold,
    fresh_share,
    is_flapping,
    lost_since,
    overdue,
    reached,
    stretch,
)
from amplify_tui.verdict.standout import who


def judge_condition(term: Term, evidence: Evidence, expected: Expected, now: float) -> TermVerdict:
    """The answer of *term*, a condition on a signal, at *now*; readings may come in any order.

    What this version does not judge (burn) and what is malformed answers `error` with the reason. Sequential conditions
    (worse_than, alpha) are judged in sequential.py.
    """
    rule = cached_rule(term)
    if isinstance(rule, str):
        return TermVerdict(id=term.id, answer="error", reason=f"{_name(term)}: {rule}")
    heard = evidence.series.get((rule.signal, rule.cohort), [])
    said = _said.get((id(term), expected.since, expected.poll))
    if said is not None and said.holds(term, heard, now):
        return replace(said.verdict, age=max(0.0, now - said.data_at))
    readings = select(evidence, rule, now)
    if rule.alerts:
        readings = alerts.counted_since(readings, expected.since)
    history = fold(readings, rule, expected.counts_from)
    case = _Case(term.id, rule, history, readings, heard_of(readings, rule), expected.since, expected.poll, now)
    verdict = case.answer()
    _remember(term, heard, case, verdict)
    return verdict


@dataclass(frozen=True, slots=True)
class _Said:
    """A verdict that stays true but for its age, from `since` until `until`, while the same readings are all."""

    term: Term
    heard: Sequence[Reading]
    since: float
    until: float
    data_at: float
    verdict: TermVerdict

    def holds(self, term: Term, heard: Sequence[Reading], now: float) -> bool:
        return self.term is term and self.since <= now <= self.until and self.heard == heard


_MOST_SAID: Final = 4096
_said: dict[tuple[int, float, float], _Said] = {}


def _remember(term: Term, heard: Sequence[Reading], case: _Case, verdict: TermVerdict) -> None:
    """Keep the verdict where nothing but an overdue reading can change it: not where it may flap, or has no evidence.

    Nor where some readings arrive after `now`: the next moment may have more of them.
    """
    history, rule = case.history, case.rule
    if rule.alerts or not history.marks or history.bads > 1 or len(case.readings) != len(heard):
        return
    fresh = case.heard.fresh
    until = min(history.heard + rule.tolerance, (fresh or 0.0) + rule.max_age)
    if len(_said) >= _MOST_SAID:
        _said.clear()
    data_at = history.marks[-1].data_at
    _said[id(term), case.since, case.poll] = _Said(term, list(heard), case.now, until, data_at, verdict)


@dataclass(frozen=True, slots=True)
class _Case:
    id: str
    rule: Rule
    history: History
    readings: Sequence[Reading]
    heard: Heard
    since: float
    poll: float
    now: float

    def answer(self) -> TermVerdict:
        silent = silence_of(self.heard, self.rule, self.since, self.now)
        if silent is not None:
            return self._verdict(*silent)
        if not self.history.marks:
            return self._verdict("undecided", "no reading of this phase yet", self._first_need())
        if self.history.good is None and self.history.span is None:
            return self._verdict("undecided", "no reading of this phase counts yet", self._first_need())
        if self.history.good is None:
            return self._bad()
        return self._good()

    def _bad(self) -> TermVerdict:
        doubt = self._doubt()
        lasting = f"bad for {words.duration(self.history.bad_for)}"
        said = f"{self._numbers()}: {lasting}"
        if doubt is None:
            return self._verdict("fail", said, self._recovery())
        return self._verdict("undecided", f"{said}, {doubt}" if doubt else said, self._recovery())

    def _doubt(self) -> str | None:
        """None where the open bad span is a fail; else what is missing for one ('' where it is only too short)."""
        rule, history = self.rule, self.history
        assert history.span is not None
        last = len(history.marks) - 1
        # for: 0s asks for one fresh reading, whatever came before it.
        start = last if rule.for_ <= 0.0 else history.span
        if self._came(start) < ENOUGH:
            # Holes: the whole span can no longer tell, its last stretch may.
            start = stretch(history, history.span, rule.for_)
            while not history.marks[start].bad:
                start -= 1
        if not reached(history.time_since(start), rule.for_):
            return ""
        fresh = self._came(start)
        if fresh < ENOUGH:
            return f"only {words.quantity(fresh, 'share')} of the expected readings came, 80 % are needed"
        judged = [mark for mark in history.marks[start:] if not mark.repeat] or history.marks[start:]
        share = sum(mark.bad for mark in judged) / len(judged)
        if share < ENOUGH:
            return f"{words.quantity(share, 'share')} of the readings bad, a fail needs 80 %"
        return self._too_few(start) if rule.pair else None

    def _came(self, start: int) -> float:
        return fresh_share(self.history.time_since(start), lost_since(self.history, start), self.rule)

    def _too_few(self, start: int) -> str | None:
        """Judge.md C: enough bad requests over the span and the window before it. None where they are enough.

        That they came in two readings needs no count: a span of any length has two ends, and four fifths are bad.
        """
        rule, history = self.rule, self.history
        first, *rest = history.marks[start:]
        bad = first.bad_rate * first.width + sum(mark.bad_rate * mark.gain for mark in rest)
        total = first.total_rate * first.width + sum(mark.total_rate * mark.gain for mark in rest)
        needed = bad_needed(total, 1.0 - rule.limit if rule.below else rule.limit, history.dispersion)
        if bad < needed:
            some = f"{words.count(bad)} bad of {words.plural(total, 'request')}"
            return f"but {some} may be chance, a fail needs {words.count(needed)}"
        return None

    def _good(self) -> TermVerdict:
        rule, history = self.rule, self.history
        if is_flapping(history, rule, self.now):
            window = words.duration(max(5.0 * rule.for_, 120.0))
            said = f"{self._numbers()}: flapping, good and bad by turns within {window}"
            return self._verdict("undecided", said, f"needs steadily good readings for up to {window}")
        needs: list[str] = []
        assert history.good is not None
        if history.span is not None and rule.for_ > 0.0:
            row = len([mark for mark in history.marks[history.good :] if not mark.repeat])
            needs.append(f"needs {words.plural(GOOD_IN_A_ROW - row, 'more good reading')} in a row")
        if not reached(history.good_for, rule.for_):
            needs.append(f"needs {words.duration(rule.for_ - history.good_for)} more of good readings")
        # Against `for`, not against the stretch as found: coarse samples make it longer and would thin out a hole.
        lost = lost_since(history, stretch(history, history.good, rule.for_)) + overdue(history, rule, self.now)
        thin = fresh_share(rule.for_, lost, rule)
        missing = ""
        if rule.for_ > 0.0 and thin < ENOUGH:
            # As strict as for a fail: data too thin to fail on would be too thin to pass on.
            missing = f", only {words.quantity(thin, 'share')} of the expected readings came"
            needs.append("needs 80 % of the expected readings")
        if history.seen < rule.min_samples:
            needs.append(self._more_requests())
        said = f"{self._numbers()}: good for {words.duration(history.good_for)}{missing}"
        return self._verdict("undecided" if needs else "pass", said, "; ".join(needs))

    def _more_requests(self) -> str:
        more = self.rule.min_samples - self.history.seen
        need = f"needs {words.plural(max(1.0, more), 'more request')}"
        marks = [mark for mark in self.history.marks if not mark.repeat]
        pace = sum(mark.total_rate for mark in marks) / len(marks)
        if pace <= 0.0:
            return f"{need}, none is counted"
        if pace * COUNTED_S < self.rule.min_samples:
            most = words.count(pace * COUNTED_S)
            within = f"at {words.rate(pace)} there are only {most} in {words.duration(COUNTED_S)}"
            return f"needs {words.count(self.rule.min_samples)} requests, and {within}: lower min_samples, or override"
        return f"{need}, about {words.duration(more / pace)} at {words.rate(pace)}"

    def _recovery(self) -> str:
        lasting = f" and {words.duration(self.rule.for_)} of them" if self.rule.for_ > 0.0 else ""
        return f"needs {words.plural(GOOD_IN_A_ROW, 'good reading')} in a row{lasting}"

    def _first_need(self) -> str:
        left = self.since + self.poll + self.rule.window - self.now
        return f"needs a first reading, in about {words.duration(left)}" if left > 0 else "needs a first reading"

    def _numbers(self) -> str:
        rule = self.rule
        if rule.alerts:
            return alerts.said(self.readings, self.since)
        value, limit = words.against(self.history.marks[-1].value, rule.limit, rule.unit)
        word = "at least" if rule.below else "limit"
        lasting = f" for {words.duration(rule.for_)}" if rule.for_ > 0.0 else ""
        return f"{value}, {word} {limit}{lasting}"

    def _who(self) -> str:
        """Who stands out in the newest reading that counts."""
        return who(self.heard.parts[1], self.rule.unit, below=self.rule.below)

    def _verdict(self, answer: Answer, said: str, need: str = "") -> TermVerdict:
        rule, history = self.rule, self.history
        newest = history.marks[-1] if history.marks else None
        return TermVerdict(
            id=self.id,
            answer=answer,
            reason=f"{rule.name}: {said}" if newest is None or answer in ("blind", "error") else f"{rule.name} {said}",
            need=need,
            value=None if newest is None else newest.value,
            limit=rule.limit,
            n=history.seen if rule.counted else None,
            n_needed=float(rule.min_samples) if rule.min_samples else None,
            age=None if newest is None else max(0.0, self.now - newest.data_at),
            bad_for=history.bad_for,
            good_for=history.good_for,
            who=self._who(),
        )


def _name(term: Term) -> str:
    return (term.condition.signal if term.condition is not None else None) or term.id
