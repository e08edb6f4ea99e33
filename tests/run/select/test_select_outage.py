"""One outage is said once, however many conditions it makes fail; and line 2 says when blindness has its consequence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from amplify_tui.run.select.headline import headline
from amplify_tui.run.select.outage import collapsed
from amplify_tui.run.shapes import OnBlindPlan
from amplify_tui.run.state import State
from amplify_tui.tui.example import stories

NO_DATA = "no data: a fresh reading last {}s ago, limit 7s"


def test_conditions_that_fail_alike_are_named_together_whatever_their_seconds() -> None:
    reason = f"errors: {NO_DATA.format(12)}; latency: {NO_DATA.format(11)}; exposure: 3 % seen"
    assert collapsed(reason) == f"errors, latency: {NO_DATA.format(12)}; exposure: 3 % seen"


def test_instances_that_say_the_same_are_named_together_across_conditions() -> None:
    silent = "checkout-1 does not answer for 3s; checkout-2 does not answer for 4s; ledger-1 is at 2.3"
    assert collapsed(f"health: {silent}; fleet: {silent}") == (
        "health, fleet: checkout-1, checkout-2: does not answer for 3s; ledger-1 is at 2.3"
    )


def test_what_a_source_said_is_collapsed_inside_its_parentheses_too() -> None:
    said = "the provider answers with errors (a-1: no answer; a-2: no answer): last 3s ago"
    assert collapsed(f"errors: {said}; latency: {said}") == (
        "errors, latency: the provider answers with errors (a-1, a-2: no answer): last 3s ago"
    )


@pytest.mark.parametrize(
    "reason", ["latency: 412 ms against 315 ms", "checkout-v3 changed: on → off", "all 5 conditions pass", ""]
)
def test_a_single_reason_stays_as_it_is(reason: str) -> None:
    assert collapsed(reason) == reason


@given(st.text(alphabet="ab1-:;() ,.s", max_size=60))
def test_any_text_is_collapsed_to_a_text_and_a_single_part_to_itself(reason: str) -> None:
    said = collapsed(reason)
    if "; " not in reason:
        assert said == reason


def blind(**plan: object) -> tuple[State, float]:
    story = stories.blind()
    return replace(story.state, on_blind=OnBlindPlan(**plan)), story.at  # type: ignore[arg-type]


def test_line_two_says_when_blindness_has_its_consequence() -> None:
    state, at = blind(after=120.0, do="ask")
    assert headline(state, at + 20).next == "no advance before data; holds and asks in 1m40s if still blind"
    state, at = blind(after=60.0, do="hold")
    assert headline(state, at + 20).next == "no advance before data; holds in 40s if still blind"
    state, at = blind(after=60.0, do="rollback")
    assert headline(state, at).next.endswith("rolls back in 1m if still blind")


def test_a_blind_rollback_that_cannot_happen_again_is_not_promised() -> None:
    state, at = blind(after=60.0, do="rollback")
    assert headline(replace(state, automatic_rollbacks=1), at).next.endswith("holds in 1m if still blind")


def test_a_problem_that_the_reason_tells_already_is_not_told_twice() -> None:
    story = stories.blind()
    said = headline(story.state, story.at, problem="no data for 2m30s")
    assert said.word == "going"
    assert headline(story.state, story.at, problem="the disk is full").word == "cannot go on"
