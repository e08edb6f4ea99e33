"""Whatever happens to the readings, a verdict never gets better by it.

Two promises, because a lost reading may be the very one that was bad, and nothing can know what it said: losing good
or missing readings never makes a pass, and a span that fails never becomes a pass whichever readings are lost.
"""

from __future__ import annotations

import math
import random
from typing import Literal, assert_never, get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from amplify_tui.verdict.conditions import Rule, rule_of
from amplify_tui.verdict.gate import judge
from amplify_tui.verdict.model import Evidence, Reading, Term, Verdict
from amplify_tui.verdict.spans import fold
from tests.verdict.histories import ERRORS, EVERY, WORLD, at, errors, evidence, latency, pair, pairs, values

# Long runs of one letter are what spans are made of; single letters are what breaks them.
RUNS = st.lists(
    st.tuples(st.sampled_from("GGGgBBNE-"), st.sampled_from([1, 1, 2, 3, 4, 13])), min_size=1, max_size=10
).map(lambda runs: "".join(letter * length for letter, length in runs))
FORS = st.sampled_from([0.0, 15.0, 20.0, 60.0])
Harm = Literal["remove", "nan", "inf", "nodata", "error", "stale", "delay", "late", "empty", "freeze"]
HARMS = st.sampled_from(get_args(Harm))
# Losses come in runs too: one scrape, or the minutes of an outage.
LOSSES = st.lists(
    st.tuples(st.integers(0, 50), st.sampled_from([1, 1, 2, 4, 8, 20]), HARMS), min_size=1, max_size=5
).map(lambda runs: {place: harm for start, length, harm in runs for place in range(start, start + length)})
PATIENCE = st.integers(0, 10)


def harmed(reading: Reading, harm: Harm, before: Reading | None, heard: float) -> list[Reading]:
    match harm:
        case "remove":
            return []
        case "nan" | "inf":
            number = math.nan if harm == "nan" else math.inf
            return [replace(reading, value=number, total=None if reading.total is None else number)]
        case "nodata" | "error" | "stale":
            return [replace(reading, status=harm)]
        case "delay":
            # Late, but no later than the source's last answer: one that answers later than that is heard longer.
            return [replace(reading, received_at=min(reading.received_at + 2 * EVERY, heard))]
        case "late":
            return [replace(reading, received_at=reading.received_at + 100.0)]
        case "empty":
            return [replace(reading, value=None, bad=None, total=None)]
        case "freeze":
            # What is missing cannot stand still; only an answer can be the answer before it.
            data = before if before is not None and reading.status == "ok" else reading
            return [replace(data, received_at=reading.received_at)]
    assert_never(harm)


def gate(readings: list[Reading], terms: list[Term], now: float) -> Verdict:
    return judge(terms, evidence(readings), WORLD, now)


def lose(readings: list[Reading], harms: dict[int, Harm]) -> list[Reading]:
    """The readings after the harms by place; a frozen exporter goes on answering what it answered last."""
    kept: list[Reading] = []
    heard = max((reading.received_at for reading in readings if reading.status == "ok"), default=math.inf)
    for place, reading in enumerate(readings):
        before = kept[-1] if kept else None
        kept += harmed(reading, harms[place], before, heard) if place in harms else [reading]
    return kept


def sparing_bad(readings: list[Reading], harms: dict[int, Harm]) -> dict[int, Harm]:
    """The harms without those that hit a bad reading."""
    bads = {place for place, r in enumerate(readings) if r.status == "ok" and (r.value or 0.0) > 0.3}
    return {place: harm for place, harm in harms.items() if place not in bads}


def test_only_the_readings_named_are_harmed() -> None:
    readings = pairs("GBGBG")
    assert lose(readings, {}) == readings
    assert lose(readings, {1: "remove"}) == [readings[0], *readings[2:]]
    assert sparing_bad(readings, {0: "nan", 1: "remove"}) == {0: "nan"}


