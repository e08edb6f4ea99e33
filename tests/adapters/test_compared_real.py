"""A comparison on a real Prometheus: cohorts of back-filled series, polled and judged as a run does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from amplify_tui.adapters.ports import Query
from amplify_tui.adapters.prometheus import Prometheus
from amplify_tui.playbook.model import Cohorts, Condition, Signal
from amplify_tui.verdict.gate import judge_term
from amplify_tui.verdict.model import Evidence, Expected, Reading, Term, TermVerdict
from amplify_tui.verdict.trial import Trial
from amplify_tui.verdict.trials import Asking, advance
from tests.conftest import real_prometheus
from tests.real import services

pytestmark = pytest.mark.real

CONFIG = """
global: {scrape_interval: 1s}
scrape_configs: [{job_name: self, static_configs: [{targets: ["SELF"]}]}]
"""
STEP, MINUTES = 5, 25
PER_STEP = {"on": (100, 5), "worse": (100, 25), "off": (300, 15)}  # requests in 5 s, and the bad ones among them


def history(base: int) -> str:
    """Counters by variant, a sample each 5 s. One variant is as control, one five times as bad."""
    rows = []
    for variant, (total, bad) in sorted(PER_STEP.items()):
        for code, each in (("200", total - bad), ("500", bad)):
            rows += [
                f'hits_total{{code="{code}",variant="{variant}"}} {i * each} {base + i * STEP}'
                for i in range(MINUTES * 60 // STEP + 1)
            ]
    return "# TYPE hits counter\n" + "\n".join(sorted(rows, key=lambda row: row.split(" ")[0])) + "\n# EOF\n"


@pytest.fixture(scope="module")
def base() -> int:
    return int(time.time()) // 60 * 60 - 3600


@pytest.fixture(scope="module")
def server(base: int) -> Iterator[services.Prometheus]:
    with real_prometheus(CONFIG, openmetrics=history(base)) as running:
        yield running


SIGNAL = Signal(
    golden="errors",
    source="prom",
    bad='sum(rate(hits_total{code="500",variant="$cohort"}[30s]))',
    total='sum(rate(hits_total{variant="$cohort"}[30s]))',
    every=10.0,
    cohorts=Cohorts(treatment="on", control="off"),
)
TERM = Term(id="errors", condition=Condition(signal="errors", worse_than="control", by=0.2), signal=SIGNAL)
EVERY, BLOCKS = 10, 40


def queries() -> list[Query]:
    assert SIGNAL.bad is not None
    assert SIGNAL.total is not None
    bad, total = SIGNAL.bad, SIGNAL.total
    return [
        Query(signal=name, bad=bad.replace("$cohort", name), total=total.replace("$cohort", name)) for name in PER_STEP
    ]


@pytest.fixture(scope="module")
def polls(server: services.Prometheus, base: int) -> list[list[Reading]]:
    """What each poll answered, of each variant in turn, as if it had arrived then."""

    async def read() -> list[list[Reading]]:
        source = Prometheus(server.url, source="prom")
        try:
            times = range(base + 120, base + 120 + 30 * (BLOCKS - 1) + 1, EVERY)
            return await asyncio.gather(*(source.read(queries(), float(at)) for at in times))
        finally:
            await source.aclose()

    return [[replace(one, received_at=one.data_at) for one in found] for found in asyncio.run(read())]


def compared(polls: list[list[Reading]], treatment: str) -> tuple[Trial, TermVerdict]:
    """The trial, advanced at each poll by the readings of the last five minutes, and what is said at the end."""
    names = {treatment: "treatment", "off": "control"}
    mine = [
        [replace(one, signal="errors", cohort=names[one.signal]) for one in found if one.signal in names]  # type: ignore[arg-type]
        for found in polls
    ]
    asking = Asking(ref="ramp", since=mine[0][0].window_from, terms=(TERM,))
    trials: dict[str, Trial] = {}
    for place in range(len(mine)):
        recent = tuple(one for found in mine[max(0, place - 30) : place + 1] for one in found)
        now = recent[-1].received_at
        trials |= advance(trials, [asking], Evidence(signals=recent), now)
        verdict = judge_term(
            TERM, Evidence(signals=recent), Expected(since=asking.since, trials=trials, ref="ramp"), now
        )
    (trial,) = trials.values()
    return trial, verdict


def test_each_request_of_a_rate_over_many_polls_is_counted_once(polls: list[list[Reading]]) -> None:
    trial, verdict = compared(polls, "on")
    tally = trial.phases["ramp"]
    assert trial.blocks == BLOCKS
    assert tally.total == pytest.approx(BLOCKS * 30 / STEP * 100, rel=0.01)
    assert tally.control_total == pytest.approx(BLOCKS * 30 / STEP * 300, rel=0.01)
    assert verdict.answer == "pass"
    assert verdict.reason.startswith("errors 5 % against 5 % in control: not shown worse")


def test_a_variant_that_is_five_times_as_bad_fails(polls: list[list[Reading]]) -> None:
    trial, verdict = compared(polls, "worse")
    assert verdict.answer == "fail"
    assert verdict.reason.startswith("errors 25 % against 5 % in control: shown worse at odds of")
    assert trial.fail.blocks == BLOCKS
