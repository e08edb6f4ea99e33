"""A flag that reads as off is not gone while requests still get it: code waits for that, and exposure for nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from amplify_tui.drill.world import World
from amplify_tui.run.shapes import VERIFY_BAND
from amplify_tui.run.state import State
from amplify_tui.run.undo import ItemState, rollback_items
from tests.engine.crash_world import Bench, Runs, Watched, checked, deploy_step, flag_now, versions
from tests.engine.test_exposures import document

pytestmark = pytest.mark.slow


@contextlib.asynccontextmanager
async def deaf_application(world: World) -> AsyncIterator[asyncio.Task[None]]:
    """An application that has the flag and never hears that it is off: its requests go on until it is ended."""
    url = world.facts()["services"]["checkout"][0]["url"]

    async def buy() -> None:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            while True:
                with contextlib.suppress(httpx.HTTPError):  # its instance restarts while it is deployed
                    await http.get("/buy?user=deaf&variant=on")
                await asyncio.sleep(0.02)

    task = asyncio.create_task(buy(), name="the deaf application")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def look(state: State) -> ItemState:
    return next(entry for entry in rollback_items(state) if entry.item.band == VERIFY_BAND)


@contextlib.asynccontextmanager
async def rolling_back(world: World, bench: Bench, runs: Runs) -> AsyncIterator[tuple[Watched, asyncio.Task[None]]]:
    """A release at 50 % is rolled back; its flag reads as off, and an application goes on as before."""
    document(bench, world.facts())
    raw = json.loads((bench.folder / "playbook.yaml").read_text(encoding="utf-8"))
    raw["stages"][0]["steps"].insert(0, deploy_step(bench))
    folder = runs.create(checked(json.dumps(raw), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched, deaf_application(world) as deaf:
        await watched.start()
        await watched.seen("PhaseEntered", step="ramp", i=0)
        assert (await watched.do("Rollback", reason="double charges")).ok
        await watched.seen("IntegrityJudged", when="traffic", verdict="fail")
        yield watched, deaf


async def test_code_waits_until_no_request_gets_the_flag_any_more(world: World, bench: Bench, runs: Runs) -> None:
    async with rolling_back(world, bench, runs) as (watched, deaf):
        assert flag_now(world)[0] is False, "the flag is off, by every account of the flag server"
        assert "still get it" in look(watched.state).detail
        assert bench.did("revert") == []
        deaf.cancel()
        await watched.seen("IntegrityJudged", when="traffic", verdict="pass")
        assert await watched.closed() == "rolled_back"
    assert versions(world) == ["2.9.4", "2.9.4"]


async def test_a_person_may_go_on_without_the_proof_and_the_run_says_so(world: World, bench: Bench, runs: Runs) -> None:
    async with rolling_back(world, bench, runs) as (watched, _):
        item = look(watched.state).item.id
        assert (await watched.do("DecideUndo", effect=item, choice="waive", reason="its host is gone")).ok
        assert await watched.closed() == "rolled_back_partly"
    assert versions(world) == ["2.9.4", "2.9.4"]
