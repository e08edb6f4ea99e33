"""A write to a real Unleash that is kept on its way lands after its answer was given up: the run waits, and knows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from amplify_tui.adapters.unleash.provider import UnleashProvider
from amplify_tui.drill.world import World
from amplify_tui.run.undo import LANDS_WITHIN
from tests.adapters.flag_proxy import proxy_of
from tests.engine.crash_world import Bench, Runs, Watched, checked, eventually, flag_steps, playbook, small_world
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


@pytest.mark.parametrize("by", ["Rollback", "Mitigate"])
async def test_the_switch_that_lands_after_exposure_was_taken_away_is_found_and_switched_off_again(
    world: World, unleash: Unleash, runs: Runs, tmp_path: Path, by: str
) -> None:
    """`on` is held on its way, the client gives it up, `off` succeeds, then `on` is let through: 30 s later it is off."""
    bench, flag = Bench(tmp_path / "bench"), f"lands-after-{by.lower()}"
    ours = UnleashProvider(unleash.url, unleash.admin, environment="production")
    async with proxy_of(unleash.url) as proxy:
        facts = world.facts()
        facts["flags"]["url"] = proxy.url
        text = playbook(facts, flag_steps((50, 100), bake="10m")).replace("checkout-v3", flag)
        folder = runs.create(checked(text, bench.folder / "playbook.yaml"))
        proxy.fail("/on", "late")
        await runs.conduct(folder)
        async with Watched(folder) as watched:
            await watched.start()
            unknown = await watched.seen("EffectUnknown")
            assert (await watched.do(by, reason="errors")).ok
            asked = watched.state.seq
            await watched.until(lambda _: _verified(watched, asked), "it is off, and was read back")
            assert not (await ours.read([flag]))[flag].enabled
            await proxy.let_land()
            found = await watched.seen("ExposureReread", agrees=False)
            assert "on" in found.data.detail
            await watched.until(lambda _: _verified(watched, found.seq), "it is off once more")
            if by == "Rollback":
                assert await watched.closed() == "rolled_back"
            await eventually(lambda: time.time() > unknown.at_s + LANDS_WITHIN, "nothing can land any more")
            assert not (await ours.read([flag]))[flag].enabled
            assert watched.state.exposed_now == 0.0
            assert by == "Rollback" or watched.state.is_held


def _verified(watched: Watched, since: int) -> bool:
    """Whether a verification of band 2 was done after that event."""
    items = {e.data.effect: e.data.undoes for e in watched.of("EffectIntended") if e.seq > since}
    return any(items.get(e.data.effect, "").startswith("u2:") for e in watched.of("EffectDone"))
