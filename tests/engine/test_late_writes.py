"""A write to a real Unleash that is kept on its way lands after its answer was given up: the run waits, and knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from amplify_tui.drill.world import World
from tests.adapters.flag_proxy import proxy_of
from tests.engine.crash_world import Bench, Runs, Watched, checked, flag_steps, playbook, small_world
from tests.real.services import Unleash

pytestmark = [pytest.mark.slow, pytest.mark.real]


@pytest.fixture
def world(unleash: Unleash, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with small_world() as running:
        monkeypatch.setenv("UNLEASH_TOKEN", unleash.admin)
        monkeypatch.setenv("UNLEASH_CLIENT", unleash.client_production)
        yield running


async def test_the_switch_that_lands_late_is_found_done_and_is_not_made_again(
    world: World, unleash: Unleash, runs: Runs, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "bench")
    async with proxy_of(unleash.url) as proxy:
        facts = world.facts()
        facts["flags"]["url"] = proxy.url
        text = playbook(facts, flag_steps((100,))).replace("checkout-v3", "lands-late")
        folder = runs.create(checked(text, bench.folder / "playbook.yaml"))
        proxy.fail("/on", "late")
        await runs.conduct(folder)
        async with Watched(folder) as watched:
            await watched.start()
            seen = await watched.seen("EffectProbed", result="pending")
            assert "may land late" in seen.data.detail
            assert watched.state.steps["ramp"].status == "stuck"
            await proxy.let_land()
            await watched.seen("EffectProbed", result="done")
            assert await watched.closed() == "completed"
        switched = [request for request in proxy.seen if request.startswith("POST") and request.endswith("/on")]
        assert len(switched) == 1
