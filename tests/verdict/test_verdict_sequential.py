"""worse_than control, limits with a promise, and proofs: what they answer, and in which words."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from amplify_tui.playbook.model import Condition, Limit, Signal
from amplify_tui.verdict.bake import accrue
from amplify_tui.verdict.gate import judge, judge_term
from amplify_tui.verdict.model import Expected, Part, Reading, Term, TermVerdict
from amplify_tui.verdict.promises import Promise, promise_of
from amplify_tui.verdict.trial import Trial, started_anew
from amplify_tui.verdict.trials import Asking, advance
from tests.verdict.histories import COHORTS, ERRORS, T0, evidence, pairs
from tests.verdict.test_verdict_blocks import LIMITED, SIGNAL, TERM, reading

ABOVE = Term(id="alarm", condition=Condition(signal="errors", above=0.2, for_=0.0), signal=SIGNAL)
PROVEN = replace(TERM, signal=replace(SIGNAL, pass_="proven"), condition=replace(TERM.condition, by=1.0))  # type: ignore[type-var]


class Story:
    """Readings of both cohorts each 30 s, and what the gate says of them. Treatment has a quarter of the requests."""

    def __init__(self, *terms: Term, seed: int = 1, requests: int = 1200) -> None:
        self.terms = terms or (TERM,)
        self.readings: list[Reading] = []
        self.trials: dict[str, Trial] = {}
        self.since = 0.0
        self.now = 0.0
        self.everybody = False
        self.requests = requests
        self.chance = random.Random(seed)

    def blocks(
        self, count: int, treatment: float = 0.01, control: float | None = 0.01, *, exposure: float = 0.25
    ) -> Story:
        """*count* blocks more, with these shares of bad requests; control None: nobody is in it."""
        for _ in range(count):
            self.now += 30.0
            mine, other = round(self.requests * exposure), round(self.requests * (1.0 - exposure))
            self.readings.append(reading(self.now, "treatment", bad=self._bad(mine, treatment), total=mine))
            if control is not None:
                self.readings.append(reading(self.now, "control", bad=self._bad(other, control), total=other))
            self.advance()
        return self

    def _bad(self, total: int, share: float) -> float:
        return sum(self.chance.random() < share for _ in range(total))

    def advance(self) -> None:
        asking = Asking(ref="ramp", since=T0 + self.since, terms=self.terms, everybody=self.everybody)
        self.trials = self.trials | advance(self.trials, [asking], evidence(self.readings), T0 + self.now)

    def phase(self, *, everybody: bool = False) -> Story:
        """The next phase begins now."""
        self.since, self.everybody = self.now, everybody
        return self

    @property
    def expected(self) -> Expected:
        return Expected(since=T0 + self.since, trials=self.trials, ref="ramp", everybody=self.everybody)

    def judged(self, term: Term | None = None, after: float = 0.0) -> TermVerdict:
        return judge_term(term or self.terms[0], evidence(self.readings), self.expected, T0 + self.now + after)


def test_a_service_without_a_single_error_is_proven_once_enough_requests_would_have_shown_one() -> None:
    """No error in either cohort is no evidence for a ratio; it must not wait for ever."""
    few = Story(PROVEN, requests=40).blocks(3, 0.0, 0.0).judged()
    assert (few.answer, "not proven yet" in few.reason or "too few" in few.reason) == ("undecided", True)
    many = Story(PROVEN).blocks(10, 0.0, 0.0).judged()
    assert (many.answer, "no bad request in either" in many.reason) == ("pass", True)
    assert "no bad request" not in Story(PROVEN).blocks(10, 0.0, 0.01).judged().reason


def test_a_fire_from_before_the_release_is_no_evidence_against_it() -> None:
    story = Story(LIMITED)
    story.readings = [reading(30.0 * n, bad=50.0) for n in range(20)]
    story.now = 600.0
    story.phase().advance()
    assert story.trials == {}
    story.readings += [reading(600.0 + 30.0 * n, bad=0.0) for n in range(1, 12)]
    story.now = 600.0 + 330.0
    story.advance()
    assert story.judged().answer == "pass"


# --- a fail -----------------------------------------------------------------------------------------------------------


def test_a_treatment_that_is_much_worse_fails_on_evidence() -> None:
    verdict = Story().blocks(40, 0.05).judged()
    assert verdict.answer == "fail"
    assert verdict.reason.startswith("errors 5")
    assert "in control: shown worse at odds of" in verdict.reason
    assert verdict.reason.endswith("a fail takes 100 to 1")
    assert verdict.value == pytest.approx(0.05, rel=0.2)
    assert verdict.control == pytest.approx(0.01, rel=0.2)
    assert verdict.limit == pytest.approx(0.014, rel=0.2)


def test_a_comparison_says_which_instance_of_the_treatment_stands_out() -> None:
    story = Story(TERM).blocks(20, 0.05, 0.01)
    last = story.readings.index(next(one for one in reversed(story.readings) if one.cohort == "treatment"))
    parts = (Part("checkout-4", 0.4, 90.0), Part("checkout-1", 0.01, 90.0), Part("checkout-2", 0.012, 90.0))
    story.readings[last] = replace(story.readings[last], parts=parts)
    assert story.judged().who.startswith("checkout-4 40 %, others 1 %")


def test_the_chance_of_a_false_fail_is_shared_among_the_conditions_of_a_release() -> None:
    fifth = replace(TERM, alpha=0.002)
    promise = promise_of(fifth)
    assert isinstance(promise, Promise)
    assert promise.alpha == 0.002
    assert Story(fifth).blocks(40, 0.05).judged().reason.endswith("a fail takes 500 to 1")
    written = replace(TERM, condition=replace(TERM.condition, alpha=0.05), alpha=0.002)  # type: ignore[type-var]
    promise = promise_of(written)
    assert isinstance(promise, Promise)
    assert promise.alpha == 0.05


def test_a_fail_stays_while_nothing_starts_anew_and_tells_when_it_has_recovered() -> None:
    story = Story().blocks(40, 0.05)
    assert not story.judged().recovered
    first = story.blocks(1, 0.005).judged()
    assert (first.answer, first.recovered) == ("fail", True)  # `for` is three polls: one block holds it
    again = story.blocks(60, 0.01).judged()
    assert (again.answer, again.recovered, again.need) == ("fail", True, "needs its hold released")
    story.trials = {key: started_anew(trial) for key, trial in story.trials.items()}
    assert story.judged().answer != "fail"
    assert "start 2 of this test" in story.blocks(40, 0.05).judged().reason


def test_a_fail_has_recovered_after_a_full_for_only() -> None:
    term = replace(TERM, condition=replace(TERM.condition, for_=120.0))  # type: ignore[type-var]
    story = Story(term).blocks(40, 0.05)
    waiting = story.blocks(3, 0.0).judged()
    assert (waiting.recovered, waiting.need) == (False, "needs 30s more of good evidence")
    assert story.blocks(1, 0.0).judged().recovered
    assert not story.judged(after=600.0).recovered  # nothing is heard any more
    assert story.judged(after=600.0).answer == "fail"


def test_what_hits_both_cohorts_alike_fails_neither() -> None:
    story = Story().blocks(10)
    for _ in range(12):
        story.blocks(1, 0.5, 0.5).blocks(4)
    assert story.judged().answer != "fail"


def test_one_bad_minute_before_a_phase_does_not_count_for_its_numbers() -> None:
    story = Story().blocks(4, 0.05).phase().blocks(40)
    assert story.judged().value == pytest.approx(0.01, rel=0.3)


# --- a pass -----------------------------------------------------------------------------------------------------------


def test_a_treatment_that_is_like_control_is_not_shown_worse_and_told_what_a_proof_would_take() -> None:
    verdict = Story().blocks(40).judged()
    assert verdict.answer == "pass"
    assert "against" in verdict.reason
    assert "in control: not shown worse; to prove at most +" in verdict.reason
    assert "would take about " in verdict.reason


def test_too_few_requests_never_pass() -> None:
    verdict = Story().blocks(1).judged()
    # 0.1 % of all users at 25 % is 0.4 % of the treatment's: 3 / 0.004 requests of each cohort.
    assert (verdict.answer, verdict.n_needed) == ("undecided", 750.0)
    assert verdict.need.startswith("needs 450 more requests in treatment, about 45s at 10/s")
    assert Story().blocks(3).judged().answer == "pass"
    term = replace(TERM, condition=replace(TERM.condition, min_samples=5000))  # type: ignore[type-var]
    assert Story(term).blocks(10).judged().answer == "undecided"


def test_an_estimate_beyond_what_is_allowed_never_passes_also_where_it_may_be_chance() -> None:
    verdict = Story().blocks(3, 0.03).judged()
    assert verdict.answer == "undecided"
    assert "over what is allowed, but may be chance: odds are " in verdict.reason
    assert verdict.reason.endswith("a fail takes 100 to 1")
    assert verdict.need.startswith("needs 1.")
    assert verdict.need.endswith("% or less")


def test_nothing_counted_yet_is_no_pass() -> None:
    story = Story()
    story.readings = [reading(0.0, "treatment"), reading(0.0, "control")]
    verdict = story.judged()
    assert (verdict.answer, verdict.need) == ("undecided", "needs a first block of 30s")


@pytest.mark.parametrize("lost", ["treatment", "control"])
def test_a_cohort_that_is_silent_is_blind_and_named(lost: str) -> None:
    story = Story().blocks(40)
    story.readings = [one for one in story.readings if one.cohort != lost or one.data_at < T0 + 900.0]
    verdict = story.judged()
    assert verdict.answer == "blind"
    assert verdict.reason.startswith(f"errors against control: {lost}: no data")


def test_a_proof_is_demanded_where_it_is_written() -> None:
    story = Story(PROVEN).blocks(20)
    young = story.judged()
    assert young.answer == "undecided"
    assert "not proven yet, odds are " in young.reason
    assert young.need.startswith("needs odds of 20 to 1: about ")
    old = story.blocks(120).judged()
    assert old.answer == "pass"
    assert "proven at most +100 % at odds of" in old.reason


def test_a_proof_of_alike_cohorts_comes_near_the_time_that_was_forecast() -> None:
    took = []
    for seed in range(5):
        story = Story(PROVEN, seed=seed)
        while story.blocks(1).judged().answer != "pass":
            assert story.now < 4 * 3600.0
        took.append(story.now / 60.0)
    # judge.md 4: a median of 27 minutes at 10 requests a second, 25 %, by 100 %; four times the traffic here.
    assert 8.0 < sorted(took)[2] < 40.0


# --- without control --------------------------------------------------------------------------------------------------


def test_where_everybody_is_exposed_the_control_of_before_stands_in_for_an_hour() -> None:
    story = Story().blocks(40).phase(everybody=True).blocks(10, 0.01, None, exposure=1.0)
    verdict = story.judged()
    assert (verdict.answer, verdict.baseline) == ("pass", "before")
    assert "in control before: not shown worse" in verdict.reason
    assert verdict.control == pytest.approx(0.01, rel=0.3)
    worse = Story().blocks(40).phase(everybody=True).blocks(3, 0.015, None, exposure=1.0).judged()
    # 0.1 % of all users is what matters where all are exposed, however long the control before was watched.
    assert worse.answer == "undecided"
    assert worse.limit == pytest.approx(0.012, rel=0.2)
    late = story.blocks(125, 0.01, None, exposure=1.0).judged()
    assert (late.answer, late.applies) == ("undecided", False)
    assert "the one before is 1h" in late.reason


def test_where_everybody_is_exposed_a_proof_of_before_is_enough_and_none_is_not() -> None:
    proven = Story(PROVEN).blocks(140)
    assert proven.judged().answer == "pass"
    assert proven.phase(everybody=True).blocks(10, 0.01, None, exposure=1.0).judged().answer == "pass"
    never = Story(PROVEN).blocks(20).phase(everybody=True).blocks(10, 0.01, None, exposure=1.0).judged()
    assert never.answer == "undecided"
    assert never.reason.endswith("was never proven")


def test_a_fail_recovers_against_the_control_of_before_where_nobody_is_in_it_any_more() -> None:
    story = Story().blocks(20).blocks(100, 0.08).phase(everybody=True)
    assert story.blocks(3, 0.05, None, exposure=1.0).judged().recovered is False
    assert story.blocks(60, 0.005, None, exposure=1.0).judged().recovered


def test_a_condition_that_does_not_apply_leaves_the_gate_to_the_others_and_needs_one() -> None:
    story = Story(TERM, ABOVE).phase(everybody=True).blocks(10, 0.01, None, exposure=1.0)
    assert not story.judged(TERM).applies
    at = T0 + story.now
    both = judge([TERM, ABOVE], evidence(story.readings), story.expected, at)
    assert both.answer == "pass"
    assert "does not apply" in both.reason
    alone = judge([TERM], evidence(story.readings), story.expected, at)
    assert alone.answer == "undecided"
    assert accrue([TERM, ABOVE], evidence(story.readings), story.expected, T0 + 60.0, at, at).seconds > 0.0


def test_a_control_that_is_lost_while_it_should_be_there_is_blind_and_never_set_aside() -> None:
    story = Story().blocks(10).phase().blocks(10, 0.01, None)
    verdict = story.judged()
    assert (verdict.answer, verdict.applies) == ("blind", True)


# --- limits with a promise --------------------------------------------------------------------------------------------


def limited(share: float, blocks: int, term: Term = LIMITED, seed: int = 1) -> TermVerdict:
    chance = random.Random(seed)
    readings = []
    for i in range(1, blocks + 1):
        bad = sum(chance.random() < share for _ in range(300))
        readings.append(reading(30.0 * i, bad=bad, total=300))
    now = T0 + 30.0 * blocks
    trials = advance({}, [Asking(ref="ramp", since=T0, terms=(term,))], evidence(readings), now)
    return judge_term(term, evidence(readings), Expected(since=T0, trials=trials, ref="ramp"), now)


def test_a_limit_with_alpha_fails_on_evidence_and_passes_below() -> None:
    bad = limited(0.2, 12)
    assert bad.answer == "fail"
    assert "limit 1 %: shown over it at odds of" in bad.reason
    good = limited(0.004, 12)
    assert good.answer == "pass"
    assert good.reason.endswith("limit 1 %: not shown over it")
    assert limited(0.004, 1).answer == "pass"  # 300 requests are what 1 % asks for
    few = replace(LIMITED, condition=replace(LIMITED.condition, min_samples=400))  # type: ignore[type-var]
    assert limited(0.004, 1, few).answer == "undecided"


def test_a_share_of_good_requests_may_have_a_promise_too() -> None:
    term = replace(LIMITED, condition=Condition(signal="errors", below=0.99, alpha=0.01))
    assert limited(0.8, 12, term).answer == "fail"
    good = limited(0.996, 12, term)
    assert good.answer == "pass"
    assert "at least 99 %" in good.reason


# --- latency ----------------------------------------------------------------------------------------------------------

SLOW = Signal(golden="latency", source="prom", value="v", count="c", quantile=0.99, cohorts=COHORTS)
SLOWER = Term(id="p99", condition=Condition(signal="p99", worse_than="control", by=0.2), signal=SLOW)


def latencies(times: float, windows: int = 30, n: float = 600.0, term: Term = SLOWER) -> TermVerdict:
    chance = random.Random(4)
    found = []
    for i in range(1, windows + 1):
        common = 0.2 * (1.0 + chance.random())
        for cohort, value in (("treatment", times * common), ("control", common)):
            one = reading(30.0 * i, cohort, total=n)  # type: ignore[arg-type]
            noisy = value * (1.0 + 0.05 * chance.random())
            found.append(replace(one, signal="p99", value=noisy, bad=None, total=None))
    now = T0 + 30.0 * windows
    trials = advance({}, [Asking(ref="ramp", since=T0, terms=(term,))], evidence(found), now)
    return judge_term(term, evidence(found), Expected(since=T0, trials=trials, ref="ramp"), now)


def test_a_latency_is_compared_by_its_ratio_window_by_window() -> None:
    assert latencies(2.0).answer == "fail"
    good = latencies(1.0)
    assert good.answer == "pass"
    assert " ms against " in good.reason
    assert latencies(1.5, windows=2).answer != "fail"


def test_a_quantile_of_few_requests_says_nothing() -> None:
    verdict = latencies(2.0, n=400.0)
    assert verdict.answer == "undecided"
    proven = replace(SLOWER, signal=replace(SLOW, pass_="proven"))
    assert latencies(1.0, term=proven).answer == "pass"


# --- what cannot be tested --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "signal", "why"),
    [
        (Condition(signal="errors", worse_than="control"), ERRORS, "a signal with cohorts"),
        (Condition(signal="errors", worse_than="control", cohort="control"), SIGNAL, "worse than itself"),
        (Condition(signal="errors", worse_than="control", above=0.1), SIGNAL, "one of above, below"),
        (Condition(signal="errors", worse_than="control", by=-0.1), SIGNAL, "by is a share"),
        (Condition(signal="errors", above=0.1, alpha=0.9), ERRORS, "at most 0.5"),
        (Condition(signal="errors", above=0.0, alpha=0.01), ERRORS, "above 0 and below 1"),
        (Condition(signal="errors", alpha=0.01), ERRORS, "has no limit"),
        (Condition(signal="errors", above=0.5, alpha=0.01), SLOW, "bad and total"),
        (Condition(signal="errors", worse_than="control"), replace(SLOW, golden="traffic"), "a latency"),
    ],
)
def test_what_cannot_be_tested_is_an_error_in_words(condition: Condition, signal: Signal, why: str) -> None:
    term = Term(id="x", condition=condition, signal=signal)
    verdict = judge_term(term, evidence(pairs("G" * 40)), Expected(since=T0), T0 + 200.0)
    assert verdict.answer == "error"
    assert why in verdict.reason


def test_a_bare_name_takes_the_comparison_of_its_signal() -> None:
    signal = replace(SIGNAL, limit=Limit(worse_than="control", by=0.5))
    promise = promise_of(Term(id="errors", condition=Condition(signal="errors"), signal=signal))
    assert isinstance(promise, Promise)
    assert (promise.kind, promise.by) == ("ratio", 0.5)


# --- the bake ---------------------------------------------------------------------------------------------------------


def test_a_bake_counts_only_while_both_cohorts_are_heard() -> None:
    story = Story().blocks(40)
    at = T0 + story.now
    whole = accrue([TERM], evidence(story.readings), story.expected, T0 + 30.0, at, at).seconds
    half = [one for one in story.readings if one.cohort == "treatment" or one.data_at <= T0 + story.now / 2]
    assert whole > 0.0
    assert accrue([TERM], evidence(half), story.expected, T0 + 30.0, at, at).seconds < 0.6 * whole
