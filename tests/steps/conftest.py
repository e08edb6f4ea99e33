"""The sandbox for the verbs that need services, flags or a sink; one for all of this folder, started at first use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from amplify_tui.drill.plan import Shape
from amplify_tui.drill.world import World, start_world
from tests.steps.steps_world import RealWorld, playbook

SHAPES = (
    Shape("ledger", 1, "2.3.4", 5, "/book"),
    Shape("pricing", 1, "5.1.0", 5, "/price"),
    Shape("checkout", 3, "2.9.4", 20, "/buy"),
)


@pytest.fixture(scope="module")  # it has traffic: left to the end of the session it would slow what comes after
def sandbox() -> Iterator[World]:
    with start_world(shapes=SHAPES) as running:
        yield running


@pytest.fixture
async def sandbox_world(sandbox: World, tmp_path: Path) -> AsyncIterator[RealWorld]:
    """The sandbox as verbs see it, with its repository and a run's folder."""
    facts = sandbox.facts()
    world = RealWorld(playbook(facts), Path(facts["repo"]), tmp_path, token=facts["flags"]["admin_token"])
    yield world
    await world.aclose()


@pytest.fixture
def bare_world(tmp_path: Path) -> RealWorld:
    """No services and no flags: a folder with a git repository in it."""
    root = tmp_path / "repo"
    root.mkdir()
    return RealWorld(playbook(), root, tmp_path / "run")
