"""Prometheus' text format and our selectors: what is read exactly, and what is refused with a reason."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.adapters.promtext import FormatError, parse, quantile, selector, value_query

PAGE = r"""
# HELP http_requests_total All requests.
# TYPE http_requests_total counter
http_requests_total{code="200",variant="on"} 12
http_requests_total{code="503",variant="on",path="/a\"b\\c\n{}"} 3 1700000000000
http_requests_total{ code = "200" , variant = "off", } 1e3
up 1
temperature{where="out"} -Inf
ratio NaN
latency_bucket{le="+Inf"} 4 # {trace_id="abc"} 0.5 1.6e9
"""


def test_names_labels_escapes_timestamps_exemplars_and_special_numbers_are_read() -> None:
    page = parse(PAGE)
    assert page["http_requests_total"][(("code", "200"), ("variant", "on"))] == 12
    assert page["http_requests_total"][(("code", "503"), ("path", '/a"b\\c\n{}'), ("variant", "on"))] == 3
    assert page["http_requests_total"][(("code", "200"), ("variant", "off"))] == 1000
    assert page["up"] == {(): 1.0}
    assert page["temperature"][(("where", "out"),)] == -math.inf
    assert math.isnan(page["ratio"][()])
    assert page["latency_bucket"][(("le", "+Inf"),)] == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html>", "line 1 is no sample"),
        ("up 1\nhttp_requests_tot", "line 2 is no sample"),
        ('up{a="1} 2', "line 1"),
        ("up{a=1} 2", "broken labels"),
        ("up one", "no number"),
        ("up 1\nup 2", "repeats up"),
        ("up 1\nhits_total 12", "middle of a line"),
        ("", "no sample"),
        ("# EOF", "no sample"),
    ],
)
def test_a_page_with_one_broken_line_is_no_page(text: str, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        parse(text)


def test_only_the_wanted_names_are_kept_but_every_line_is_checked() -> None:
    assert set(parse(PAGE, {"up"})) == {"up"}
    with pytest.raises(FormatError):
        parse(PAGE + "\njunk", {"up"})


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("http_requests_total", ["200", "200", "503"]),
        ('http_requests_total{code="200"}', ["200", "200"]),
        ('http_requests_total{code=~"5.."}', ["503"]),
        ('http_requests_total{code=~"5"}', []),
        ('http_requests_total{code!~"5..",variant!="off"}', ["200"]),
        ('http_requests_total{path=""}', ["200", "200"]),
        ('http_requests_total{ code =~ "2.*|503" , }', ["200", "200", "503"]),
        ("nothing", []),
    ],
)
def test_a_selector_chooses_as_promql_does(text: str, codes: list[str]) -> None:
    found = selector(text).of(parse(PAGE))
    assert sorted(dict(labels)["code"] for labels in found) == codes


@pytest.mark.parametrize(
    "text",
    ["rate(x[1m])", 'x{a="1"', 'x{a=~"("}', "x[1m]", 'x{a=~"' + "a" * 200 + '"}', "x + y", "", 'x{a>"1"}'],
)
def test_what_is_no_selector_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(FormatError):
        selector(text)


def test_a_value_names_its_quantile_or_the_average() -> None:
    assert value_query('p99 of latency{a="b"}').quantile == 0.99
    assert value_query("avg of queue").quantile is None
    with pytest.raises(FormatError, match="p99 of"):
        value_query("p42 of latency")


def test_a_quantile_is_linear_inside_its_bucket_and_stops_at_the_last_edge() -> None:
    buckets = {0.1: 50.0, 0.5: 90.0, 1.0: 100.0, math.inf: 110.0}
    assert quantile(0.5, buckets) == pytest.approx(0.1 + 0.4 * 5 / 40)
    assert quantile(0.99, buckets) == 1.0
    assert quantile(0.5, {0.1: 0.0, math.inf: 0.0}) is None
    assert quantile(0.5, {0.1: 5.0}) is None


@given(st.text())
def test_any_text_is_a_page_or_a_reason(text: str) -> None:
    with suppress(FormatError):
        assert parse(text)
