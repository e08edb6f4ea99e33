"""A run on a real Unleash that fails in the middle of a ramp: the step says why, nothing widens, and a retry goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from amplify_tui.adapters.unleash.provider import UnleashProvider
from amplify_tui.drill.world import World
from amplify_tui.run.state import State
from tests.adapters.flag_proxy import Proxy, proxy_of
from tests.engine.crash_world import Bench, Runs, Watched, checked, flag_steps, playbook, small_world
from tests.real.services import Unleash

pytestmark = [pytest.mark.slow, pytest.mark.real]
SAYS: Final = {
    "down": "no connection",
    "paused": "no answer within",
    "limit": "429",
    "unauthorized": "401",
    "html": "web page",
}


@pytest.fixture
def world(unleash: Unleash, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with small_world() as running:
        monkeypatch.setenv("UNLEASH_TOKEN", unleash.admin)
        monkeypatch.setenv("UNLEASH_CLIENT", unleash.client_production)
        yield running


def fail(proxy: Proxy, how: str) -> None:
    match how:
        case "down":
            proxy.down()
        case "paused":
            proxy.freeze()
        case _:
            proxy.fail("/api/admin/", how, always=True)  # type: ignore[arg-type]


async def heal(proxy: Proxy, how: str) -> None:
    if how == "down":
        await proxy.up()
    proxy.thaw()
    proxy.heal()


def is_stuck(state: State) -> bool:
    return state.steps["ramp"].status == "stuck"


@pytest.mark.parametrize("how", list(SAYS))
async def test_a_ramp_whose_flag_server_fails_stands_still_says_why_and_goes_on_when_asked(
    world: World, unleash: Unleash, runs: Runs, tmp_path: Path, how: str
) -> None:
    bench, flag = Bench(tmp_path / "bench"), f"outage-{how}"
    ours = UnleashProvider(unleash.url, unleash.admin, environment="production")
    async with proxy_of(unleash.url) as proxy:
        facts = world.facts()
        facts["flags"]["url"] = proxy.url
        text = playbook(facts, flag_steps((50, 100))).replace("checkout-v3", flag)
        folder = runs.create(checked(text, bench.folder / "playbook.yaml"))
        await runs.conduct(folder)
        async with Watched(folder) as watched:
            await watched.start()
            await watched.seen("PhaseEntered", step="ramp", i=0)
            fail(proxy, how)
            await watched.until(is_stuck, "the step says that it cannot go on")
            step = watched.state.steps["ramp"]
            assert SAYS[how] in step.detail
            assert (await ours.read([flag]))[flag].exposure == 50
            await heal(proxy, how)
            assert (await watched.do("Retry", step="ramp")).ok
            assert await watched.closed() == "completed"
        assert (await ours.read([flag]))[flag].exposure == 100
    await ours.aclose()
