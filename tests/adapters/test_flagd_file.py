"""A flagd file as our states and back: what is read of it, what is written, and what stays to the letter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.adapters.flagfile.document import flags_of, rewrite, to_flag, to_state
from amplify_tui.adapters.flagfile.targeting import OPERATORS
from amplify_tui.adapters.flags.state import exposed, same
from amplify_tui.adapters.ports import Invalid

SWITCH = {"on": True, "off": False}
USUAL = {"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}


def flag(targeting: Any = None, **more: Any) -> dict[str, Any]:
    given_rule = {} if targeting is None else {"targeting": targeting}
    return {"state": "ENABLED", "variants": SWITCH, "defaultVariant": "off"} | given_rule | more


@pytest.mark.parametrize(
    ("held", "enabled", "percent"),
    [
        (flag(), False, 0.0),
        (flag(defaultVariant="on"), True, 100.0),
        (flag(state="DISABLED", defaultVariant="on"), False, 0.0),
        (flag({"fractional": [USUAL, ["on", 25], ["off", 75]]}), True, 25.0),
        (flag({"fractional": [USUAL, ["on", 1], ["off", 3]]}), True, 25.0),
        (flag({"fractional": [USUAL, ["on", 100]]}), True, 100.0),
        # The other order, a third variant, a share of a percent, another hash: another draw, so not ours to ramp.
        (flag({"fractional": [USUAL, ["off", 75], ["on", 25]]}), True, 100.0),
        (flag({"fractional": [USUAL, ["on", 1], ["off", 999]]}), True, 100.0),
        (flag({"fractional": [["on", 25], ["off", 75]]}), True, 100.0),
        (flag({"if": [{"in": ["@example.org", {"var": "mail"}]}, "on"]}), True, 100.0),
        (flag({"if": [True, "on", "off"]}), True, 100.0),
        (flag(variants={"a": "x", "b": "y"}, defaultVariant="a"), True, 100.0),
        (flag({"$ref": "shared"}), True, 100.0),
    ],
)
def test_what_a_flag_of_a_file_exposes_is_never_told_too_low(
    held: dict[str, Any], enabled: bool, percent: float
) -> None:
    state = to_state("f", held)
    assert (state["enabled"], exposed(state)) == (enabled, percent)
    assert to_flag("f", state, None) == held, "what is not changed is written to the letter"


def test_a_rule_of_another_shape_is_switched_off_and_back_to_the_letter() -> None:
    held = flag({"if": [{"ends_with": [{"var": "mail"}, "@example.org"]}, "on", None]}, metadata={"owner": "team-a"})
    before = to_state("f", held)
    off = to_flag("f", {**before, "enabled": False}, held)
    assert off == held | {"state": "DISABLED"}
    assert to_flag("f", before, off) == held


def constraints() -> st.SearchStrategy[dict[str, Any]]:
    def built(operator: str, field: str, values: list[str], number: float, inverted: bool) -> dict[str, Any]:
        raw = {"contextName": field, "operator": operator, "caseInsensitive": False, "inverted": inverted}
        if operator.startswith("NUM_"):
            return raw | {"value": f"{number:g}", "values": []}
        if operator.startswith("SEMVER_"):
            return raw | {"value": "1.2.3", "values": []}
        if operator == "NOT_IN":  # a twice negated list reads as a plain one
            return raw | {"values": values, "inverted": False}
        return raw | {"values": values, "inverted": inverted and operator != "IN"}

    words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
    return st.builds(
        built,
        st.sampled_from(sorted(OPERATORS)),
        st.sampled_from(["country", "mail", "userId", "a b"]),
        st.lists(words, min_size=1, max_size=3),
        st.integers(-1000, 1000),
        st.booleans(),
    )


def strategies() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda at, share, sticky, group, rules: {
            "name": "flexibleRollout",
            "title": at,
            "disabled": False,
            "parameters": {"rollout": str(share), "stickiness": sticky, "groupId": group},
            "constraints": rules,
            "segments": [],
            "variants": [],
        },
        st.sampled_from(["", "ramp", "internal"]),
        st.integers(0, 100),
        st.sampled_from(["default", "userId", "tenant"]),
        st.sampled_from(["f", "checkout"]),
        st.lists(constraints(), max_size=3),
    )


@given(st.lists(strategies(), min_size=1, max_size=3), st.booleans())
def test_strategies_survive_the_way_into_the_file_and_back(held: list[dict[str, Any]], enabled: bool) -> None:
    state = {"exists": True, "enabled": enabled, "strategies": held}
    written = to_flag("f", state, None)
    assert written is not None
    again = to_state("f", json.loads(json.dumps(written)))
    assert same(again, state), (state, again)
    assert [one["title"] for one in again["strategies"]] == [one["title"] for one in held]


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        ({"name": "remoteAddress"}, "remoteAddress"),
        ({"name": "flexibleRollout", "disabled": True}, "disabled"),
        ({"name": "flexibleRollout", "segments": [1]}, "segments"),
        ({"name": "flexibleRollout", "variants": [{"name": "a", "weight": 1}]}, "variants"),
        ({"name": "flexibleRollout", "parameters": {"rollout": "1", "stickiness": "random"}}, "stick"),
        (
            {"name": "flexibleRollout", "constraints": [{"contextName": "m", "operator": "REGEX", "value": "x"}]},
            "REGEX",
        ),
    ],
)
def test_what_a_file_cannot_hold_is_refused_with_what_it_can(strategy: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        to_flag("f", {"exists": True, "enabled": True, "strategies": [strategy]}, None)


FILE = """{
  "$schema": "https://flagd.dev/schema/v0/flags.json",
  "flags": {
    "first": {"state": "ENABLED", "variants": {"on": true, "off": false},   "defaultVariant": "off"},

    "second": {
      "state": "ENABLED", "variants": { "a": 1.50, "b": 2 }, "defaultVariant": "a"
    }
  },
  "$evaluators": {"shared": {"==": [{"var": "flags"}, "}{"]}}
}
"""


@pytest.mark.parametrize("key", ["first", "second", "third", 'odd "name" \\'])
def test_a_change_touches_the_lines_of_its_own_flag_alone(key: str) -> None:
    changed = rewrite(FILE, {key: flag(defaultVariant="on")})
    assert flags_of(changed)[key] == flag(defaultVariant="on")
    lines = set(changed.splitlines())
    kept = [line for line in FILE.splitlines() if f'"{key}"' not in line and line.strip() not in ("}", "},")]
    if key != "second":
        assert [line for line in kept if line not in lines and line.rstrip(",") not in lines] == []
    assert rewrite(changed, {key: None}) == rewrite(FILE, {key: None}) or key in flags_of(FILE)


@given(st.dictionaries(st.text(max_size=5), st.just(flag()), max_size=4), st.sampled_from([None, 2, "\t"]), st.data())
def test_putting_in_and_taking_out_leaves_every_other_flag(
    held: dict[str, Any], indent: Any, data: st.DataObject
) -> None:
    text = json.dumps({"flags": held}, indent=indent)
    key = data.draw(st.sampled_from([*held, "new"]))
    put = rewrite(text, {key: flag(defaultVariant="on")})
    assert flags_of(put) == {**held, key: flag(defaultVariant="on")}
    rest = {name: one for name, one in held.items() if name != key}
    assert flags_of(rewrite(put, {key: None})) == rest


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"flags": []}', '{"flags": {"a": 1}}', '{"flags": {"a": {}, "a": {}}}', "[" * 100_000],
)
def test_a_file_that_is_none_is_refused_in_words(text: str) -> None:
    with pytest.raises(Invalid, match="flag file"):
        flags_of(text)
