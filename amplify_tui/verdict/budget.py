"""The answer of a condition on an SLO: does it burn its error budget faster than the condition allows?

| fail      | both windows burn faster, bad requests came in enough different minutes, for as long as `for` says      |
| undecided | both burn faster, but for too short a time, or in too few minutes to tell from one user's bad luck       |
| pass      | one window at least does not burn faster; no request in the short window burns nothing                   |
| blind     | no request in the long window, or nothing fresh for longer than max_age                                  |

Source: verdicts.md 2 (slo burn), judge.md F; the two windows are the Google SRE Workbook's, chapter 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amplify_tui.playbook.model import Slo
from amplify_tui.verdict import words
from amplify_tui.verdict.burn import MINUTES_LONG, MINUTES_SHORT, Spent, is_above, is_sure
from amplify_tui.verdict.model import Answer, BudgetReading, Evidence, Expected, Term, TermVerdict

WINDOWS: Final = (3600.0, 300.0)  # where a condition names none
SLOWEST_S: Final = 300.0
FASTEST_S: Final = 15.0
PATIENCE: Final = 3.0  # readings that may be missed


def windows_of(term: Term) -> tuple[float, float]:
    """The long and the short window of a condition on an SLO, in seconds."""
    given = term.condition.windows if term.condition is not None else ()
    return (max(given), min(given)) if len(given) == 2 else WINDOWS


def pace_of(windows: tuple[float, float]) -> float:
    """How often it is worth asking: twenty times in the short window, at most each 15 s, at least each 5 min."""
    return min(SLOWEST_S, max(FASTEST_S, windows[1] / 20.0))


def judge_budget(term: Term, evidence: Evidence, expected: Expected, now: float) -> TermVerdict:
    """The answer of *term*, a condition on an SLO, at *now*; readings may come in any order."""
    condition, slo = term.condition, term.slo
    if condition is None or slo is None or not condition.slo or condition.burn is None:
        return TermVerdict(id=term.id, answer="error", reason=f"{term.id}: the condition names no slo, or no burn")
    windows = windows_of(term)
    mine = (one for one in evidence.budgets if (one.slo, one.windows) == (condition.slo, windows))
    readings = sorted((one for one in mine if one.received_at <= now), key=lambda one: (one.received_at, one.data_at))
    return _Case(term, slo, condition.burn, condition.for_ or 0.0, readings, expected.since, now).answer()


class _Case:
    def __init__(
        self,
        term: Term,
        slo: Slo,
        burn: float,
        for_: float,
        readings: Sequence[BudgetReading],
        since: float,
        now: float,
    ) -> None:
        self._term = term
        self._slo = slo
        self._burn = burn
        self._for = for_
        self._readings = readings
        self._since = since
        self._now = now
        self._every = pace_of(windows_of(term))

    @property
    def _budget(self) -> float:
        return 1.0 - self._slo.objective

    def answer(self) -> TermVerdict:
        fresh = [one for one in self._readings if one.status == "ok"]
        max_age = self._term.lag + PATIENCE * self._every
        last = fresh[-1] if fresh else None
        heard = max(
            min(last.data_at, last.received_at) if last else 0.0, self._since if self._since <= self._now else 0
        )
        if self._now - heard > max_age:
            return self._silent(last, max_age)
        if last is None:
            return self._say("undecided", "not read yet", None, "needs a first reading")
        said = self._numbers(last)
        if not self._is_above(last):
            return self._say("pass", said, last)
        if not is_sure(self._budget, last.long, last.short):
            minutes = (
                f"bad requests in {last.long.minutes} minutes of the long and {last.short.minutes} of the short window"
            )
            need = f"needs {MINUTES_LONG} and {MINUTES_SHORT}, and more than the budget explains, to be sure"
            return self._say("undecided", f"{said}: {minutes}, too few to tell", last, need)
        lasting = self._lasting(fresh)
        need = "needs one window to burn slower"
        if lasting + 1e-6 < self._for:
            waits = f"{said}: for {words.duration(lasting)} of {words.duration(self._for)}"
            return self._say("undecided", waits, last, need, bad_for=lasting)
        return self._say("fail", f"{said}: for {words.duration(lasting)}", last, need, bad_for=lasting)

    def _is_above(self, reading: BudgetReading) -> bool:
        return all(is_above(self._burn, self._budget, spent) for spent in (reading.long, reading.short))

    def _trips(self, reading: BudgetReading) -> bool:
        return self._is_above(reading) and is_sure(self._budget, reading.long, reading.short)

    def _lasting(self, fresh: Sequence[BudgetReading]) -> float:
        """Seconds for which it has burnt without a break."""
        start = fresh[-1]
        for reading in reversed(fresh):
            if not self._trips(reading):
                break
            start = reading
        return fresh[-1].data_at - start.data_at

    def _silent(self, last: BudgetReading | None, max_age: float) -> TermVerdict:
        heard = self._readings[-1] if self._readings else None
        ago = "never" if last is None else f"last {words.duration(self._now - last.data_at)} ago"
        answer: Answer = "error" if heard is not None and heard.status == "error" else "blind"
        why = f" ({heard.note})" if heard is not None and heard.note else ""
        said = f"no data{why}: a fresh reading {ago}, limit {words.duration(max_age)}"
        return self._say(answer, said, last, "needs fresh readings")

    def _numbers(self, reading: BudgetReading) -> str:
        long, short = reading.windows
        rates = [
            f"{_burnt(spent, self._budget)} over {words.duration(seconds)}"
            for spent, seconds in ((reading.long, long), (reading.short, short))
        ]
        left = ""
        if reading.left is not None:
            left = (
                f"; {words.quantity(reading.left, 'share')} of the budget of {words.duration(self._slo.window)} is left"
            )
        return f"burns {rates[0]} and {rates[1]}, limit {words.decimal(self._burn, 3)}x{left}"

    def _say(
        self, answer: Answer, said: str, reading: BudgetReading | None, need: str = "", bad_for: float = 0.0
    ) -> TermVerdict:
        condition = self._term.condition
        name = condition.slo if condition is not None else self._term.id
        value = None
        if reading is not None and reading.long.total > 0.0 and self._budget > 0.0:
            value = reading.long.bad / reading.long.total / self._budget
        burning = None
        if reading is not None and self._budget > 0.0:
            burning = reading.short.bad / reading.short.total / self._budget if reading.short.total > 0.0 else 0.0
        return TermVerdict(
            id=self._term.id,
            answer=answer,
            reason=f"{name} {said}" if reading is not None and answer not in ("blind", "error") else f"{name}: {said}",
            need=need,
            value=value,
            limit=self._burn,
            n=reading.long.total if reading is not None else None,
            age=None if reading is None else max(0.0, self._now - reading.data_at),
            bad_for=bad_for,
            burning=burning,
        )


def _burnt(spent: Spent, budget: float) -> str:
    """`16.2x`: how many times as fast as the objective allows."""
    if spent.total <= 0.0 or budget <= 0.0:
        return "0x"
    return f"{words.decimal(spent.bad / spent.total / budget, 3)}x"
