"""What `decide` would refuse is known before a dialog opens, in its own words; what readings decide is left to it."""

from __future__ import annotations

from typing import Any

import pytest

from amplify_tui.run import commands as c
from amplify_tui.run.decide import decide
from amplify_tui.run.select.possible import refusal_beforehand
from amplify_tui.run.select.words import refused
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.state import State
from amplify_tui.tui.example import stories

BY: dict[str, Any] = {"id": "1", "actor": "cap", "via": "key"}


@pytest.mark.parametrize("story", [stories.draft, stories.rolled_back, stories.done])
def test_an_order_on_a_draft_or_closed_run_is_refused_at_once_in_the_words_of_decide(story: Any) -> None:
    told = story()
    order = c.Advance(step="ramp", **BY)
    why = refusal_beforehand(told.state, order, told.at)
    assert why is not None
    assert why == decide(told.state, order, told.at)


def test_a_missing_reason_is_no_refusal_for_the_dialog_asks_for_it() -> None:
    told = stories.running()
    assert isinstance(decide(told.state, c.Skip(step="announce", **BY), told.at), Refusal)
    stuck = stories.stuck()
    assert refusal_beforehand(stuck.state, c.Retry(step="buy", key="checkout", **BY), stuck.at) is None
    assert refusal_beforehand(told.state, c.Note(text="", **BY), told.at) is None


def test_what_only_the_readings_decide_is_not_refused_beforehand() -> None:
    told = stories.running()
    assert refusal_beforehand(told.state, c.Advance(step="ramp", **BY), told.at) is None
    held = stories.held()
    why = refusal_beforehand(held.state, c.Advance(step="ramp", **BY), held.at)
    assert why is not None
    assert why.next == "wait for a pass, override, or go back"


def test_an_override_by_somebody_without_the_role_is_refused_before_anything_is_typed() -> None:
    held = stories.held()
    order = c.Override(step="ramp", conditions=("latency",), percent=25.0, **BY)
    assert refusal_beforehand(held.state, order, held.at) is None
    by_sre = c.Override(step="ramp", conditions=("latency",), percent=25.0, **(BY | {"actor": "sre"}))
    why = refusal_beforehand(held.state, by_sre, held.at)
    assert why is not None
    assert why.why == "sre does not hold the role captain"


def test_of_a_run_without_events_nothing_is_refused_here() -> None:
    assert refusal_beforehand(State(), c.Mitigate(**BY), 0.0) is None


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            ("the run is held already", "a person holds it", "release it to go on"),
            "the run is held already: a person holds it; release it to go on",
        ),
        (("DecideUndo is refused", "the run is closed.", ""), "decide undo is refused: the run is closed"),
        (("Cap cannot approve go", "", "ask somebody"), "Cap cannot approve go; ask somebody"),
        (("nothing is done", "", ""), "nothing is done"),
    ],
)
def test_every_refusal_has_one_form(parts: tuple[str, str, str], words: str) -> None:
    assert refused(*parts) == words
