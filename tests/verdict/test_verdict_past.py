"""worse_than yesterday: what it answers, in which words, how often it is wrong, and how soon it notices."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from amplify_tui.playbook.model import Condition, Limit, Signal
from amplify_tui.verdict.bake import accrue
from amplify_tui.verdict.gate import judge, judge_term
from amplify_tui.verdict.model import Evidence, Expected, PastReading, Reading, Status, Term, TermVerdict
from amplify_tui.verdict.past import levels_of
from amplify_tui.verdict.promises import Promise, compared_with, promise_of
from amplify_tui.verdict.ranks import chance, correlation, mean_chance, spending
from amplify_tui.verdict.trial import Trial, started_anew
from amplify_tui.verdict.trials import Asking, advance
from tests.verdict.histories import COHORTS, ERRORS, LATENCY, T0

SLOW = Term(id="p99", condition=Condition(signal="p99", worse_than="yesterday", by=0.1), signal=LATENCY)
SHARE = Term(id="errors", condition=Condition(signal="errors", worse_than="last_week", by=0.2), signal=ERRORS)
BLOCK = 30.0
LOOKS = (8, 12, 16, 24, 32, 48, 64)


def of(term: Term) -> Promise:
    promise = promise_of(term)
    assert isinstance(promise, Promise), promise
    return promise


def reading(term: Term, until: float, level: float, *, n: float = 300.0, status: Status = "ok") -> Reading:
    """One window of 30 s that ended at *until*."""
    condition = term.condition
    assert condition is not None
    is_share = term.signal is not None and term.signal.total is not None
    return Reading(
        signal=condition.signal or "",
        source="prom",
        status=status,
        data_at=until,
        received_at=until,
        window_from=until - BLOCK,
        window_to=until,
        value=level,
        bad=level * n / BLOCK if is_share else None,
        total=n / BLOCK if is_share else None,
        n=n,
    )


def past(
    term: Term, levels: Sequence[float] = (), *, status: Status = "ok", note: str = "", at: float = T0
) -> PastReading:
    promise = of(term)
    assert promise.past is not None
    return PastReading(
        source="prom",
        signal=promise.rule.signal,
        when=promise.past,
        status=status,
        data_at=at - 86400.0,
        received_at=at,
        levels=tuple(levels),
        note=note,
    )


class Story:
    """Blocks of one phase, each of one reading, and what the gate says of them beside the past."""

    def __init__(self, term: Term, *pasts: PastReading, since: float = 0.0) -> None:
        self.term = term
        self.pasts = pasts
        self.readings: list[Reading] = []
        self.trials: dict[str, Trial] = {}
        self.since = since
        self.now = since

    def blocks(self, *levels: float, n: float = 300.0) -> Story:
        for level in levels:
            self.now += BLOCK
            self.readings.append(reading(self.term, T0 + self.now, level, n=n))
            self.advance()
        return self

    def quiet(self, seconds: float, status: Status | None = None) -> Story:
        """Nothing comes for a while; or only readings of that status."""
        for _ in range(int(seconds / BLOCK)):
            self.now += BLOCK
            if status is not None:
                self.readings.append(replace(reading(self.term, T0 + self.now, 0.0, status=status), note="HTTP 503"))
            self.advance()
        return self

    def phase(self) -> Story:
        self.since = self.now
        return self

    @property
    def evidence(self) -> Evidence:
        return Evidence(signals=tuple(self.readings[-20:]), pasts=self.pasts)

    def advance(self) -> None:
        asking = Asking(ref="ramp", since=T0 + self.since, terms=(self.term,))
        self.trials |= advance(self.trials, [asking], self.evidence, T0 + self.now)

    @property
    def trial(self) -> Trial:
        return self.trials[of(self.term).key]

    def judged(self) -> TermVerdict:
        expected = Expected(since=T0 + self.since, ref="ramp", trials=self.trials)
        return judge_term(self.term, self.evidence, expected, T0 + self.now)


def latencies(seed: int, count: int, mean: float = 0.2) -> list[float]:
    """Independent, and as skewed as latencies are."""
    chances = random.Random(seed)
    return [mean * math.exp(0.2 * chances.gauss(0.0, 1.0)) for _ in range(count)]


def shares(seed: int, count: int, share: float, n: int = 300) -> list[float]:
    chances = random.Random(seed)
    return [sum(chances.random() < share for _ in range(n)) / n for _ in range(count)]


# --- answers ----------------------------------------------------------------------------------------------------------


def test_a_latency_that_doubled_since_yesterday_fails_at_the_first_look_and_says_both_numbers() -> None:
    story = Story(SLOW, past(SLOW, latencies(1, 120))).blocks(*latencies(2, 8, 0.4))
    said = story.judged()
    assert (said.answer, said.id, said.baseline) == ("fail", "p99", "yesterday")
    assert "ms yesterday: shown worse by 8 blocks beside 120, by chance once in" in said.reason
    assert "a fail takes once in 164 times" in said.reason
    assert said.value is not None
    assert said.control is not None
    assert said.value == pytest.approx(2 * said.control, rel=0.2)
    assert said.limit == pytest.approx(1.1 * said.control)


def test_one_alike_passes_once_eight_blocks_were_compared_and_says_that_nothing_was_shown() -> None:
    story = Story(SLOW, past(SLOW, latencies(1, 120)))
    for number in range(8):
        said = story.judged() if story.readings else None
        if said is not None:
            assert said.answer == "undecided"
            more = 8 - number
            assert f"{number} of 8 blocks" in said.reason
            assert f"needs {more} more block{'s' if more > 1 else ''} of 30s, about" in said.need
        story.blocks(latencies(3, 8)[number])
    said = story.judged()
    assert (said.answer, said.need) == ("pass", "")
    assert "yesterday: not shown worse in 8 blocks" in said.reason


def test_an_estimate_over_what_is_allowed_that_may_be_chance_passes_and_is_told() -> None:
    story = Story(SLOW, past(SLOW, latencies(1, 120))).blocks(*latencies(2, 8, 0.24))
    assert "over what is allowed, but not shown worse: by chance once in" in story.judged().reason


def test_every_other_block_much_slower_is_worse_though_their_middle_is_not() -> None:
    story = Story(SLOW, past(SLOW, latencies(1, 120))).blocks(0.212, 0.212, *[0.212, 0.5] * 31)
    said = story.judged()
    assert (said.answer, said.value) == ("fail", 0.212)


def test_three_times_the_share_of_errors_of_last_week_fails() -> None:
    story = Story(SHARE, past(SHARE, shares(1, 120, 0.01))).blocks(*shares(2, 16, 0.03))
    said = story.judged()
    assert said.answer == "fail"
    assert "% last week: shown worse" in said.reason


def test_a_difference_that_matters_to_nobody_is_no_fail_however_sure_it_is() -> None:
    """Not one error in the past and one in two thousand now: less than `harm`."""
    story = Story(SHARE, past(SHARE, [0.0] * 120)).blocks(*[0.0005] * 200)
    assert story.judged().answer == "pass"


def test_one_wild_block_beside_many_that_matter_to_nobody_is_no_fail() -> None:
    story = Story(SHARE, past(SHARE, shares(1, 120, 0.001, n=10_000))).blocks(*[0.0015] * 31, 0.1)
    assert story.trial.courses["ramp"].look is not None
    assert story.judged().answer == "pass"


def test_more_requests_than_yesterday_at_the_same_share_are_no_fail() -> None:
    """Most blocks of few requests have no error, so those of many rank above them: the shares themselves decide."""
    for seed in range(20):
        few = past(SHARE, shares(seed + 1, 120, 0.02, n=10))
        assert Story(SHARE, few).blocks(*shares(seed, 64, 0.02, n=2000), n=2000.0).judged().answer == "pass"


def test_without_data_or_with_too_little_of_it_then_it_does_not_apply_and_the_others_decide() -> None:
    for told, why in (
        (past(SLOW, status="nodata"), "there was no data yesterday"),
        (past(SLOW, latencies(1, 19)), "the hour yesterday has 19 blocks with data, 20 are needed"),
    ):
        story = Story(SLOW, told).blocks(*latencies(2, 10))
        said = story.judged()
        assert (said.answer, said.applies) == ("undecided", False)
        assert f"p99 against yesterday: does not apply: {why}" in said.reason
        other = Term(id="alarm", condition=Condition(signal="p99", above=1.0, for_=0.0), signal=LATENCY)
        expected = Expected(since=T0, ref="ramp", trials=story.trials)
        verdict = judge([SLOW, other], story.evidence, expected, T0 + story.now)
        assert (verdict.answer, "does not apply" in verdict.reason) == ("pass", True)


def test_a_phase_is_never_compared_with_itself() -> None:
    """A watch of more than a day: yesterday was already of it."""
    story = Story(SLOW, past(SLOW, latencies(1, 120), at=T0 + 86400.0 + 600.0))
    story.now = 86400.0
    said = story.blocks(*latencies(2, 30, 0.4)).judged()
    assert (said.answer, said.applies, story.trial.looks) == ("undecided", False, 0)
    assert "the hour yesterday is of this phase already" in said.reason


def test_a_past_that_cannot_be_read_is_an_error_in_the_sources_words_and_never_a_pass() -> None:
    story = Story(SLOW, past(SLOW, status="error", note="no connection to prom")).blocks(*latencies(2, 10))
    said = story.judged()
    assert (said.answer, said.applies) == ("error", True)
    assert "yesterday cannot be read (no connection to prom)" in said.reason
    assert Story(SLOW, past(SLOW, status="stale", note="429")).blocks(0.2).judged().answer == "blind"


def test_a_past_that_nobody_asked_for_yet_is_undecided() -> None:
    said = Story(SLOW).blocks(*latencies(2, 10)).judged()
    assert (said.answer, said.need) == ("undecided", "needs an answer about yesterday")


def test_a_good_answer_about_the_past_serves_for_half_an_hour_while_later_ones_fail() -> None:
    good = past(SLOW, latencies(1, 120))
    lost = past(SLOW, status="error", note="gone", at=T0 + 60.0)
    story = Story(SLOW, good, lost).blocks(*latencies(2, 30))
    assert story.judged().answer == "pass"
    assert story.blocks(*latencies(4, 40)).judged().answer == "error"


def test_silence_now_is_blind_and_errors_now_are_an_error_as_everywhere() -> None:
    story = Story(SLOW, past(SLOW, latencies(1, 120))).blocks(*latencies(2, 10))
    assert story.quiet(120.0).judged().answer == "blind"
    said = story.quiet(60.0, "error").judged()
    assert (said.answer, "HTTP 503" in said.reason) == ("error", True)


def test_a_look_that_was_due_while_the_past_was_unknown_is_made_up_for() -> None:
    story = Story(SLOW).blocks(*latencies(2, 10, 0.4))
    story.pasts = (past(SLOW, latencies(1, 120)),)
    assert story.judged().answer == "undecided"
    assert story.blocks(0.4).judged().answer == "fail"


def test_between_two_looks_the_last_answer_stands() -> None:
    story = Story(SLOW, past(SLOW, latencies(1, 120))).blocks(*latencies(2, 8))
    first = story.judged()
    for level in (0.8, 0.8, 0.8):
        assert story.blocks(level).judged().reason == first.reason
    assert story.blocks(0.8).judged().reason != first.reason


def test_a_fail_stays_until_its_hold_is_released_and_says_when_it_is_good_again() -> None:
    story = Story(SLOW, past(SLOW, latencies(1, 120))).blocks(*[0.5] * 8)
    failed = story.judged()
    assert (failed.answer, failed.recovered) == ("fail", False)
    assert failed.need == "needs 4m of usual blocks"
    better = story.blocks(*[0.2] * 7).judged()
    assert (better.answer, better.recovered, better.need) == ("fail", False, "needs 30s of usual blocks")
    well = story.blocks(0.2).judged()
    assert (well.answer, well.recovered, well.need) == ("fail", True, "needs its hold released")
    assert not story.blocks(0.5).judged().recovered
    story.trials = {key: started_anew(trial) for key, trial in story.trials.items()}
    assert story.judged().answer == "undecided"
    again = story.blocks(*[0.5] * 8).judged()
    assert (again.answer, "start 2 of this test" in again.reason) == ("fail", True)


def test_a_phase_is_compared_by_its_own_blocks_and_its_looks_cost_as_later_ones_do() -> None:
    story = Story(SLOW, past(SLOW, latencies(1, 120))).blocks(*latencies(2, 64))
    looks = story.trial.looks
    assert looks == len(LOOKS)
    assert "0 of 8 blocks" in story.phase().blocks().judged().reason
    story.blocks(*latencies(5, 8, 0.5))
    assert story.judged().answer == "fail"
    assert story.trial.shown is not None
    assert story.trial.shown.spent == pytest.approx(spending(0.01, looks + 1))
    assert story.trial.shown.blocks == 8


def test_a_release_that_turns_bad_after_hours_is_noticed_within_the_next_hour() -> None:
    story = Story(SLOW, past(SLOW, latencies(1, 120))).blocks(*latencies(2, 300))
    story.pasts = (past(SLOW, latencies(4, 120), at=T0 + story.now),)
    assert story.judged().answer == "pass"
    story.blocks(*latencies(3, 58, 0.4))
    story.pasts = (past(SLOW, latencies(4, 120), at=T0 + story.now),)
    assert story.judged().answer == "fail"


def test_the_bake_goes_on_while_readings_come_and_stops_at_a_fail() -> None:
    story = Story(SLOW, past(SLOW, latencies(1, 120))).blocks(*latencies(2, 8))
    expected = Expected(since=T0, ref="ramp", trials=story.trials)
    found = accrue([SLOW], story.evidence, expected, T0, T0 + story.now, T0 + story.now)
    assert found.seconds > 0.0
    story = Story(SLOW, past(SLOW, latencies(1, 120))).blocks(*[0.5] * 8)
    expected = Expected(since=T0, ref="ramp", trials=story.trials)
    found = accrue([SLOW], story.evidence, expected, T0 + story.now - 5, T0 + story.now, T0 + story.now)
    assert (found.seconds, found.broken_by) == (0.0, "p99")


def test_what_is_journaled_of_a_long_watch_stays_small_and_reads_back() -> None:
    story = Story(SLOW, past(SLOW, latencies(1, 120), at=T0)).blocks(*latencies(2, 60))
    many = Story(SLOW, past(SLOW, latencies(1, 120), at=T0)).blocks(*latencies(2, 400))
    small, large = (msgspec.json.encode(one.trials) for one in (story, many))
    assert len(large) < 1.2 * len(small) < 2000
    assert msgspec.json.decode(large, type=dict[str, Trial]) == many.trials


# --- what may be asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "signal", "why"),
    [
        ({}, replace(LATENCY, cohorts=COHORTS), "the signal has a control"),
        ({}, replace(LATENCY, golden="traffic"), "more traffic is not worse"),
        ({}, Signal(golden="errors", source="prom", state={"alert": "X"}), "bad and total, or by value"),
        ({}, replace(LATENCY, pass_="proven"), "proves nothing"),
        ({"above": 0.1}, LATENCY, "one of above, below"),
        ({"by": -0.1}, LATENCY, "by is a share"),
        ({"alpha": 0.9}, LATENCY, "at most 0.5"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_with_the_past_is_an_error_in_words(
    condition: dict[str, Any], signal: Signal, why: str
) -> None:
    term = Term(id="x", condition=Condition(signal="p99", worse_than="yesterday", **condition), signal=signal)
    assert why in str(promise_of(term))
    if signal.state is None:  # `check` refuses it
        said = judge_term(term, Evidence(), Expected(), T0)
        assert (said.answer, why in said.reason) == ("error", True)


def test_a_signals_own_limit_may_compare_and_each_time_is_a_test_of_its_own() -> None:
    signal = replace(LATENCY, limit=Limit(worse_than="last_week", by=0.5, alpha=0.001))
    inherited = Term(id="p99", condition=Condition(signal="p99"), signal=signal)
    promise = of(inherited)
    assert (promise.kind, promise.past, promise.by, promise.alpha) == ("past", "last_week", 0.5, 0.001)
    assert compared_with(inherited) == "last week"
    other = Term(
        id="p99", condition=Condition(signal="p99", worse_than="yesterday", by=0.5, alpha=0.001), signal=signal
    )
    assert of(other).key != promise.key


# --- the past in blocks -----------------------------------------------------------------------------------------------


def test_the_past_is_cut_into_blocks_as_now_is_and_those_without_requests_are_left_out() -> None:
    polls = [reading(SHARE, T0 + 5.0 * poll, 0.01) for poll in range(6 * 20)]
    assert levels_of(polls, of(SHARE)) == (0.01,) * 20
    silent = [replace(one, bad=0.0, total=0.0, n=0.0, value=None) for one in polls[:60]]
    assert len(levels_of([*silent, *polls[60:]], of(SHARE))) == 10
    long = replace(SHARE, signal=replace(ERRORS, block=60.0))
    assert len(levels_of(polls, of(long))) == 10


@given(st.permutations(list(range(24))), st.integers(1, 24))
def test_neither_the_order_of_readings_nor_how_often_they_are_given_changes_an_answer(
    order: list[int], cut: int
) -> None:
    told = past(SLOW, latencies(1, 120))
    readings = [reading(SLOW, T0 + BLOCK * (n + 1), level) for n, level in enumerate(latencies(2, 24, 0.3))]
    asking = Asking(ref="ramp", since=T0, terms=(SLOW,))
    now = T0 + BLOCK * 24
    straight = advance({}, [asking], Evidence(signals=tuple(readings), pasts=(told,)), now)
    shuffled = Evidence(signals=tuple(readings[n] for n in order), pasts=(told,))
    assert advance({}, [asking], shuffled, now) == straight
    assert advance(straight, [asking], shuffled, now) == {}
    half = advance({}, [asking], Evidence(signals=tuple(readings[:cut]), pasts=(told,)), now)
    assert half | advance(half, [asking], shuffled, now) == straight


# --- the promise ------------------------------------------------------------------------------------------------------


@cache
def ways(few: int, many: int, above: int) -> int:
    """In how many orders of two samples without ties exactly *above* pairs have the first one larger."""
    if above < 0 or above > few * many:
        return 0
    if not few or not many:
        return 1
    return ways(few - 1, many, above - many) + ways(few, many - 1, above)


@pytest.mark.parametrize(("few", "many"), [(8, 20), (8, 60), (16, 20)])
def test_the_chance_is_never_told_smaller_than_it_is_where_it_decides(few: int, many: int) -> None:
    """Against each possible order, counted: from what a first look may spend of 5 % on down."""
    orders = math.comb(few + many, few)
    tail = 0
    compared = 0
    for above in range(few * many, few * many // 2, -1):
        tail += ways(few, many, above)
        if tail / orders > spending(0.05, 1):
            break
        compared += 1
        assert chance(*sample(few, many, above)) >= tail / orders
    assert compared > 20


def sample(few: int, many: int, above: int) -> tuple[list[float], list[float]]:
    """Two samples without ties of which *above* pairs have the first one larger; the past in an order of no kind."""
    places = [min(many, max(0, above - many * number)) for number in range(few)]
    current = [place - 0.5 + number * 1e-3 for number, place in enumerate(sorted(places))]
    earlier = [float(number) for number in range(many)]
    random.Random(7).shuffle(earlier)
    return current, earlier


def course(chances: random.Random, count: int, rho: float) -> list[float]:
    """Skewed numbers, of which each depends on the one before."""
    state = chances.gauss(0.0, 1.0)
    found = []
    for _ in range(count):
        found.append(math.exp(0.2 * state))
        state = rho * state + math.sqrt(1.0 - rho * rho) * chances.gauss(0.0, 1.0)
    return found


def fails(chances: random.Random, rho: float, worse: float, day: int, size: int = 120) -> int | None:
    """At how many blocks of a day it fails first, if at all, as past.py looks."""
    now, then = [worse * one for one in course(chances, day, rho)], course(chances, size, rho)
    looks = [*LOOKS, *range(96, day + 1, 32)]
    for number, blocks in enumerate(looks, 1):
        if chance(now[max(0, blocks - min(64, size)) : blocks], then) <= spending(0.01, number):
            return blocks
    return None


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_a_day_of_looks_at_two_days_alike_fails_within_the_promise(rho: float) -> None:
    """1 % is promised: 300 days make 3, and 9 are too many at odds of 250 to 1."""
    chances = random.Random(11)
    assert sum(fails(chances, rho, 1.0, 600) is not None for _ in range(300)) <= 8


@pytest.mark.parametrize(("rho", "within"), [(0.0, 8), (0.5, 64)])
def test_half_as_slow_again_is_noticed_within_minutes(rho: float, within: int) -> None:
    """Nine in ten: within 4 minutes where blocks are independent, half an hour where they are not."""
    chances = random.Random(5)
    found = sorted(fails(chances, rho, 1.5, 128) or 999 for _ in range(60))
    assert found[53] <= within


def test_three_times_the_errors_are_noticed_within_a_quarter_of_an_hour_at_ten_requests_a_second() -> None:
    found = []
    for seed in range(20):
        story = Story(SHARE, past(SHARE, shares(2 * seed, 120, 0.01)))
        levels = iter(shares(2 * seed + 1, 32, 0.03))
        while story.judged().answer != "fail" and len(story.readings) < 32:
            story.blocks(next(levels))
        found.append(len(story.readings))
    assert sorted(found)[17] <= 24


def test_blocks_that_hang_together_count_for_fewer_and_ties_for_nothing() -> None:
    rising = [1.0 + 0.01 * number for number in range(60)]
    mixed = random.Random(3).sample(rising, 60)
    assert correlation(rising) == pytest.approx(0.9)
    assert correlation(mixed) < 0.5
    assert chance([2.0] * 8, rising) > chance([2.0] * 8, mixed)
    assert chance([1.0] * 8, [1.0] * 60) == 1.0
    assert chance([], [1.0]) == chance([1.0], []) == 1.0


@given(st.lists(st.floats(0.0, 1.0), max_size=12), st.lists(st.floats(0.0, 1.0), max_size=12))
def test_a_chance_is_one_and_larger_for_lower_numbers(current: list[float], earlier: list[float]) -> None:
    found = chance(current, earlier)
    assert 0.0 <= found <= 1.0
    if found < 0.5:
        assert chance([one - 2.0 for one in current], earlier) > found


def test_means_are_compared_with_the_scatter_of_both() -> None:
    assert mean_chance([0.02] * 8, [0.01] * 60) == 0.0
    assert mean_chance([0.01] * 8, [0.01] * 60) == 1.0
    assert mean_chance([0.0, 0.4] * 8, [0.1] * 60) > 0.01
    assert mean_chance([0.2, 0.22] * 8, [0.1, 0.11] * 30) < 1e-9
    assert mean_chance([1.0], [0.0, 0.1]) == 1.0


def test_all_looks_together_spend_alpha_once() -> None:
    assert 0.0099 < sum(spending(0.01, look) for look in range(1, 10_000)) < 0.01
