"""The answer of one sequential condition: worse_than control, or a limit with a promise (alpha). The past: past.py.

It fails on evidence that stays valid however often one looks (trials.py), and stays failed until its hold is released.
It passes where it is not shown to be worse: enough requests in both cohorts in this phase, and the estimate within what
is allowed; with `pass: proven` only on a proof. Shown not to be worse and not shown to be worse are two things, and the
sentence says which. It is no fire alarm: that is the `above` condition beside it (judge.md 4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from amplify_tui.verdict import bounds, forecast, words
from amplify_tui.verdict.conditions import Rule, select
from amplify_tui.verdict.model import Evidence, Expected, Reading, Term, TermVerdict
from amplify_tui.verdict.past import judge_past
from amplify_tui.verdict.promises import PROOF, Promise
from amplify_tui.verdict.silence import heard_of, silence
from amplify_tui.verdict.standout import who
from amplify_tui.verdict.trial import Tally, Trial
from amplify_tui.verdict.trials import (
    allowed,
    borrowing,
    cached_promise,
    estimate,
    floor_of,
    is_proven,
    is_within,
    needed,
    proof_so_far,
)

BEFORE_AT_MOST: Final = 3600.0  # how old the control may be that a phase without one is compared with


def judge_sequential(term: Term, evidence: Evidence, expected: Expected, now: float) -> TermVerdict:
    """The answer of *term*, whose trial has been advanced with the same readings and stands in `expected.trials`.

    A term that asks what cannot be tested answers `error` with the reason.
    """
    promise = cached_promise(term)
    if not isinstance(promise, Promise):
        name = (term.condition.signal if term.condition is not None else None) or term.id
        return TermVerdict(id=term.id, answer="error", reason=f"{name}: {promise or 'not a sequential condition'}")
    if promise.past:
        return judge_past(term, promise, evidence, expected, now)
    trial = expected.trials.get(promise.key, Trial())
    tally = trial.phases.get(expected.ref)
    if tally is None or tally.since != expected.counts_from:
        tally = Tally(since=expected.counts_from)
    rules = [rule for rule in (promise.rule, promise.control) if rule is not None]
    heard = [(rule, select(evidence, rule, now)) for rule in rules]
    return _Case(term.id, promise, trial, tally, heard, expected, now).answer()


@dataclass(frozen=True, slots=True)
class _Case:
    id: str
    promise: Promise
    trial: Trial
    tally: Tally
    heard: Sequence[tuple[Rule, Sequence[Reading]]]
    expected: Expected
    now: float

    def answer(self) -> TermVerdict:
        silent = self._silent()
        if self.trial.fired_at is not None:
            return self._failed(is_heard=silent is None)
        if silent is not None:
            return silent
        if self.expected.everybody and self._lacks_control():
            return self._against_before()
        if self.tally.total <= 0.0 or (self.promise.control is not None and self._lacks_any_control()):
            need = f"needs a first block of {words.duration(self.promise.block)}"
            return self._verdict("undecided", "nothing of this phase is counted yet", need)
        return self._judged(self.tally)

    def _silent(self) -> TermVerdict | None:
        for rule, readings in self.heard:
            if rule.cohort == "control" and self.promise.control is not None and self.expected.everybody:
                continue
            said = silence(readings, rule, self.expected.since, self.now)
            if said is not None:
                answer, words_, need = said
                whose = f"{rule.cohort}: " if self.promise.control is not None else ""
                return self._verdict(answer, f"{whose}{words_}", need)
        return None

    # --- a fail -----------------------------------------------------------------------------------------------------

    def _failed(self, *, is_heard: bool) -> TermVerdict:
        """Fails until the hold that follows is released, however the evidence goes on."""
        fired_at = self.trial.fired_at
        assert fired_at is not None
        odds = math.exp(min(self.trial.best, 700.0))
        which = f", start {self.trial.starts} of this test" if self.trial.starts > 1 else ""
        worse = "worse" if self.promise.control is not None else "over it"
        taken = f"shown {worse} at odds of {_odds(odds)}, a fail takes {_odds(math.exp(self.promise.fail_at))}{which}"
        calm = self.trial.calm
        lasting = self.promise.rule.for_
        recovered = is_heard and calm is not None and calm.lasted >= lasting - 1e-6
        more = lasting - (calm.lasted if calm is not None else 0.0)
        need = "needs its hold released" if recovered else f"needs {words.duration(more)} more of good evidence"
        lasted = max(0.0, self.now - fired_at)
        return self._verdict("fail", f"{self._numbers(self.tally)}: {taken}", need, bad_for=lasted, recovered=recovered)

    # --- a pass, or what forbids it ---------------------------------------------------------------------------------

    def _judged(self, tally: Tally, *, baseline: str = "") -> TermVerdict:
        promise = self.promise
        said = self._numbers(tally, baseline)
        needs = self._too_few(tally, baseline)
        if not is_within(promise, tally):
            bound = self._bound(tally)
            needs.append(f"needs {bound} or less" if not promise.rule.below else f"needs {bound} or more")
            return self._verdict("undecided", f"{said}: {self._doubt(baseline)}", needs, baseline)
        if needs:
            return self._verdict("undecided", f"{said}: too few requests to tell", needs, baseline)
        if promise.proven and baseline and self.trial.best_proof < promise.proven_at:
            return self._verdict("undecided", f"{said}: was never proven", "needs a phase with a control", baseline)
        if promise.proven and not baseline and _is_spotless(promise, tally):
            most = words.quantity(_at_most_bad(tally), promise.rule.unit)
            return self._verdict(
                "pass", f"{said}: no bad request in either, so at most {most} are bad at odds of 20 to 1"
            )
        if promise.proven and not baseline:
            odds = _odds(proof_so_far(promise, self.trial))
            if not is_proven(promise, self.trial):
                wanted = f"needs odds of {_odds(self._proof_odds)}: {self._forecast(tally, self._missing())}"
                return self._verdict("undecided", f"{said}: not proven yet, odds are {odds}", wanted)
            return self._verdict("pass", f"{said}: proven {self._at_most(tally)} at odds of {odds}")
        if promise.control is None:
            return self._verdict("pass", f"{said}: not shown over it")
        wait = self._forecast(tally, forecast.proof_from_scratch(self._proof_odds))
        shown = f"not shown worse; to prove {self._at_most(tally)} would take {wait}"
        return self._verdict("pass", f"{said}: {'not shown worse' if baseline else shown}", "", baseline)

    def _doubt(self, baseline: str) -> str:
        """Why an estimate that is over what is allowed is no fail."""
        if baseline:
            return "over what is allowed, and the two were not at the same time"
        odds, fail = _odds(math.exp(max(0.0, self.trial.best))), _odds(math.exp(self.promise.fail_at))
        return f"over what is allowed, but may be chance: odds are {odds}, a fail takes {fail}"

    def _too_few(self, tally: Tally, baseline: str) -> list[str]:
        wanted = needed(self.promise, tally)
        counted = [("treatment" if self.promise.control is not None else "", tally.total)]
        if self.promise.control is not None and not baseline:
            counted.append(("control", tally.control_total))
        needs = []
        for cohort, total in counted:
            if total >= wanted:
                continue
            more = f"needs {words.plural(max(1.0, wanted - total), 'more request')}" + (
                f" in {cohort}" if cohort else ""
            )
            pace = total / tally.lasted if tally.lasted > 0.0 else 0.0
            soon = f", about {words.duration((wanted - total) / pace)} at {words.rate(pace)}" if pace > 0.0 else ""
            needs.append(more + soon)
        return needs

    # --- without a control of its own -------------------------------------------------------------------------------

    def _lacks_any_control(self) -> bool:
        return self.tally.control_total <= 0.0

    def _lacks_control(self) -> bool:
        return self.promise.control is not None and self.tally.control_total < needed(self.promise, self.tally)

    def _against_before(self) -> TermVerdict:
        """Everybody is exposed: the control's last good window before stands in for it, for an hour."""
        before = self.trial.before
        if self.promise.kind == "value":
            return self._not_applicable("there is no control, and values are compared in the same windows only")
        if before is None:
            return self._not_applicable("there is no control to compare with, and none before that was good")
        age = self.now - before.until
        if age > BEFORE_AT_MOST:
            old = words.duration(age)
            return self._not_applicable(f"there is no control to compare with, and the one before is {old} old")
        if self.tally.total <= 0.0:
            need = f"needs a first block of {words.duration(self.promise.block)}"
            return self._verdict("undecided", "nothing of this phase is counted yet", need, "before")
        return self._judged(borrowing(self.tally, before), baseline="before")

    def _not_applicable(self, why: str) -> TermVerdict:
        return self._verdict("undecided", f"does not apply: {why}", "the other conditions decide", applies=False)

    # --- words ------------------------------------------------------------------------------------------------------

    def _numbers(self, tally: Tally, baseline: str = "") -> str:
        promise = self.promise
        mine, other = estimate(promise, tally)
        unit = promise.rule.unit
        if mine is None:
            return "no request in this phase"
        if promise.control is None:
            value, limit = words.against(mine, promise.rule.limit, unit)
            return f"{value}, {'at least' if promise.rule.below else 'limit'} {limit}"
        if other is None:
            return words.quantity(mine, unit)
        value, against = words.against(mine, other, unit)
        whose = "control before" if baseline else "control"
        return f"{value} against {against} in {whose}"

    def _bound(self, tally: Tally) -> str:
        """The most (of a share of good ones: the least) that the estimate may be."""
        return words.quantity(self._most(tally) or 0.0, self.promise.rule.unit)

    def _most(self, tally: Tally) -> float | None:
        """The largest estimate (of a share of good ones: the smallest) that is not worse; None without a control."""
        promise = self.promise
        if promise.kind == "limit":
            return promise.rule.limit
        other = estimate(promise, tally)[1]
        if other is None:
            return None
        most = other * (1.0 + promise.by)
        if promise.kind == "ratio" and tally.total > 0.0:
            most = max(most, other + floor_of(promise, tally))
        return most

    def _at_most(self, tally: Tally) -> str:
        promise = self.promise
        if promise.kind == "limit":
            return f"at {'least' if promise.rule.below else 'most'} {words.quantity(promise.rule.limit, 'share')}"
        return f"at most +{words.quantity(self._ratio(tally) - 1.0, 'share')}"

    def _ratio(self, tally: Tally) -> float:
        return allowed(self.promise, tally)

    @property
    def _proof_odds(self) -> float:
        return math.exp(self.promise.proven_at)

    def _missing(self) -> float:
        """ln of the evidence that a proof still lacks."""
        if self.promise.kind == "value" or not self.trial.proof.wealth:
            return forecast.proof_from_scratch(PROOF)
        return max(0.0, self.promise.proven_at - self.trial.proof.log_e())

    def _forecast(self, tally: Tally, evidence: float) -> str:
        """`about 3h`: how long a proof takes at this traffic, if the two are alike."""
        promise, trial = self.promise, self.trial
        if promise.kind == "limit" or tally.lasted <= 0.0:
            return "an unknown time"
        if promise.kind == "value":
            vif = trial.ratios.vif.value()
            windows = forecast.windows_to_proof(trial.ratios.deviation, vif, promise.by, evidence=promise.proven_at)
            seconds = windows * tally.lasted / max(1, tally.windows)
        else:
            blocks = tally.lasted / promise.block
            everyone = tally.total + tally.control_total
            rate = (tally.bad + tally.control_bad + 0.5) / (everyone + 1.0)
            more = forecast.blocks_to_proof(
                tally.total / blocks, tally.control_total / blocks, rate, self._ratio(tally),
                evidence=evidence, blocks=trial.vif.n,
            )  # fmt: skip
            seconds = more * promise.block
        return forecast.in_words(seconds)

    def _verdict(
        self, answer: Any, said: str, need: str | Sequence[str] = "", baseline: Any = "", **more: Any
    ) -> TermVerdict:
        promise = self.promise
        before = self.trial.before
        tally = borrowing(self.tally, before) if baseline and before is not None else self.tally
        mine, other = estimate(promise, tally)
        newest = max(
            (min(r.data_at, r.received_at) for _, rs in self.heard for r in rs if r.status == "ok"), default=None
        )
        name = promise.rule.name
        whom = f"{name} against control" if promise.control is not None else name
        return TermVerdict(
            id=self.id,
            answer=answer,
            reason=f"{name} {said}" if said[0].isdigit() else f"{whom}: {said}",
            need=need if isinstance(need, str) else "; ".join(need),
            value=mine,
            control=other,
            limit=self._most(tally),
            n=tally.total,
            n_needed=float(needed(promise, tally)) if tally.total > 0.0 else None,
            age=None if newest is None else max(0.0, self.now - newest),
            baseline=baseline,
            who=self._who(),
            **more,
        )

    def _who(self) -> str:
        """Who stands out among the treatment's instances."""
        rule, readings = self.heard[0]
        return who(heard_of(readings, rule).parts[1], rule.unit, below=rule.below)


def _odds(odds: float) -> str:
    return f"{words.decimal(max(odds, 0.01), 2)} to 1"


def _is_spotless(promise: Promise, tally: Tally) -> bool:
    """Whether nothing was bad in either cohort, of so many requests that what matters would have shown.

    Such blocks are no evidence for a ratio, and would keep a service without a single error waiting for ever. For
    independent requests (judge.md 7).
    """
    is_clean = promise.kind == "ratio" and tally.bad <= 0.0 and tally.control_bad <= 0.0
    return is_clean and _at_most_bad(tally) <= floor_of(promise, tally)


def _at_most_bad(tally: Tally) -> float:
    return bounds.upper(tally.bad, tally.total, 1.0 / PROOF)
