"""Planning and undoing a flag change, without a server: what is wanted, what widens, what belongs to somebody else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amplify_tui.adapters.flags.evaluation import Evaluator, population
from amplify_tui.adapters.flags.plan import (
    FlagSpec,
    StrategyChange,
    StrategySpec,
    Where,
    expose,
    target,
    widens,
    write,
)
from amplify_tui.adapters.flags.state import exposure, fingerprint, flag_state, missing
from amplify_tui.adapters.flags.undo import Already, Diverged, restore
from amplify_tui.adapters.ports import FlagState, Invalid, NotFound
from amplify_tui.adapters.unleash.ops import operations

USERS = population(400, properties={"tenantId": "t1"})


def rollout(title: str = "ramp", share: object = 25, ident: str = "", **more: Any) -> dict[str, Any]:
    raw: dict[str, Any] = {
        "name": "flexibleRollout",
        "title": title,
        "disabled": False,
        "parameters": {"rollout": str(share), "stickiness": "userId", "groupId": "f"},
        "constraints": [],
        "segments": [],
        "variants": [],
    }
    return raw | more | {"id": ident or f"id-{title}"}


def state(*strategies: dict[str, Any], enabled: bool = True) -> FlagState:
    raw = {"exists": True, "enabled": enabled, "type": "release", "description": "", "impression_data": False}
    return flag_state("f", "development", raw | {"strategies": list(strategies)})


def test_a_percentage_goes_to_the_only_rollout_and_switches_the_environment_on() -> None:
    planned = expose(state(rollout(share=0), enabled=False), 5)
    assert planned.after["enabled"] is True
    assert planned.after["strategies"][0]["parameters"]["rollout"] == "5"
    assert planned.widens is True


def test_a_retreat_to_zero_leaves_the_switch_as_it_is() -> None:
    planned = expose(state(rollout(share=25)), 0)
    assert planned.after["enabled"] is True
    assert exposure(planned.after) == 0
    assert planned.widens is False


@pytest.mark.parametrize("share", [-1, 101, 150, 12.5])
def test_a_percentage_the_server_would_take_and_sdks_read_as_nobody_is_refused(share: float) -> None:
    with pytest.raises(Invalid, match="whole percents"):
        expose(state(rollout()), share)


def test_two_rollouts_must_be_told_apart_by_name() -> None:
    two = state(rollout("ramp"), rollout("internal"))
    with pytest.raises(Invalid, match="2 rollouts"):
        expose(two, 5)
    assert expose(two, 5, "internal").after["strategies"][1]["parameters"]["rollout"] == "5"
    with pytest.raises(NotFound, match="no strategy 'rmap'"):
        expose(two, 5, "rmap")


def test_on_without_an_active_strategy_is_never_planned() -> None:
    with pytest.raises(Invalid, match="without an active strategy"):
        target(missing("f", "development"), FlagSpec(create="release", enabled=True))
    with pytest.raises(Invalid, match="without an active strategy"):
        target(state(rollout()), FlagSpec(enabled=True, change=(StrategyChange(title="ramp", disabled=True),)))


def test_the_last_active_strategy_takes_the_environment_with_it_as_the_server_does_it() -> None:
    assert not target(state(rollout()), FlagSpec(change=(StrategyChange(title="ramp", disabled=True),))).after[
        "enabled"
    ]
    assert not target(state(rollout()), FlagSpec(remove=("ramp",))).after["enabled"]
    assert target(state(rollout(), rollout("b")), FlagSpec(remove=("ramp",))).after["enabled"]
    with pytest.raises(Invalid, match="without an active strategy"):
        target(state(), FlagSpec(tags=("a",)))  # on for everybody is not switched off in passing


def test_a_rollout_without_a_number_is_refused_because_the_server_makes_it_everybody() -> None:
    with pytest.raises(Invalid, match="names no rollout"):
        target(state(rollout(), enabled=False), FlagSpec(add=(StrategySpec(title="b"),)))


def test_a_flag_that_exists_is_not_taken_over_unless_the_playbook_says_so() -> None:
    with pytest.raises(Invalid, match="exists already"):
        target(state(enabled=False), FlagSpec(create="release"))
    with pytest.raises(Invalid, match="exists already"):
        target(state(rollout()), FlagSpec(create="release", reuse="if_off"))
    taken = target(
        state(enabled=False),
        FlagSpec(create="release", reuse="if_off", enabled=False, strategies=(StrategySpec(title="ramp", rollout=0),)),
    )
    assert [one["title"] for one in taken.after["strategies"]] == ["ramp"]


def test_a_single_value_operator_carries_a_value_and_a_list_operator_a_list() -> None:
    where = (Where(field="userId", op="IN", values=("a",)), Where(field="age", op="NUM_GT", value=3))
    built = target(state(enabled=False), FlagSpec(add=(StrategySpec(title="x", rollout=0, where=where),)))
    constraints = built.after["strategies"][0]["constraints"]
    assert constraints[0]["values"] == ["a"]
    assert constraints[1]["value"] == "3"


def test_a_regular_expression_that_is_inverted_is_refused_before_the_server_does() -> None:
    where = (Where(field="email", op="REGEX", value="@example.org$", inverted=True),)
    with pytest.raises(Invalid, match="cannot be inverted"):
        target(state(enabled=False), FlagSpec(add=(StrategySpec(title="x", rollout=0, where=where),)))


def test_variants_go_by_the_stickiness_of_their_strategy_where_they_name_none() -> None:
    """Added or changed: the server refuses variants without one."""
    two = ({"name": "a", "weight": 1}, {"name": "b", "weight": 1, "stickiness": "sessionId"})
    added = target(state(), FlagSpec(add=(StrategySpec(title="x", rollout=0, stickiness="userId", variants=two),)))
    changed = target(state(rollout("ramp")), FlagSpec(change=(StrategyChange(title="ramp", variants=two),)))
    for planned in (added, changed):
        kept = planned.after["strategies"][0]["variants"]
        assert [(one["stickiness"], one["weightType"]) for one in kept] == [
            ("userId", "variable"),
            ("sessionId", "variable"),
        ]


def test_fingerprints_ignore_ids_order_and_scale_but_nothing_that_decides_exposure() -> None:
    two = [{"name": "a", "weight": 1}, {"name": "b", "weight": 1}]
    scaled = [
        {"name": "a", "weight": 500, "weightType": "variable"},
        {"name": "b", "weight": 500, "weightType": "variable"},
    ]
    one = state(rollout("a", variants=two), rollout("b")).fingerprint
    assert one == state(rollout("b", ident="z", sortOrder=7), rollout("a", ident="y", variants=scaled)).fingerprint
    assert one != state(rollout("a", 26, variants=two), rollout("b")).fingerprint
    assert one != state(rollout("a", variants=two, disabled=True), rollout("b")).fingerprint
    assert one != state(rollout("a", variants=two), rollout("b"), enabled=False).fingerprint


def test_the_undo_of_our_own_change_is_the_exact_state_before() -> None:
    before = state(rollout("ramp", 0), enabled=False)
    planned = expose(before, 25)
    undo = restore(planned.before, planned.after, flag_state("f", "development", planned.after))
    assert not isinstance(undo, Already | Diverged)
    assert fingerprint(undo.after) == before.fingerprint
    assert undo.widens is False


def test_an_undo_of_what_is_undone_already_writes_nothing() -> None:
    before = state(rollout("ramp", 0), enabled=False)
    planned = expose(before, 25)
    assert isinstance(restore(planned.before, planned.after, before), Already)


def test_a_flag_we_created_is_switched_off_and_kept() -> None:
    created = target(
        missing("f", "development"),
        FlagSpec(create="release", enabled=True, strategies=(StrategySpec(title="ramp", rollout=10),)),
    )
    undo = restore(created.before, created.after, flag_state("f", "development", created.after))
    assert not isinstance(undo, Already | Diverged)
    assert undo.after["exists"] is True
    assert undo.after["enabled"] is False


def test_ours_takes_back_our_percentage_and_leaves_a_foreign_strategy_byte_by_byte() -> None:
    before = state(rollout("ramp", 0))
    planned = expose(before, 25)
    foreign = rollout("support", 100, constraints=[{"contextName": "userId", "operator": "IN", "values": ["user-1"]}])
    now = state(*planned.after["strategies"], foreign)
    undo = restore(planned.before, planned.after, now)
    assert isinstance(undo, Diverged)
    assert undo.ours.after["strategies"] == [before.raw["strategies"][0], foreign]
    assert undo.ours.widens is False
    assert undo.kill.after["enabled"] is False
    assert undo.differences == ("strategy 'support' is new: 100% where userId IN user-1",)


def test_ours_never_takes_an_untitled_strategy_for_our_own() -> None:
    planned = target(state(rollout("base", 5)), FlagSpec(add=(StrategySpec(rollout=50),)))
    theirs = rollout("", 80, ident="theirs")
    mine = {**planned.after["strategies"][1], "id": "mine"}
    now = state(rollout("base", 5), mine, theirs)
    undo = restore(planned.before, planned.after, now)
    assert isinstance(undo, Diverged)
    assert theirs in undo.ours.after["strategies"]
    assert mine not in undo.ours.after["strategies"]


def test_going_off_switches_first_and_going_on_switches_last() -> None:
    off = state(rollout("ramp", 0), enabled=False)
    up = expose(off, 5)
    assert [op.what for op in operations("p", "f", "development", up.before, up.after)] == [
        "change strategy 'ramp'",
        "switch f on in development",
    ]
    assert [op.what for op in operations("p", "f", "development", up.after, up.before)] == [
        "switch f off in development",
        "change strategy 'ramp'",
    ]


def test_strategies_are_added_before_the_old_ones_go() -> None:
    planned = target(state(rollout("old")), FlagSpec(strategies=(StrategySpec(title="new", rollout=5),)))
    names = [op.what for op in operations("p", "f", "development", planned.before, planned.after)]
    assert names == ["add strategy 'new'", "remove strategy 'old'"]


def test_a_hostile_flag_name_stays_one_segment_of_the_path() -> None:
    planned = target(missing("a/../b?x", "development"), FlagSpec(create="release"))
    ops = operations("p", "a/../b?x", "development", planned.before, {**planned.after, "tags": ["simple:q"]})
    assert "/a%2F..%2Fb%3Fx/" in ops[1].path


CONSTRAINTS: list[list[dict[str, Any]]] = [
    [],
    [{"contextName": "tenantId", "operator": "IN", "values": ["t1"]}],
    [{"contextName": "userId", "operator": "IN", "values": ["user-1", "user-2"]}],
]


@st.composite
def flags(draw: st.DrawFn) -> FlagState:
    strategies = [
        rollout(
            f"s{n}",
            draw(st.sampled_from([0, 1, 25, 50, 100])),
            disabled=draw(st.booleans()),
            constraints=draw(st.sampled_from(CONSTRAINTS)),
            parameters={
                "rollout": str(draw(st.sampled_from([0, 10, 60, 100]))),
                "stickiness": draw(st.sampled_from(["userId", "sessionId"])),
                "groupId": draw(st.sampled_from(["f", "g"])),
            },
        )
        for n in range(draw(st.integers(0, 3)))
    ]
    return state(*strategies, enabled=draw(st.booleans()))


@settings(deadline=None)
@given(before=flags(), after=flags())
def test_a_change_called_not_widening_gives_the_flag_to_no_new_user(before: FlagState, after: FlagState) -> None:
    if widens(before.raw, after.raw):
        return
    had = Evaluator.of([before]).users("f", USERS)
    has = Evaluator.of([after]).users("f", USERS)
    assert has <= had


@settings(deadline=None)
@given(before=flags(), ours=flags(), foreign=flags())
def test_an_undo_exposes_no_more_than_before_and_what_others_added(
    before: FlagState, ours: FlagState, foreign: FlagState
) -> None:
    theirs = [
        {**one, "id": f"foreign-{one['id']}", "title": f"foreign {one['title']}"} for one in foreign.raw["strategies"]
    ]
    after = {**ours.raw, "strategies": [{**one, "id": f"new-{one['id']}"} for one in ours.raw["strategies"]]}
    now = flag_state("f", "development", {**after, "strategies": [*after["strategies"], *theirs]})
    undo = restore(before.raw, after, now)
    match undo:
        case Already(observed=end):
            pass
        case Diverged(ours=planned):
            end = planned.after
            kept = [one for one in end["strategies"] if str(one.get("id", "")).startswith("foreign-")]
            assert kept == theirs
        case _:
            end = undo.after
    has = Evaluator.of([flag_state("f", "development", end)]).users("f", USERS)
    was = Evaluator.of([before]).users("f", USERS)
    added = Evaluator.of([flag_state("f", "development", {**foreign.raw, "enabled": True, "strategies": theirs})])
    assert has <= was | (added.users("f", USERS) if theirs else frozenset())


def test_a_plan_that_cannot_be_told_counts_as_everybody() -> None:
    assert state(rollout(share="150")).exposure == 100
    assert state(rollout() | {"name": "userWithId"}).exposure == 100
    assert state().exposure == 100
    with pytest.raises(Invalid):
        write(state(), state().raw)
