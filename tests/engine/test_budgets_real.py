"""Error budgets of a real Prometheus: what was spent in two windows, in how many minutes, and what is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from amplify_tui.adapters.poll import Target
from amplify_tui.adapters.ports import MetricSource
from amplify_tui.adapters.prometheus import Prometheus
from amplify_tui.adapters.scrape import ScrapeSource
from amplify_tui.engine.board import Board
from amplify_tui.engine.budgets import Budgets
from amplify_tui.playbook.model import Condition, Slo
from amplify_tui.run.shapes import TriggerSpec
from amplify_tui.run.state import State, TriggerState
from amplify_tui.verdict.gate import judge_term
from amplify_tui.verdict.model import BudgetReading, Expected, Term
from tests.conftest import real_prometheus
from tests.engine.engine_helpers import only
from tests.real import services

pytestmark = pytest.mark.real
SLO = Slo(
    objective=0.99,
    window=7200.0,
    source="prom",
    bad='sum(increase(hits_total{code="500"}[$window]))',
    total="sum(increase(hits_total[$window]))",
)
WINDOWS = (3600.0, 300.0)


def history(now: int, every: int, *, failing: bool = True) -> str:
    """Two hours of 10 requests a second; in the last ten minutes half of them fail, or nobody calls any more."""
    good: list[str] = []
    bad: list[str] = []
    failed = 0
    for at in range(now - 7200, now + 1, every):
        failed += 5 * every if at > now - 600 and failing else 0
        called = (at if failing else min(at, now - 600)) - now + 7200
        good.append(f'hits_total{{code="200"}} {called * 10 - failed} {at}')
        bad.append(f'hits_total{{code="500"}} {failed} {at}')
    return "\n".join(["# TYPE hits counter", *good, *bad, "# EOF\n"])


@pytest.fixture(scope="module", params=[15, 50, 60], ids=["each 15 s", "each 50 s", "once a minute"])
def server(request: pytest.FixtureRequest) -> Iterator[services.Prometheus]:
    with real_prometheus(openmetrics=history(int(time.time()), request.param)) as running:
        yield running


@contextmanager
def serving(past: str) -> Iterator[Prometheus]:
    """A source whose server knows *past*."""
    with real_prometheus(openmetrics=past) as running:
        yield Prometheus(running.url, source="prom")


def asking(term: Term) -> State:
    return State(triggers={"burn": TriggerState(spec=TriggerSpec(id="burn", term=term))})


def burning(burn: float, **more: Any) -> Term:
    return Term(id="burn", condition=Condition(slo="shop", burn=burn, **more), slo=SLO)


async def told(source: MetricSource | None, term: Term) -> tuple[Board, BudgetReading]:
    board = Board()
    await Budgets(only(source), board, lambda: asking(term)).read()
    (reading,) = board.evidence().budgets
    return board, reading


async def test_what_was_spent_is_told_by_windows_and_minutes_and_a_trigger_fires(server: services.Prometheus) -> None:
    source = Prometheus(server.url, source="prom")
    board, reading = await told(source, burning(14.4))
    await source.aclose()
    assert (reading.status, reading.windows) == ("ok", WINDOWS)
    assert reading.long.bad / reading.long.total == pytest.approx(1 / 12, rel=0.2)
    assert reading.short.bad / reading.short.total == pytest.approx(0.5, rel=0.1)
    assert 5 <= reading.long.minutes <= 12
    assert 2 <= reading.short.minutes <= 6
    assert reading.left == pytest.approx(1 - 0.5 * 600 / 7200 / 0.01, rel=0.2)
    now = reading.received_at
    for burn, answer in ((5.0, "fail"), (14.4, "pass")):  # half of ten minutes is 8.3 times the budget of an hour
        assert judge_term(burning(burn), board.evidence(), Expected(since=now - 60), now).answer == answer


async def test_too_few_scrapes_for_the_short_window_are_said_and_longer_windows_serve() -> None:
    with serving(history(int(time.time()), 240)) as source:
        _, blind = await told(source, burning(14.4))
        _, reading = await told(source, burning(6, windows=(6 * 3600.0, 1800.0)))
        await source.aclose()
    assert blind.status != "ok"
    assert reading.status == "ok"
    assert reading.short.bad > 2000


async def test_a_service_that_nobody_calls_any_more_burns_nothing_and_is_not_blind() -> None:
    with serving(history(int(time.time()), 15, failing=False)) as source:
        board, reading = await told(source, burning(14.4))
        await source.aclose()
    assert (reading.status, reading.short.total) == ("ok", 0.0)
    now = reading.received_at
    assert judge_term(burning(14.4), board.evidence(), Expected(since=now - 60), now).answer == "pass"


async def test_what_is_not_due_is_not_asked_again(server: services.Prometheus) -> None:
    source = Prometheus(server.url, source="prom")
    board = Board()
    budgets = Budgets(only(source), board, lambda: asking(burning(2)))
    await budgets.read()
    await budgets.read()
    await source.aclose()
    assert len(board.evidence().budgets) == 1


async def test_nobody_who_judges_by_it_is_nobody_who_asks(server: services.Prometheus) -> None:
    board = Board()
    await Budgets(only(None), board, State).read()
    assert board.evidence().budgets == ()


async def test_a_source_that_cannot_tell_is_an_error_in_words() -> None:
    _, absent = await told(None, burning(2))
    assert (absent.status, absent.note) == ("error", "there is no source prom")
    scrape = ScrapeSource([Target(service="api", instance="api-1", url="http://127.0.0.1:9")], source="own", every=5.0)
    _, blind = await told(scrape, burning(2))
    await scrape.aclose()
    assert blind.status == "error"
    assert "cannot be asked about its past" in blind.note
    down = Prometheus("http://127.0.0.1:9", source="prom")
    _, refused = await told(down, burning(2))
    await down.aclose()
    assert refused.status == "error"
    assert "no connection" in refused.note
