"""What can be told of an expression without its server."""

from __future__ import annotations

import pytest

from amplify_tui.adapters.promql import lookback, metrics


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("sum(rate(a[1m])) / sum(rate(b[2m30s]))", 150),
        ("max_over_time(rate(a[1m])[10m:30s])", 660),
        ("rate(a[5m] offset 1h)", 3900),
        ('a{path="[9h]"}', 0),
    ],
)
def test_how_far_a_query_looks_back_is_never_less_than_it_does(text: str, seconds: float) -> None:
    assert lookback(text) == seconds


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('sum(rate(hits_total{code=~"5.."}[1m]))', ['hits_total{code=~"5.."}']),
        ("sum by (le, job) (rate(b[5m] offset 1h)) / on (job) group_left (x) sum(c)", ["b", "c"]),
        ('histogram_quantile(0.99, sum by (le) (rate(s_bucket{job="a",le!~"x}y"}[2m])))', ['s_bucket{job="a",le!~"x}y"}']),
        ('count_values("version", build{a="1"}) or vector(1e3)', ['build{a="1"}']),
        ("a > bool 1 and on() b unless job:c:rate5m", ["a", "b", "job:c:rate5m"]),
        ("avg without (instance) (up) + up", ["up"]),
        ('{__name__="x"}', []),
        ("1 + NaN", []),
    ],
)  # fmt: skip
def test_the_selectors_of_an_expression_are_found_and_nothing_else_is_taken_for_one(
    text: str, names: list[str]
) -> None:
    assert [str(one) for one in metrics(text)] == names
