"""The graph of what needs what, and whether the live versions satisfy it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.verdict.dependencies import graph, meets, schema_violations, violations
from amplify_tui.verdict.gate import judge
from amplify_tui.verdict.model import Expected, InstanceReading, Term, TermVerdict
from tests.verdict.histories import T0, evidence, instance

REQUIRES = {"checkout": {"ledger": ">=2.3.0 <3", "pricing": "^5.1"}, "pricing": {"ledger": ">=2.3.0 <3"}}
WORLD = Expected(
    versions={"checkout": {"checkout-1": "3.0.0"}, "ledger": {"ledger-1": None, "ledger-2": None}},
    requires={"checkout": {"ledger": ">=2.3.0 <3"}},
)
GRAPHS = st.dictionaries(
    st.sampled_from("abcdef"), st.dictionaries(st.sampled_from("abcdef"), st.just("^1.0"), max_size=3), max_size=6
)


def ask(fleet: list[InstanceReading], world: Expected = WORLD, now: float = T0) -> TermVerdict:
    (verdict,) = judge([Term(id="d", builtin="dependencies")], evidence(fleet=fleet), world, now).terms
    return verdict


def test_dependencies_come_first() -> None:
    found = graph(REQUIRES)
    assert found.order == ("ledger", "pricing", "checkout")
    assert found.needed == ("ledger",)
    assert found.cycles == ()


def test_a_cycle_is_named_and_left_out_of_the_order() -> None:
    found = graph({"a": {"b": "*"}, "b": {"a": "*"}, "c": {"c": "*"}, "d": {"a": "*"}, "e": {}})
    assert found.cycles == (("a", "b"), ("c",))
    assert found.order == ("d", "e")


@given(GRAPHS)
def test_each_service_stands_once_and_after_what_it_needs(requires: dict[str, dict[str, str]]) -> None:
    found = graph(requires)
    caught = [node for cycle in found.cycles for node in cycle]
    everyone = set(requires) | {needed for ranges in requires.values() for needed in ranges}
    assert sorted([*found.order, *caught]) == sorted(everyone)
    for place, node in enumerate(found.order):
        assert set(requires.get(node, {})) <= set(found.order[:place]) | set(caught)
    assert graph(dict(reversed(requires.items()))) == found


@pytest.mark.parametrize(
    ("version", "wanted", "met"),
    [
        ("2.3.0", ">=2.3.0 <3", True),
        ("v2.3.0", ">=2.3.0 <3", True),
        ("2.2.9", ">=2.3.0 <3", False),
        ("42", ">=42 <44", True),
        ("44", ">=42 <44", False),
        (None, "*", None),
        ("", "*", None),
        ("nightly", "*", None),
        ("1.0.0", "no range", None),
    ],
)
def test_a_version_that_cannot_be_read_meets_nothing_and_fails_nothing(
    version: str | None, wanted: str, met: bool | None
) -> None:
    assert meets(version, wanted) is met


def test_a_violation_names_both_sides() -> None:
    (found,) = violations(WORLD.requires, {"ledger": {"ledger-1": "2.3.0", "ledger-2": "2.2.9"}})
    assert found.said == "checkout needs ledger >=2.3.0 <3, ledger-2 runs 2.2.9"
    assert found.known


def test_a_needed_service_that_nobody_knows_is_not_met() -> None:
    (found,) = violations(WORLD.requires, {})
    assert not found.known


def test_schemas_are_judged_by_instance() -> None:
    found = schema_violations({"checkout": ("schema", ">=42 <44")}, {"checkout": {"a": "42", "b": "41", "c": None}})
    assert [(v.instance, v.known) for v in found] == [("b", True), ("c", False)]
    assert found[0].said == "checkout accepts schema >=42 <44, b sees 41"
    assert not schema_violations({"checkout": ("schema", "*")}, {})[0].known


def test_live_versions_that_fit_pass() -> None:
    fleet = [instance("ledger-1", version="2.3.0"), instance("ledger-2", version="2.9.9")]
    verdict = ask(fleet)
    assert (verdict.answer, verdict.reason) == ("pass", "dependencies: 1 range met")


def test_one_live_version_that_does_not_fit_fails_whatever_else_is_unknown() -> None:
    verdict = ask([instance("ledger-2", version="2.2.9")])
    assert verdict.answer == "fail"
    assert verdict.reason == "dependencies: checkout needs ledger >=2.3.0 <3, ledger-2 runs 2.2.9"


@pytest.mark.parametrize(
    "odd",
    [
        instance("ledger-2", version=None),
        instance("ledger-2", version="2.3.0", received=T0 - 60.0),
        instance("ledger-2", version="2.3.0", ok=None, status="error"),
        instance("ledger-2", version="nightly"),
    ],
)
def test_an_unknown_version_is_undecided_never_fine(odd: InstanceReading) -> None:
    assert ask([instance("ledger-1", version="2.3.0"), odd]).answer == "undecided"
    assert ask([]).answer == "undecided"


def test_a_needed_service_outside_the_release_counts_with_all_its_instances() -> None:
    world = Expected(versions={"checkout": {"checkout-1": "3.0.0"}}, requires=WORLD.requires)
    assert ask([instance("ledger-1", version="2.3.0")], world).answer == "pass"
    assert ask([instance("ledger-1", version="2.3.0"), instance("ledger-9", version="3.0.0")], world).answer == "fail"
    assert ask([], world).answer == "undecided"


def test_a_live_schema_outside_the_range_fails() -> None:
    world = Expected(versions={"checkout": {"checkout-1": None}}, schemas={"checkout": ("schema", ">=42 <44")})
    assert ask([instance("checkout-1", schema="43")], world).answer == "pass"
    assert ask([instance("checkout-1", schema="44")], world).answer == "fail"
    assert ask([instance("checkout-1", schema=None)], world).answer == "undecided"


def test_a_circle_fails() -> None:
    world = Expected(requires={"a": {"b": "*"}, "b": {"a": "*"}})
    assert ask([], world).reason.startswith("dependencies: a, b need each other in a circle")
