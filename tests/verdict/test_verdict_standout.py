"""Which instance stands out: the one far from its peers is named with its number, and nobody is where nobody is."""

from __future__ import annotations

import pytest
from histories import WORLD, at, errors, pair
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from amplify_tui.verdict.gate import judge_term
from amplify_tui.verdict.model import Evidence, Part
from amplify_tui.verdict.standout import FAR, who


def shares(*values: float, n: float | None = 600.0) -> list[Part]:
    return [Part(f"checkout-{i}", value, n) for i, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (shares(0.002, 0.001, 0.003, 0.069), "checkout-4 6.9 %, others 0.1 % to 0.3 %"),
        (shares(0, 0, 0, 0.069), "checkout-4 6.9 %, others 0 %"),
        (shares(0.02, 0.03), "2 instances alike, 2 % to 3 %"),
        (shares(0, 0, 0), "3 instances alike, 0 %"),
        (shares(0.069), ""),
        ([], ""),
        ([*shares(0, 0), Part("checkout-3", 1.0, 1.0)], "2 instances alike, 0 %"),  # one request is no news
    ],
)
def test_the_one_that_is_far_from_its_peers_is_named(parts: list[Part], said: str) -> None:
    assert who(parts, "share") == said


def test_where_low_is_bad_the_lowest_is_named() -> None:
    assert who(shares(0.9, 0.95, 0.2), "share", below=True) == "checkout-3 20 %, others 90 % to 95 %"


def test_the_verdict_of_a_sum_names_the_instance_that_spoils_it() -> None:
    readings = [replace(pair(poll, 0.05), parts=tuple(shares(0.0, 0.2))) for poll in range(20)]
    verdict = judge_term(errors(), Evidence(signals=tuple(readings)), WORLD, at(19))
    assert (verdict.answer, verdict.who) == ("fail", "checkout-2 20 %, others 0 %")


@given(values=st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_nobody_is_named_whose_number_is_within_twice_that_of_the_next(values: list[float]) -> None:
    said = who(shares(*values), "share")
    worst, second = sorted(values, reverse=True)[:2]
    assert ("others" in said) == (worst > FAR * second)
