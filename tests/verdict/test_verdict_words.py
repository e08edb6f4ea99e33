"""How numbers read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.verdict import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.04, "0.1s"),
        (0.4, "0.4s"),
        (12.0, "12s"),
        (59.7, "1m"),
        (60.0, "1m"),
        (130.0, "2m10s"),
        (3599.9, "1h"),
        (3900.0, "1h5m"),
        (86400.0, "1d"),
        (93600.0, "1d2h"),
        (-3.0, "0s"),
        (math.nan, "unknown"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@given(st.floats(0, 1e7))
def test_a_duration_never_shows_sixty_of_a_unit(seconds: float) -> None:
    assert not words.duration(seconds).endswith(("60s", "60m", "24h"))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0011, "share", "0.11 %"),
        (0.01, "share", "1 %"),
        (0.9995, "share", "100 %"),
        (0.0, "share", "0 %"),
        (0.412, "latency", "412 ms"),
        (0.0, "latency", "0 ms"),
        (1.24, "latency", "1.24 s"),
        (15800.0, "number", "15 800"),
        (0.8, "number", "0.8"),
        (math.nan, "number", "unknown"),
    ],
)
def test_a_quantity_reads_in_its_unit(value: float, unit: words.Unit, text: str) -> None:
    assert words.quantity(value, unit) == text


def test_two_different_numbers_are_told_apart() -> None:
    assert words.against(0.01004, 0.01, "share") == ("1.004 %", "1 %")
    assert words.against(0.9995, 1.0, "share") == ("99.95 %", "100 %")
    assert words.against(0.01, 0.01, "share") == ("1 %", "1 %")
    assert words.against(0.412, 0.378, "latency") == ("412 ms", "378 ms")


def test_counts_rates_and_lists() -> None:
    assert words.count(5210) == "5 210"
    assert words.rate(1.4) == "1.4/s"
    assert words.rate(0.05) == "3/min"
    assert words.plural(1, "request") == "1 request"
    assert words.plural(5210, "request") == "5 210 requests"
    assert words.listing(["a", "b"]) == "a; b"
    assert words.listing(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"
