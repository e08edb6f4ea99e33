"""Blocks from readings: a request is evidence once, in a block that both cohorts close together."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from amplify_tui.playbook.model import Condition
from amplify_tui.verdict.bets import WORSE, Bet, Vif, expected_share, residual
from amplify_tui.verdict.gate import judge_term
from amplify_tui.verdict.model import Cohort, Expected, Reading, Status, Term
from amplify_tui.verdict.promises import Promise, promise_of
from amplify_tui.verdict.trial import Trial
from amplify_tui.verdict.trials import Asking, advance
from tests.verdict.histories import COHORTS, ERRORS, T0, evidence

SIGNAL = replace(ERRORS, cohorts=COHORTS)
TERM = Term(id="errors", condition=Condition(signal="errors", worse_than="control", by=0.2), signal=SIGNAL)
LIMITED = Term(id="errors", condition=Condition(signal="errors", above=0.01, alpha=0.01), signal=ERRORS)


def reading(
    at: float,
    cohort: Cohort | None = None,
    *,
    bad: float = 1.0,
    total: float = 100.0,
    window: float = 30.0,
    status: Status = "ok",
    increase: bool = False,
) -> Reading:
    """Counts of one window that ended at T0 + *at*; a rate over it, or an increase."""
    per = 1.0 if increase else window
    return Reading(
        signal="errors",
        source="prom",
        cohort=cohort,
        status=status,
        data_at=T0 + at,
        received_at=T0 + at,
        window_from=T0 + at - window,
        window_to=T0 + at,
        bad=bad / per,
        total=total / per,
        value=bad / total if total else None,
        n=total,
    )


def both(at: float, **more: float) -> list[Reading]:
    return [reading(at, "treatment", **more), reading(at, "control", **more)]  # type: ignore[arg-type]


def of(term: Term) -> Promise:
    promise = promise_of(term)
    assert isinstance(promise, Promise), promise
    return promise


def go_on(
    readings: list[Reading],
    term: Term = TERM,
    trial: Trial | None = None,
    *,
    since: float = -1000.0,
    until: float = 1e9,
) -> Trial:
    """The trial of *term* after *readings*."""
    key = of(term).key
    askings = [Asking(ref="ramp", since=T0 + since, terms=(term,))]
    known = {} if trial is None else {key: trial}
    return (known | advance(known, askings, evidence(readings), T0 + until)).get(key, Trial())


def counted(trial: Trial) -> tuple[float, float, float, float]:
    tally = trial.phases["ramp"]
    return tally.bad, tally.total, tally.control_bad, tally.control_total


def test_a_rate_that_is_read_each_five_seconds_counts_each_request_once() -> None:
    trial = go_on([one for at in range(0, 125, 5) for one in both(float(at))])
    # 0 to 120 s after the first window: four windows of 30 s and the first, which ended at 0.
    assert trial.blocks == 5
    assert counted(trial) == (5.0, 500.0, 5.0, 500.0)


def test_polls_that_jitter_never_count_a_request_twice() -> None:
    chance = random.Random(3)
    polls = [5.0 * i + chance.uniform(-0.4, 0.4) for i in range(200)]
    trial = go_on([one for at in polls for one in both(at)])
    assert 28 <= trial.blocks <= 33
    assert counted(trial)[1] == 100.0 * trial.blocks


def test_increases_follow_each_other_and_all_count() -> None:
    term = replace(TERM, signal=replace(SIGNAL, as_="increase"))
    polls = [reading(5.0 * i, c, window=5.0, increase=True) for i in range(1, 13) for c in ("treatment", "control")]
    trial = go_on(polls, term)
    assert trial.blocks == 2
    assert counted(trial) == (12.0, 1200.0, 12.0, 1200.0)


def test_a_block_is_as_long_as_it_is_asked_to_be() -> None:
    term = replace(TERM, signal=replace(SIGNAL, block=300.0))
    polls = [one for at in range(0, 900, 5) for one in both(float(at))]
    assert go_on(polls, term).blocks == 3
    assert go_on(polls[:100], term).blocks == 0


def test_a_window_that_is_longer_than_the_block_is_a_block() -> None:
    trial = go_on([one for at in range(0, 305, 5) for one in both(float(at), window=60.0)])
    assert trial.blocks == 6


@pytest.mark.parametrize("lost", ["treatment", "control"])
@pytest.mark.parametrize("status", ["nodata", "stale", "error", "foreign"])
def test_what_one_cohort_lost_does_not_count_for_the_other(lost: Cohort, status: Status) -> None:
    polls = [one for at in (0.0, 30.0, 60.0) for one in both(at)]
    polls = [replace(one, status=status) if (one.cohort, one.data_at) == (lost, T0 + 30.0) else one for one in polls]
    trial = go_on(polls)
    assert trial.blocks == 2
    assert counted(trial) == (2.0, 200.0, 2.0, 200.0)


def test_cohorts_that_are_read_within_a_poll_of_each_other_are_one_block() -> None:
    apart = [reading(at, "treatment") for at in (0.0, 30.0)] + [reading(at + 4.0, "control") for at in (0.0, 30.0)]
    assert go_on(apart).blocks == 2
    further = [reading(at, "treatment") for at in (0.0, 30.0)] + [reading(at + 9.0, "control") for at in (0.0, 30.0)]
    assert go_on(further).blocks == 0


def test_a_block_without_a_bad_request_tells_nothing_about_the_ratio() -> None:
    trial = go_on([one for at in range(0, 125, 30) for one in both(float(at), bad=0.0)])
    assert trial.blocks == 5
    assert (trial.fail.blocks, trial.best, trial.vif.n) == (0, 0.0, 0)
    assert counted(trial) == (0.0, 500.0, 0.0, 500.0)


def test_a_cohort_without_a_request_keeps_the_block_open() -> None:
    idle = [reading(0.0, "treatment", total=0.0, bad=0.0), reading(0.0, "control")]
    assert go_on([*idle, *both(30.0)]).blocks == 1


def test_readings_that_are_in_already_add_nothing() -> None:
    polls = [one for at in range(0, 305, 5) for one in both(float(at))]
    trial = go_on(polls)
    assert go_on(polls, trial=trial) is trial
    assert go_on(polls[20:], trial=trial) is trial
    assert go_on([*polls, *both(305.0)], trial=trial) is trial
    assert go_on([*polls, *both(330.0)], trial=trial).blocks == trial.blocks + 1


@given(
    cuts=st.lists(st.integers(0, 120), max_size=8),
    seed=st.integers(0, 50),
    window=st.sampled_from([5.0, 30.0, 45.0, 60.0]),
    again=st.booleans(),
)
def test_looking_more_often_changes_nothing(cuts: list[int], seed: int, window: float, again: bool) -> None:
    chance = random.Random(seed)
    polls: list[Reading] = []
    for i in range(120):
        for cohort in ("treatment", "control"):
            if chance.random() < 0.9:
                polls.append(reading(5.0 * i, cohort, bad=chance.randint(0, 4), window=window))
    once = go_on(polls)
    trial: Trial | None = None
    for cut in sorted(cuts):
        seen = [one for one in polls if one.received_at <= T0 + 5.0 * cut]
        trial = go_on(seen, trial=trial)
        trial = go_on(chance.sample(seen, len(seen)), trial=trial) if again else trial
    assert go_on(polls, trial=trial) == once


def test_after_a_crash_the_open_block_is_skipped_and_nothing_is_counted_twice() -> None:
    polls = [one for at in range(0, 305, 5) for one in both(float(at), window=5.0)]
    trial = go_on([one for one in polls if one.received_at <= T0 + 140.0])
    assert trial.blocks == 4  # of 30 s from -5 on; 20 s more are open
    later = go_on([one for one in polls if one.received_at > T0 + 200.0], trial=trial)
    assert later.blocks == 4 + 3
    assert counted(later) == (42.0, 4200.0, 42.0, 4200.0)


def test_only_what_began_within_the_first_phase_counts_at_all() -> None:
    """The board has polled since the draft: a fire from before the release is no evidence against it."""
    trial = go_on([one for at in range(0, 125, 30) for one in both(float(at))], since=40.0)
    assert trial.blocks == 2
    assert counted(trial) == (2.0, 200.0, 2.0, 200.0)


def test_a_new_phase_counts_anew_and_the_test_goes_on() -> None:
    polls = [one for at in range(0, 125, 30) for one in both(float(at))]
    first = go_on(polls)
    second = go_on([*polls, *both(150.0), *both(180.0)], trial=first, since=125.0)
    assert second.fail.blocks == 7
    assert counted(second) == (1.0, 100.0, 1.0, 100.0)


def test_a_limit_counts_its_own_cohort_alone() -> None:
    trial = go_on([reading(float(at)) for at in range(0, 125, 5)], LIMITED)
    assert trial.blocks == 5
    assert counted(trial)[:2] == (5.0, 500.0)


def test_the_same_question_is_one_trial_wherever_it_stands() -> None:
    other = Term(
        id="another", condition=Condition(signal="errors", worse_than="control", by=0.2, for_=9.0), signal=SIGNAL
    )
    stricter = Term(id="errors", condition=Condition(signal="errors", worse_than="control", by=0.1), signal=SIGNAL)
    assert of(TERM).key == of(other).key
    assert len({of(TERM).key, of(stricter).key, of(LIMITED).key}) == 3


COUNTS = st.one_of(st.floats(0.0, 1e18), st.floats(0.0, 1e-300), st.floats(0.0, 100.0))
ODD = replace(TERM, signal=replace(SIGNAL, independent=True, pass_="proven"))


@given(
    st.lists(
        st.tuples(st.integers(-40, 400), st.sampled_from(["treatment", "control"]), COUNTS, st.floats(0.0, 1.0)),
        max_size=30,
    ),
    st.sampled_from([TERM, ODD]),
)
def test_no_set_of_readings_breaks_a_trial_or_what_a_journal_holds_of_it(
    found: list[tuple[int, Cohort, float, float]], term: Term
) -> None:
    seen = [reading(float(at), cohort, total=n, bad=n * part) for at, cohort, n, part in found]
    trial = go_on(seen, term)
    assert msgspec.json.decode(msgspec.json.encode(trial), type=Trial) == trial
    tally = trial.phases.get("ramp")
    assert tally is None or (tally.total >= tally.bad >= 0.0)
    expected = Expected(since=T0 - 1000.0, trials={of(term).key: trial}, ref="ramp")
    for now in (T0 - 990.0, T0 + 400.0):
        assert judge_term(term, evidence(seen), expected, now).reason


def test_a_trial_bets_as_the_bets_alone_do_with_the_inflation_of_earlier_blocks() -> None:
    chance = random.Random(5)
    counts = [(chance.randint(0, 5), 50.0, chance.randint(0, 9), 950.0) for _ in range(30)]
    polls = []
    for i, (bad, total, other_bad, other_total) in enumerate(counts):
        polls.append(reading(30.0 * i, "treatment", bad=bad, total=total))
        polls.append(reading(30.0 * i, "control", bad=other_bad, total=other_total))
    bet, vif = Bet.of(WORSE), Vif()
    for bad, total, other_bad, other_total in counts:
        share, q = bad / max(1, bad + other_bad), expected_share(1.2, total, other_total)
        if bad + other_bad:
            bet, vif = bet.on(share, q, WORSE, vif.value()), vif.add(residual(share, q))
        else:
            vif = vif.skip()
    assert go_on(polls).fail.log_e() == pytest.approx(bet.log_e())


@pytest.mark.parametrize("term", [TERM, ODD])
def test_a_cohort_of_next_to_nobody_breaks_no_journal(term: Term) -> None:
    few = [reading(0.0, "treatment", total=1e-300, bad=1e-300), reading(0.0, "control", total=1e15, bad=0.0)]
    trial = go_on([*few, *both(30.0)], term)
    assert trial.blocks == 2
    assert msgspec.json.decode(msgspec.json.encode(trial), type=Trial) == trial
