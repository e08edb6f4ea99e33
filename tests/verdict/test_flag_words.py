"""The sentence of a flag: what it says of its rules, and that it never claims more than they do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.verdict.flag_words import ABSENT, UNLIMITED, clause_words, rule_words, sentence
from amplify_tui.verdict.flags import Clause, FlagRule


def clause(field: str, *values: str, test: Any = "in", negated: bool = False, count: int = 0) -> Clause:
    return Clause(field=field, test=test, values=values, count=count or len(values), negated=negated)


def rule(percent: float | None, *clauses: Clause, **more: Any) -> FlagRule:
    return FlagRule(name="flexibleRollout", percent=percent, clauses=clauses, **more)


CH = clause("country", "CH")
INTERNAL = rule(100, clause("userId", "u1", "u2"), title="internal")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([rule(25, CH), INTERNAL], "25 % of users in CH, plus 2 internal"),
        ([INTERNAL, rule(0)], "0 % of users, plus 2 internal"),
        ([rule(100)], "all users"),
        ([rule(100), INTERNAL], "all users"),
        ([rule(100, CH)], "all users in CH"),
        ([rule(0)], "nobody (0 %)"),
        ([], UNLIMITED),
        ([rule(25, disabled=True)], UNLIMITED),
        ([rule(25, disabled=True), rule(5)], "5 % of users"),
        ([rule(None)], "an unknown share of users"),
        ([rule(None), rule(5)], "an unknown share of users, plus 5 % of users"),
        ([rule(25, stickiness="random")], "25 % of requests"),
        ([rule(25, stickiness="tenant")], "25 % of tenant values"),
        ([rule(25, clause("country", "CH", "DE"))], "25 % of users in CH or DE"),
        ([rule(25, clause("country", "CH", "DE", "FR"))], "25 % of users in CH, DE or FR"),
        ([rule(25, clause("country", "CH", "DE", "FR", "IT"))], "25 % of users in CH, DE or 2 more"),
        ([rule(25, clause("country", "CH", count=3))], "25 % of users in CH or 2 more"),
        ([rule(25, clause("country", "CH", negated=True))], "25 % of users not in CH"),
        ([rule(25, clause("country", "CH", test="not in"))], "25 % of users not in CH"),
        ([rule(25, clause("country", "CH", test="not in", negated=True))], "25 % of users in CH"),
        ([rule(25, clause("plan", "pro"))], "25 % of users where plan is pro"),
        ([rule(25, clause("plan", "pro", test="not in"))], "25 % of users where plan is not pro"),
        ([rule(25, clause("plan"))], "25 % of users where plan is one of no values"),
        ([rule(25, clause("age", "18", test=">="))], "25 % of users where age >= 18"),
        ([rule(25, clause("mail", "@x", test="ends with", negated=True))], "25 % of users where not (mail ends with @x)"),
        ([rule(9, clause("a", "1", test="?"))], "9 % of users where a meets a condition that is not known here"),
        ([rule(9, CH, segments=("pilots", "staff"))], "9 % of users in CH in segments pilots and staff"),
        ([rule(9, more=2)], "9 % of users and 2 more conditions"),
        ([rule(50, clause("userId", "u1", "u2"), title="internal")], "50 % of 2 named users"),
        ([rule(100, clause("userId", "u1"), title="Our friends!")], "1 named user"),
        ([rule(1), rule(2), rule(3), rule(4)], "4 % of users, plus 3 % of users, plus 2 % of users, plus 1 more rule"),
    ],
)  # fmt: skip
def test_the_rules_are_said_in_one_sentence(rules: list[FlagRule], said: str) -> None:
    assert sentence(rules, exists=True, enabled=True) == said


def test_of_a_flag_that_is_off_nobody_gets_it_and_who_would_is_told() -> None:
    assert sentence([rule(25, CH)], exists=True, enabled=False) == "nobody; switched on: 25 % of users in CH"
    assert sentence([], exists=True, enabled=False) == f"nobody; switched on: {UNLIMITED}"
    assert sentence([rule(25)], exists=False, enabled=True) == ABSENT


words = st.text(max_size=12)
clauses = st.builds(
    Clause,
    field=st.sampled_from(["country", "userId", "sessionId", "plan", "", "currentTime"]) | words,
    test=st.sampled_from(["in", "not in", "contains", ">=", "after", "matches", "?"]),
    values=st.lists(words, max_size=3).map(tuple),
    count=st.integers(0, 300),
    negated=st.booleans(),
)
rules = st.builds(
    FlagRule,
    name=words,
    title=words | st.just("internal"),
    percent=st.none() | st.integers(0, 100).map(float),
    clauses=st.lists(clauses, max_size=5).map(tuple),
    more=st.integers(0, 3),
    segments=st.lists(words, max_size=3).map(tuple),
    stickiness=st.sampled_from(["", "default", "userId", "random", "sessionId"]) | words,
    disabled=st.booleans(),
)


@given(st.lists(rules, max_size=6), st.booleans(), st.booleans())
def test_any_rules_become_a_sentence(some: list[FlagRule], exists: bool, enabled: bool) -> None:
    assert sentence(some, exists=exists, enabled=enabled)
    for one in some:
        assert rule_words(one)
        for part in one.clauses:
            assert clause_words(part, 20)


plain = st.builds(  # without words of strangers, that a number or "all users" can only come from the rules
    FlagRule,
    percent=st.none() | st.integers(0, 100).map(float),
    clauses=st.lists(st.sampled_from([CH, clause("plan", "pro"), clause("userId", "a", "b")]), max_size=2).map(tuple),
    segments=st.just(()) | st.just(("pilots",)),
    more=st.integers(0, 1),
    disabled=st.booleans(),
)


@given(st.lists(plain, max_size=6))
def test_a_sentence_never_claims_more_than_its_rules(some: list[FlagRule]) -> None:
    said = sentence(some, exists=True, enabled=True)
    live = [one for one in some if not one.disabled]
    free = [one for one in live if not (one.clauses or one.segments or one.more)]
    assert (said in ("all users", UNLIMITED)) == (not live or any(one.percent == 100 for one in free))
    shares = [float(one) for one in re.findall(r"([\d.]+) %", said)]
    assert all(share in [one.percent for one in live] for share in shares)
    if any(one.percent is None for one in live) and said != "all users":
        assert "unknown share" in said or "more rule" in said


@given(st.lists(plain, min_size=1, max_size=6))
def test_off_and_absent_flags_never_read_as_if_somebody_got_them(some: list[FlagRule]) -> None:
    assert sentence(some, exists=True, enabled=False).startswith("nobody; switched on: ")
    assert sentence(some, exists=False, enabled=True) == ABSENT
