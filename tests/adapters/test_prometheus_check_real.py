"""What `check --live` says of a signal's queries, from a real Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from amplify_tui.adapters.ports import Problem, Query
from amplify_tui.adapters.prometheus import Prometheus
from tests.adapters.raw_server import raw_server, reply
from tests.conftest import real_prometheus
from tests.real import services

pytestmark = pytest.mark.real


def history(base: int) -> str:
    rows = [
        f'hits_total{{code="200",variant="{variant}"}} {step * 100} {base + step * 15}'
        for variant in ("on", "off")
        for step in range(80)  # some of it is yet to come: a slow machine sees no end
    ]
    return "\n".join(["# TYPE hits counter", *rows, "# EOF\n"])


@pytest.fixture(scope="module")
def server() -> Iterator[services.Prometheus]:
    """Ten minutes of traffic up to now, without an error; it keeps two days."""
    config = "global: {scrape_interval: 1s}\n"
    with real_prometheus(config, openmetrics=history(int(time.time()) - 600), retention="2d") as running:
        yield running


async def told(prometheus: Prometheus, **query: str) -> list[Problem]:
    return await prometheus.check([Query(signal="errors", **query)])  # type: ignore[arg-type]


GOOD = 'sum(rate(hits_total{variant="on"}[5m]))'
BAD = 'sum(rate(hits_total{code=~"5..",variant="on"}[5m]))'


async def test_a_service_without_an_error_yet_is_as_it_should_be(prometheus: Prometheus) -> None:
    assert await told(prometheus, bad=BAD, total=GOOD) == []


async def test_a_syntax_error_is_told_in_the_servers_words_at_the_signals_place(prometheus: Prometheus) -> None:
    (problem,) = await told(prometheus, bad="sum(rate(hits_total[5m])", total=GOOD)
    assert (problem.severity, problem.where) == ("error", "signals.errors.bad")
    assert "parse error: unclosed left parenthesis" in problem.what


async def test_a_query_by_instance_is_looked_at_too(prometheus: Prometheus) -> None:
    assert await told(prometheus, bad=BAD, total=GOOD, by_instance="sum by (variant) (rate(hits_total[5m]))") == []
    (alone,) = await told(prometheus, bad=BAD, total=GOOD, by_instance="sum(rate(hits_total[5m]))")
    assert (alone.severity, alone.where) == ("warning", "signals.errors.by_instance")
    (broken,) = await told(prometheus, bad=BAD, total=GOOD, by_instance="sum by (variant) (rate(")
    assert (broken.severity, "parse error" in broken.what) == ("error", True)


async def test_several_series_are_an_error_that_says_to_aggregate(prometheus: Prometheus) -> None:
    (problem,) = await told(prometheus, bad=BAD, total="rate(hits_total[5m])")
    assert (problem.severity, problem.where) == ("error", "signals.errors.total")
    assert (problem.what, problem.fix) == (
        "the query answers 2 series",
        "wrap the query in sum(...) or another aggregation",
    )


async def test_a_metric_that_does_not_exist_is_a_warning_and_for_bad_says_that_it_may_be_fine(
    prometheus: Prometheus,
) -> None:
    bad, total = await told(prometheus, bad="sum(rate(errors_total[5m]))", total="sum(rate(hist_total[5m]))")
    assert (bad.severity, bad.what) == ("warning", "there is no metric errors_total")
    assert "counts as 0 errors" in bad.fix
    assert (total.severity, total.what) == ("warning", "there is no metric hist_total")
    assert "scraped" in total.fix


async def test_a_cohort_that_matches_nothing_is_named_with_what_there_is(prometheus: Prometheus) -> None:
    text = 'sum(rate(hits_total{variant="blue"}[5m]))'
    found = await told(
        prometheus, bad=text.replace("{", '{code="500",'), total=text, cohort="treatment", cohort_value="blue"
    )
    assert [problem.where for problem in found] == ["signals.errors.bad", "signals.errors.total"]
    for problem in found:
        said = 'the cohort treatment matches nothing: no series of hits_total has variant="blue"'
        assert (problem.severity, problem.what) == ("warning", said)
        assert problem.fix == "it has off, on"


async def test_a_condition_that_only_looks_like_the_cohort_is_not_taken_for_it(prometheus: Prometheus) -> None:
    """ "on" is in "exception" too; errors of that reason have simply not happened yet."""
    bad = 'sum(rate(hits_total{variant="on",reason="exception"}[5m]))'
    assert await told(prometheus, bad=bad, total=GOOD, cohort="treatment", cohort_value="on") == []


async def test_a_label_that_nothing_has_is_named(prometheus: Prometheus) -> None:
    (problem,) = await told(prometheus, bad=BAD, total='sum(rate(hits_total{colour="x"}[5m]))')
    assert problem.what == 'the condition matches nothing: no series of hits_total has colour="x"'
    assert problem.fix == "no series of it has the label colour"


async def test_a_window_longer_than_the_retention_is_told_and_one_older_than_the_data(prometheus: Prometheus) -> None:
    long = 'sum(rate(hits_total{variant="on"}[3d]))'
    (kept,) = await told(prometheus, bad=long, total=GOOD)
    assert kept.what == "it looks back 3d, and the server keeps 2d"
    (young,) = await told(prometheus, bad=long.replace("3d", "1h"), total=GOOD)
    assert (young.severity, young.what) == ("warning", "it looks back 1h, and hits_total began after that")


async def test_a_past_that_the_server_no_longer_keeps_is_told(prometheus: Prometheus) -> None:
    week = Query(signal="errors", bad=BAD, total=GOOD, past=604800.0)
    (problem,) = await prometheus.check([week])
    assert (problem.severity, problem.where) == ("error", "signals.errors")
    assert problem.what == "it is compared with the hour around 7d ago, and the server keeps 2d"


async def test_a_past_of_which_there_is_no_data_yet_is_a_warning(prometheus: Prometheus) -> None:
    day = Query(signal="errors", bad=BAD, total=GOOD, past=86400.0)
    (problem,) = await prometheus.check([day])
    assert (problem.severity, problem.what) == ("warning", "hits_total has no data of 1d ago")


async def test_a_range_that_no_two_samples_fit_into_is_told_with_one_that_would_do(prometheus: Prometheus) -> None:
    (problem,) = await told(prometheus, bad=BAD, total=GOOD.replace("5m", "10s"))
    assert (problem.severity, problem.where) == ("warning", "signals.errors.total")
    assert problem.what == "its range of 10s holds no two samples of hits_total, which come each 15s"
    assert problem.fix == "write [1m] or more, or scrape more often"


async def test_a_partial_answer_is_told() -> None:
    body = '{"status":"success","warnings":["store eu is gone"],"data":{"resultType":"scalar","result":[1,"3"]}}'
    async with raw_server(reply(body)) as server:
        source = Prometheus(server.url, source="prom")
        (problem,) = await told(source, value="a")
        await source.aclose()
    assert problem.what == "the server answers with a warning: store eu is gone"


async def test_a_server_that_is_down_is_one_problem_and_not_one_for_each_query() -> None:
    source = Prometheus("http://127.0.0.1:9", source="prom")
    (problem,) = await told(source, bad=BAD, total=GOOD)
    assert problem.what.startswith("no connection")
    await source.aclose()
