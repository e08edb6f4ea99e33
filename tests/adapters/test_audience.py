"""Who is affected by a change of a flag, on the engine that the SDKs run."""

from __future__ import annotations

from typing import Any

import pytest

from amplify_tui.adapters.flags.audience import affected, in_words, made_up, overlap, sampled
from amplify_tui.adapters.flags.state import flag_state, missing, with_rules
from amplify_tui.adapters.ports import FlagState, Invalid
from amplify_tui.adapters.unleash.kind import UnleashRules

RULES = UnleashRules()


def strategy(share: int, group: str = "f", **more: Any) -> dict[str, Any]:
    parameters = {"rollout": str(share), "stickiness": more.pop("stickiness", "userId"), "groupId": group}
    return {"name": "flexibleRollout", "parameters": parameters, "constraints": [], "segments": [], **more}


def flag(*strategies: dict[str, Any], key: str = "f", enabled: bool = True) -> FlagState:
    return flag_state(key, "production", {"exists": True, "enabled": enabled, "strategies": list(strategies)})


def country(*values: str, operator: str = "IN") -> list[dict[str, Any]]:
    return [{"contextName": "country", "operator": operator, "values": list(values), "inverted": False}]


def test_more_users_join_and_nobody_leaves_while_the_group_stays() -> None:
    found = affected(RULES, flag(strategy(25)), flag(strategy(50)))
    assert abs(found.before - 2500) < 130
    assert abs(found.joins - 2500) < 130
    assert found.leaves == 0


def test_a_changed_group_reshuffles_and_says_who_leaves() -> None:
    found = affected(RULES, flag(strategy(25)), flag(strategy(25, group="other")))
    assert found.leaves > 1700
    assert found.joins > 1700


def test_a_flag_that_is_off_or_missing_is_nobodys() -> None:
    assert affected(RULES, missing("f", "production"), flag(strategy(100), enabled=False)).after == 0
    assert affected(RULES, flag(strategy(100)), missing("f", "production")).leaves == 10_000


def test_the_users_of_a_rule_are_among_the_population() -> None:
    """Two countries are named, so a third of the users is in neither."""
    found = affected(RULES, missing("f", "production"), flag(strategy(100, constraints=country("CH", "DE"))))
    assert abs(found.after / found.total - 2 / 3) < 0.02


def test_users_that_are_named_are_asked_one_by_one() -> None:
    named = [{"contextName": "userId", "operator": "IN", "values": ["u-internal-1", "u-internal-2"]}]
    assert affected(RULES, missing("f", "production"), flag(strategy(100, constraints=named))).joins == 2


@pytest.mark.parametrize(
    ("operator", "value", "percent"),
    [
        ("NUM_GT", "5", 25),
        ("NUM_LTE", "5", 50),
        ("SEMVER_GT", "2.0.0", 25),
        ("STR_STARTS_WITH", "beta", 50),
        ("DATE_AFTER", "2026-01-01T00:00:00.000Z", 25),
    ],
)
def test_rules_that_order_or_match_find_users_on_either_side(operator: str, value: str, percent: int) -> None:
    single = operator[:3] in ("NUM", "SEM", "DAT")
    rule = {"contextName": "x", "operator": operator} | ({"value": value} if single else {"values": [value]})
    found = affected(RULES, missing("f", "production"), flag(strategy(100, constraints=[rule])))
    assert abs(100 * found.after / found.total - percent) < 2


def test_a_number_that_is_none_is_nobodys() -> None:
    rule = {"contextName": "x", "operator": "NUM_GT", "value": "many"}
    assert affected(RULES, missing("f", "production"), flag(strategy(100, constraints=[rule]))).joins == 0


@pytest.mark.parametrize("field", ["userId", "plan"])
def test_a_rule_that_only_real_users_meet_is_not_answered_with_a_number(field: str) -> None:
    rule = {"contextName": field, "operator": "REGEX", "value": "^(pro|team)$"}
    line = in_words(RULES, missing("f", "production"), flag(strategy(100, constraints=[rule])))
    assert "only real users" in line
    assert "10,000" not in line


def test_a_share_that_sticks_to_a_field_of_our_own_is_not_nobodys() -> None:
    found = affected(RULES, flag(strategy(0)), flag(strategy(50, stickiness="tenant")))
    assert abs(found.joins - 5_000) < 200


def test_users_of_the_old_strategy_of_names_are_among_the_population() -> None:
    listed = {"name": "userWithId", "parameters": {"userIds": "u-1, u-2, u-3"}, "constraints": [], "segments": []}
    assert affected(RULES, missing("f", "production"), flag(listed)).joins == 3


def test_two_long_lists_still_leave_users_in_neither() -> None:
    rules = [
        {"contextName": name, "operator": "NOT_IN", "values": [f"{name}{n}" for n in range(150)]} for name in ("a", "b")
    ]
    only_b = affected(RULES, missing("f", "production"), flag(strategy(100, constraints=rules[1:])))
    assert only_b.joins > 0


def test_flags_that_ask_the_same_of_users_have_the_same_ones() -> None:
    one = made_up([flag(strategy(25, group="a", title="ramp", constraints=country("CH")))])
    same = made_up([flag(strategy(50, group="b", constraints=country("CH")), key="g")])
    other = made_up([flag(strategy(25, group="a", constraints=country("AT")))])
    assert one is same
    assert other != one


def test_who_gets_all_and_who_gets_nothing_is_as_the_engine_says() -> None:
    gets_all, nobody = flag(strategy(100)), flag(strategy(0))
    people = made_up([gets_all])
    for state, size in ((gets_all, len(people)), (nobody, 0), (flag(strategy(100), enabled=False), 0)):
        assert len(RULES.evaluator([state]).users("f", people.contexts)) == size
        assert affected(RULES, missing("f", "production"), state).after == size


def test_no_flags_have_no_overlap_to_tell() -> None:
    with pytest.raises(Invalid):
        overlap(RULES, [])


def test_every_combination_of_two_rules_comes_up() -> None:
    fields = [country("CH")[0], {"contextName": "plan", "operator": "IN", "values": ["pro"]}]
    users = sampled([flag(strategy(100, constraints=fields))], 100)
    assert len({(u["properties"]["country"], u["properties"]["plan"]) for u in users}) == 4


def test_a_segment_counts_with_what_it_holds_and_is_never_guessed() -> None:
    state = flag(strategy(100, segments=[7]))
    with pytest.raises(Invalid):
        affected(RULES, missing("f", "production"), state)
    known = with_rules(state, {7: country("CH")})
    assert abs(affected(RULES, missing("f", "production"), known).after - 5_000) < 200


def test_a_share_of_requests_has_no_users_to_name() -> None:
    assert "at random" in in_words(RULES, flag(strategy(10)), flag(strategy(20, stickiness="random")))


@pytest.mark.parametrize(("group", "every"), [("b", 1.0), ("a", 10.0)], ids=["own groups", "one group"])
def test_two_shares_of_ten_percent_meet_only_where_they_share_their_group(group: str, every: float) -> None:
    found = overlap(RULES, [flag(strategy(10, "a"), key="one"), flag(strategy(10, group), key="two")])
    assert abs(100 * found.every / found.total - every) < 1.0
    assert found.every + found.some + found.none == found.total
