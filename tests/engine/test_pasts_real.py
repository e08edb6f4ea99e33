"""The same hour yesterday and last week, of a real Prometheus: what is asked, and what a gate says of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import pytest

from amplify_tui.adapters.poll import Target
from amplify_tui.adapters.ports import MetricSource
from amplify_tui.adapters.prometheus import Prometheus
from amplify_tui.adapters.scrape import ScrapeSource
from amplify_tui.engine.board import Board
from amplify_tui.engine.pasts import Pasts
from amplify_tui.engine.queries import queries_of
from amplify_tui.playbook.model import Condition, Signal, WorseThan
from amplify_tui.run.shapes import TriggerSpec
from amplify_tui.run.state import State, TriggerState
from amplify_tui.verdict.gate import judge_term
from amplify_tui.verdict.model import Evidence, Expected, PastReading, Term, TermVerdict
from amplify_tui.verdict.trials import Asking, advance
from tests.conftest import real_prometheus
from tests.engine.engine_helpers import only
from tests.real import services

pytestmark = pytest.mark.real
DAY = 86400
SCRAPED = 15
NOW_S = 900  # so long is there data of now: a phase of 15 minutes


def signal(service: str) -> Signal:
    selector = f'service="{service}"'
    return Signal(
        golden="latency",
        source="prom",
        value=f"sum(rate(took_sum{{{selector}}}[1m])) / sum(rate(took_count{{{selector}}}[1m]))",
        count=f"sum(rate(took_count{{{selector}}}[1m]))",
        window=60.0,
        every=15.0,
    )


def asking(service: str, when: WorseThan = "yesterday", by: float = 0.1) -> Term:
    condition = Condition(signal=service, worse_than=when, by=by)
    return Term(id=f"{service} vs {when}", condition=condition, signal=signal(service))


def shares(when: WorseThan = "last_week") -> Term:
    """The bad ones of the service that is called `worse` are a tenth today, and were a fiftieth a week ago."""
    found = Signal(
        golden="errors",
        source="prom",
        bad='sum(rate(hits_total{code="500"}[1m]))',
        total="sum(rate(hits_total[1m]))",
        window=60.0,
        every=15.0,
    )
    return Term(id="errors", condition=Condition(signal="errors", worse_than=when, by=0.5), signal=found)


def history(now: int) -> str:
    """Ten requests a second: an hour of a week ago, an hour of yesterday, and now.

    `worse` takes twice as long as yesterday, `alike` as long, `fresh` was not there.
    """
    spans = [(ago, -2700, 2700) for ago in (7 * DAY, DAY)] + [(0, -NOW_S - 120, 0)]
    took: dict[str, list[str]] = {"sum": [], "count": []}
    hits: list[str] = []
    for service, today in (("worse", 0.4), ("alike", 0.2), ("fresh", 0.2)):
        total = count = 0.0
        for ago, begin, end in spans:
            if ago and service == "fresh":
                continue
            for at in range(now - ago + begin, now - ago + end + 1, SCRAPED):
                wobble = 1.0 + 0.1 * ((at // SCRAPED * 7919) % 13 - 6) / 6
                count += 10 * SCRAPED
                total += 10 * SCRAPED * (0.2 if ago else today) * wobble
                took["sum"].append(f'took_sum{{service="{service}"}} {total:.6f} {at}')
                took["count"].append(f'took_count{{service="{service}"}} {count:.0f} {at}')
    for code in ("200", "500"):
        count = 0.0
        for ago, begin, end in spans:
            bad = 0.02 if ago else 0.1
            for at in range(now - ago + begin, now - ago + end + 1, SCRAPED):
                count += 10 * SCRAPED * (bad if code == "500" else 1.0 - bad)
                hits.append(f'hits_total{{code="{code}"}} {count:.3f} {at}')
    lines = ["# TYPE took summary", *took["sum"], *took["count"], "# TYPE hits counter", *hits, "# EOF\n"]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def server() -> Iterator[services.Prometheus]:
    with real_prometheus(openmetrics=history(int(time.time())), retention="15d") as running:
        yield running


@pytest.fixture
async def source(server: services.Prometheus) -> AsyncIterator[Prometheus]:
    made = Prometheus(server.url, source="prom")
    yield made
    await made.aclose()


def state(*terms: Term) -> State:
    return State(triggers={term.id: TriggerState(spec=TriggerSpec(id=term.id, term=term)) for term in terms})


async def told(source: MetricSource | None, *terms: Term) -> tuple[Board, tuple[PastReading, ...]]:
    board = Board()
    await Pasts(only(source), board, lambda: state(*terms)).read()
    return board, board.evidence().pasts


async def judged(source: Prometheus, term: Term) -> TermVerdict:
    """What a gate says whose phase began a quarter of an hour ago, with the readings that it polled since."""
    board, pasts = await told(source, term)
    assert term.condition is not None
    assert term.signal is not None
    now = time.time()
    queries = queries_of(term.condition.signal or "", term.signal)
    (polls,) = await source.range(queries, now - NOW_S + 60.0, now, 15.0)
    now = max(time.time(), *(one.received_at for one in pasts))
    evidence = Evidence(signals=tuple(polls), pasts=board.evidence().pasts)
    since = now - NOW_S
    trials = advance({}, [Asking(ref="ramp", since=since, terms=(term,))], evidence, now)
    return judge_term(term, evidence, Expected(since=since, ref="ramp", trials=trials), now)


async def test_a_service_twice_as_slow_as_yesterday_fails(source: Prometheus) -> None:
    said = await judged(source, asking("worse"))
    assert said.answer == "fail", said
    assert "ms yesterday: shown worse by" in said.reason
    assert said.value == pytest.approx(0.4, rel=0.05)
    assert said.control == pytest.approx(0.2, rel=0.05)


async def test_one_that_is_as_it_was_passes(source: Prometheus) -> None:
    said = await judged(source, asking("alike"))
    assert said.answer == "pass", said
    assert "not shown worse" in said.reason


async def test_one_that_was_not_there_yesterday_is_not_compared(source: Prometheus) -> None:
    said = await judged(source, asking("fresh"))
    assert (said.answer, said.applies) == ("undecided", False)
    assert "there was no data yesterday" in said.reason


async def test_more_errors_than_a_week_ago_fail(source: Prometheus) -> None:
    said = await judged(source, shares())
    assert said.answer == "fail", said
    assert "% last week: shown worse" in said.reason
    assert (said.value, said.control) == (pytest.approx(0.1, rel=0.05), pytest.approx(0.02, rel=0.05))


async def test_the_past_is_an_hour_around_this_time_of_day_in_the_blocks_of_the_signal(source: Prometheus) -> None:
    _, (reading,) = await told(source, asking("alike"), asking("alike", by=0.5))
    assert (reading.signal, reading.when, reading.status) == ("alike", "yesterday", "ok")
    assert 59 <= len(reading.levels) <= 61
    assert time.time() - reading.data_at == pytest.approx(DAY, abs=120)
    _, both = await told(source, asking("alike"), asking("alike", "last_week"))
    assert {one.when for one in both} == {"yesterday", "last_week"}


async def test_what_is_not_due_is_not_asked_again(source: Prometheus) -> None:
    board = Board()
    pasts = Pasts(only(source), board, lambda: state(asking("alike")))
    await pasts.read()
    await pasts.read()
    assert len(board.evidence().pasts) == 1
    assert len(board.now_only().pasts) == 1


async def test_nobody_who_compares_is_nobody_who_asks() -> None:
    alert = Term(
        id="alert",
        condition=Condition(signal="alert"),
        signal=Signal(golden="errors", source="prom", state={"alert": "HighErrorRate"}),
    )
    plain = Term(id="p99", condition=Condition(signal="alike", above=0.5), signal=signal("alike"))
    control = Term(id="c", condition=Condition(signal="alike", worse_than="control"), signal=signal("alike"))
    _, pasts = await told(None, alert, plain, control)
    assert pasts == ()


async def test_a_source_that_cannot_tell_is_an_error_in_words() -> None:
    _, (absent,) = await told(None, asking("alike"))
    assert (absent.status, absent.note) == ("error", "there is no source prom")
    scrape = ScrapeSource([Target(service="api", instance="api-1", url="http://127.0.0.1:9")], source="own", every=5.0)
    _, (blind,) = await told(scrape, asking("alike"))
    await scrape.aclose()
    assert (blind.status, "cannot be asked about its past" in blind.note) == ("error", True)


async def test_a_server_that_is_gone_is_an_error_in_words_and_no_pass() -> None:
    down = Prometheus("http://127.0.0.1:9", source="prom")
    said = await judged(down, asking("alike"))
    await down.aclose()
    assert said.answer == "error"
    assert "no connection" in said.reason


async def test_a_query_that_the_server_refuses_is_an_error_in_its_own_words(source: Prometheus) -> None:
    wrong = asking("alike")
    assert wrong.signal is not None
    bad = Signal(golden="latency", source="prom", value="sum(rate(", count="sum(rate(x[1m]))")
    _, (reading,) = await told(source, Term(id="x", condition=wrong.condition, signal=bad))
    assert reading.status == "error"
    assert "parse error" in reading.note