@settings(max_examples=400, deadline=None)
@given(pattern=RUNS, for_=FORS, harms=LOSSES, patience=PATIENCE)
def test_losing_good_readings_never_makes_a_pass(
    pattern: str, for_: float, harms: dict[int, Harm], patience: int
) -> None:
    now = at(len(pattern) - 1 + patience)
    for term, readings in ((errors(for_=for_), pairs(pattern)), (latency(for_=for_), values(pattern))):
        worse = lose(readings, sparing_bad(readings, harms))
        if gate(readings, [term], now).answer != "pass":
            assert gate(worse, [term], now).answer != "pass"


@settings(max_examples=400, deadline=None)
@given(pattern=RUNS, for_=FORS, harms=LOSSES, patience=PATIENCE)
def test_a_failing_span_never_becomes_a_pass_whatever_is_lost(
    pattern: str, for_: float, harms: dict[int, Harm], patience: int
) -> None:
    now = at(len(pattern) - 1 + patience)
    for_ = for_ or 15.0  # one reading that decides alone can also be lost alone
    for term, readings in ((errors(for_=for_), pairs(pattern)), (latency(for_=for_), values(pattern))):
        if gate(readings, [term], now).answer == "fail":
            assert gate(lose(readings, harms), [term], now).answer != "pass"


@settings(max_examples=100, deadline=None)
@given(pattern=RUNS, for_=FORS, harm=HARMS.filter(lambda harm: harm not in ("delay", "freeze")))
def test_losing_all_readings_neither_passes_nor_fails(pattern: str, for_: float, harm: Harm) -> None:
    readings = pairs(pattern)
    lost = lose(readings, dict.fromkeys(range(len(readings)), harm))
    assert gate(lost, [errors(for_=for_)], at(len(pattern) - 1)).answer in ("blind", "error")


@settings(max_examples=100, deadline=None)
@given(good=st.integers(1, 40), frozen=st.integers(1, 20), for_=FORS)
def test_a_frozen_exporter_never_adds_to_a_pass(good: int, frozen: int, for_: float) -> None:
    readings = pairs("G" * (good + frozen))
    stuck = [r if p < good else replace(r, data_at=at(good - 1)) for p, r in enumerate(readings)]
    now = at(good + frozen - 1)
    answer = gate(stuck, [errors(for_=for_)], now).answer
    if gate(readings[:good], [errors(for_=for_)], at(good - 1)).answer != "pass":
        assert answer != "pass"
    if now - at(good - 1) > 45.0:
        assert answer == "blind"


@settings(max_examples=100, deadline=None)
@given(pattern=RUNS, other=RUNS, for_=FORS)
def test_a_failing_term_always_fails_the_gate(pattern: str, other: str, for_: float) -> None:
    now = at(len(pattern) - 1)
    terms = [errors(for_=for_), latency(for_=for_), Term(id="h", builtin="health"), Term(id="x", builtin="drift")]
    verdict = gate([*pairs(pattern), *values(other)], terms, now)
    assert (verdict.answer == "fail") == any(term.answer == "fail" for term in verdict.terms)
    assert verdict.answer != "pass" or all(term.answer == "pass" for term in verdict.terms)
    assert verdict.reason
    assert verdict.answer == "pass" or all(t.reason for t in verdict.terms)


@settings(max_examples=100, deadline=None)
@given(pattern=RUNS, for_=FORS, seed=st.integers(0, 1000))
def test_the_order_of_readings_changes_nothing(pattern: str, for_: float, seed: int) -> None:
    readings = [*pairs(pattern), *values(pattern)]
    mixed = random.Random(seed).sample(readings, len(readings))
    terms = [errors(for_=for_), latency(for_=for_)]
    now = at(len(pattern) - 1)
    assert gate(mixed, terms, now) == gate(readings, terms, now)


