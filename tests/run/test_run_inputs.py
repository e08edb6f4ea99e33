"""Values that people give: typed, bounded, and never a way to have a secret sent along."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.playbook.context import secret_marker
from amplify_tui.playbook.model import Input
from amplify_tui.run.inputs import complaint, read_value, written

MARK = secret_marker("UNLEASH_TOKEN")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("2h30m", 9000.0), ("1d", 86400.0), ("250ms", 0.25)])
def test_a_duration_is_read_as_a_playbook_writes_it(text: str, seconds: float) -> None:
    assert read_value(Input(type="duration"), text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "90", "1m1h", "-5s"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="like 90s"):
        read_value(Input(type="duration"), text)


VALUES = (
    st.tuples(st.just(Input(type="duration")), st.integers(0, 10_000_000).map(lambda ms: ms / 1000))
    | st.tuples(st.just(Input(type="int")), st.integers(-(10**9), 10**9))
    | st.tuples(st.just(Input(type="number")), st.floats(-1e9, 1e9))
    | st.tuples(st.just(Input(type="bool")), st.booleans())
    | st.tuples(st.just(Input(type="list", of="duration")), st.lists(st.integers(0, 10**6).map(float), max_size=4))
    | st.tuples(st.just(Input(type="list", of="string")), st.lists(st.from_regex(r"[a-z/:.-]{1,9}", fullmatch=True)))
)


@given(VALUES)
def test_a_value_is_shown_in_a_form_as_it_has_to_be_typed(of: tuple[Input, Any]) -> None:
    spec, value = of
    assert read_value(spec, written(spec, value)) == pytest.approx(value)


@pytest.mark.parametrize("value", [5, 0.5, "5s"])
def test_a_duration_may_come_in_seconds_or_as_text(value: object) -> None:
    assert complaint(Input(type="duration"), value) == ""


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "soon", True, None])
def test_a_duration_that_is_none_is_refused(value: object) -> None:
    assert complaint(Input(type="duration"), value)


@pytest.mark.parametrize("kind", ["string", "semver", "choice"])
def test_the_marker_of_a_secret_is_refused_in_every_other_type(kind: str) -> None:
    spec = Input(type=kind, choices=(f"x{MARK}",) if kind == "choice" else ())  # type: ignore[arg-type]  # the three above
    assert "secret" in complaint(spec, f"x{MARK}")


def test_the_marker_of_a_secret_is_refused_inside_a_list() -> None:
    assert "secret" in complaint(Input(type="list", of="string"), ["a", MARK])


def test_a_secret_is_named_and_its_value_is_neither_taken_nor_repeated() -> None:
    spec = Input(type="secret")
    assert complaint(spec, MARK) == ""
    for wrong in ("hunter2", f"{MARK}hunter2", MARK[:-1], 7):
        said = complaint(spec, wrong)
        assert said
        assert "hunter2" not in said


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_passes_no_bound(value: float) -> None:
    assert complaint(Input(type="number", min=0, max=10), value)


def test_no_part_of_a_value_is_left_out_when_it_is_compared_with_its_pattern() -> None:
    spec = Input(type="string", pattern="[a-z]+")
    assert complaint(spec, "a" * 1000) == ""
    assert "compared" in complaint(spec, "a" * 5000 + "; reboot")


def test_each_item_of_a_list_has_its_type() -> None:
    spec = Input(type="list", of="number")
    assert complaint(spec, [1, 2.5]) == ""
    assert "number" in complaint(spec, [1, "two"])


@pytest.mark.parametrize(("kind", "words"), [("int", "whole number"), ("number", "no number")])
def test_a_word_where_a_number_is_wanted_is_said_in_words(kind: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_value(Input(type=kind), "many")  # type: ignore[arg-type]  # the two above
