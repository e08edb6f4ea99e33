"""What applications evaluate of a run's flags is on the board while somebody gets them, and goes when nobody does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from amplify_tui.drill.world import World
from amplify_tui.engine.facts import locks_of
from amplify_tui.playbook.context import Context as Names
from amplify_tui.playbook.document import Document
from amplify_tui.playbook.model import Playbook
from amplify_tui.playbook.resolve import resolve
from amplify_tui.steps.cohorts import signal_of
from amplify_tui.verdict.model import ExposureReading
from tests.engine.crash_world import Bench, Runs, Watched, checked, flag_steps, playbook

pytestmark = pytest.mark.slow
USAGE = "seen:flags/checkout-v3:usage"
COUNTED = "seen:flags/checkout-v3:errors"
REQUESTS = 'http_requests_total{job="checkout",%svariant="$cohort"}'
COHORTS = {"treatment": "on", "control": "off"}


def document(bench: Bench, facts: dict[str, Any]) -> Document:
    """The ramp of a flag with a signal by cohorts; its SDKs report within 3 s."""
    prepare, ramp = flag_steps(bake="60s")
    ramp["rollout"]["gate"] = ["health", "errors"]
    raw = json.loads(playbook(facts, [prepare, ramp]))
    raw["sources"]["flags"]["report"] = "3s"
    raw["sources"]["shop"] = {"scrape": "checkout", "every": "500ms"}
    raw["signals"] = {
        "errors": {
            "golden": "errors",
            "source": "shop",
            "bad": REQUESTS % 'code=~"5..",',
            "total": REQUESTS % "",
            "cohorts": COHORTS,
            "every": "500ms",
            "window": "5s",
            "min_samples": 1,
            "limit": {"above": "50%", "for": "60s"},
        }
    }
    return checked(json.dumps(raw), bench.folder / "playbook.yaml")


def on_board(watched: Watched, key: str, is_it: Callable[[ExposureReading], bool]) -> Callable[[Any], bool]:
    def check(_state: Any) -> bool:
        value = watched.board.get(key)
        return value is not None and is_it(msgspec.convert(value, ExposureReading))

    return check


async def test_the_share_seen_is_on_the_board_from_both_origins_and_goes_with_the_exposure(
    world: World, bench: Bench, runs: Runs
) -> None:
    folder = runs.create(document(bench, world.facts()))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("PhaseEntered", step="ramp", i=0)
        for key in (USAGE, COUNTED):
            await watched.until(on_board(watched, key, lambda one: one.n >= 40), f"{key} counts something")
            found = msgspec.convert(watched.board[key], ExposureReading)
            assert found.asked is not None
            assert (found.status, found.asked.low) == ("ok", 0.5)
            assert found.share is not None
            assert 0.2 < found.share < 0.8
        assert (await watched.do("Rollback", reason="enough")).ok
        assert await watched.closed() == "rolled_back"
        gone = [key for key in (USAGE, COUNTED) if watched.board.get(key) is not None]
        await watched.until(lambda _: not any(watched.board.get(key) for key in gone), "nobody gets it any more")


FACTS = {
    "repo": ".",
    "services": {"checkout": [{"url": "http://127.0.0.1:1"}]},
    "flags": {"url": "http://127.0.0.1:2"},
}


def ramps(bench: Bench, gates: dict[str, list[Any]]) -> Playbook:
    """A playbook with a ramp for each flag, and signals by cohort: one of all traffic, one of latency."""
    ramp = flag_steps(bake="1m")[1]["rollout"]
    steps: list[dict[str, Any]] = [{"id": "asked", "input": {"fields": {"flag": {"type": "string"}}}}]
    for number, (name, gate) in enumerate(gates.items()):
        steps.append({"id": f"ramp{number}", "rollout": {**ramp, "flag": name, "gate": gate}})
    raw = json.loads(playbook(FACTS, steps))
    raw["sources"]["shop"] = {"prometheus": "http://127.0.0.1:3"}
    signal = {"source": "shop", "value": "rate(x[1m])", "count": "rate(y[1m])", "cohorts": COHORTS}
    raw["signals"] = {"traffic": {**signal, "golden": "traffic"}, "latency": {**signal, "golden": "latency"}}
    names = {"inputs": {"version": "3.0.0"}, "secrets": {"UNLEASH_TOKEN": "a", "UNLEASH_CLIENT": "b"}}
    return resolve(checked(json.dumps(raw), bench.folder / "playbook.yaml"), Names(names, 0.0))


def test_the_cohorts_of_a_signal_are_of_the_flag_whose_gate_names_it(bench: Bench) -> None:
    latency = {"signal": "latency", "above": 1, "for": "1m"}
    several = ramps(bench, {"one": ["health", latency], "two": ["health"]})
    assert signal_of(several, "flags", "one") == "latency"
    assert signal_of(several, "flags", "two") is None  # whose traffic it is nobody can tell
    assert signal_of(several, "flags", "three") is None
    assert signal_of(ramps(bench, {"one": ["health", latency]}), "flags", "one") == "traffic"


def test_the_one_flag_that_is_ramped_may_be_named_by_an_input(bench: Bench) -> None:
    named = ramps(bench, {"${{ inputs.version }}": ["health"]})
    assert signal_of(named, "flags", "whatever") == "traffic"


def test_a_lock_has_the_name_that_an_expression_stands_for(bench: Bench) -> None:
    named = ramps(bench, {"${{ inputs.version }}": ["health"], "${{ steps.asked.outputs.flag }}": ["health"]})
    assert locks_of(named, {"inputs": {"version": "3.0.0"}}) == (
        "production/flag/3.0.0",
        "production/flag/${{ steps.asked.outputs.flag }}",
    )