@settings(max_examples=200, deadline=None)
@given(pattern=RUNS, for_=FORS, since=st.integers(0, 10), steps=st.lists(st.floats(0.01, 12.0), max_size=40))
def test_a_judge_that_remembers_says_what_one_says_that_has_never_been_asked(
    pattern: str, for_: float, since: int, steps: list[float]
) -> None:
    readings, term, now = pairs(pattern), errors(for_=for_), at(0)
    expected = replace(WORLD, since=at(since))
    for step in steps:
        now += step
        # As a board gives them: what has arrived, a moment before it was asked for too.
        known = evidence([one for one in readings if one.received_at <= now])
        for moment in (now - step / 2.0, now):
            fresh = replace(term, lag=term.lag)  # another object: nothing is remembered of it
            assert judge([term], known, expected, moment) == judge([fresh], known, expected, moment)


@settings(max_examples=200, deadline=None)
@given(pattern=RUNS, since=st.integers(0, 40), seed=st.integers(0, 1000), losses=LOSSES)
def test_a_fold_that_goes_on_with_new_readings_is_the_fold_of_all_of_them(
    pattern: str, since: int, seed: int, losses: dict[int, Harm]
) -> None:
    rule = rule_of(errors())
    assert isinstance(rule, Rule)
    readings: list[Reading] = []
    for place, reading in enumerate(pairs(pattern)):
        harm = losses.get(place)
        before = readings[-1] if readings else None
        readings += [reading] if harm is None else harmed(reading, harm, before, reading.received_at)
    chance = random.Random(seed)
    first = 0
    for end in range(1, len(readings) + 1):
        first += chance.random() < 0.1 and first < end  # what the board forgets
        given = readings[first:end]
        anew = replace(rule, name=f"{seed} {end}")
        assert fold(given, rule, at(since)) == fold(given, anew, at(since))


@settings(max_examples=100, deadline=None)
@given(pattern=RUNS)
def test_covered_time_is_never_more_than_the_time_between_the_readings(pattern: str) -> None:
    rule = rule_of(errors())
    assert isinstance(rule, Rule)
    history = fold(pairs(pattern), rule, 0.0)
    if history.marks:
        wall = history.marks[-1].data_at - history.marks[0].data_at
        assert 0.0 <= history.good_for <= wall
        assert 0.0 <= history.bad_for <= wall


@settings(max_examples=200, deadline=None)
@given(
    readings=st.lists(
        st.builds(
            Reading,
            signal=st.just("errors"),
            source=st.just("prom"),
            status=st.sampled_from(["ok", "nodata", "stale", "error", "foreign"]),
            data_at=st.floats(),
            received_at=st.floats(),
            window_from=st.floats(),
            window_to=st.floats(),
            value=st.none() | st.floats(),
            n=st.none() | st.floats(),
            bad=st.none() | st.floats(),
            total=st.none() | st.floats(),
        ),
        max_size=8,
    )
)
def test_no_reading_however_broken_raises(readings: list[Reading]) -> None:
    assert judge([errors(), errors(for_=0.0)], Evidence(signals=tuple(readings)), WORLD, at(0)).reason


@settings(max_examples=200, deadline=None)
@given(
    numbers=st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, allow_nan=False)), min_size=8, max_size=30),
    limit=st.sampled_from([0.0, 0.01, 1.0]),
    for_=FORS,
    increase=st.booleans(),
)
def test_no_size_of_number_raises(
    numbers: list[tuple[float, float]], limit: float, for_: float, increase: bool
) -> None:
    readings = [replace(pair(poll, 0.0), bad=s * total, total=total) for poll, (s, total) in enumerate(numbers)]
    signal = replace(ERRORS, as_="increase" if increase else "rate")
    for term in (errors(above=limit, for_=for_, signal=signal), errors(above=None, below=limit, signal=signal)):
        verdict = gate(readings, [term], at(len(numbers) - 1))
        assert verdict.reason
        assert "nan" not in verdict.reason + verdict.need
        assert "inf" not in verdict.reason + verdict.need
