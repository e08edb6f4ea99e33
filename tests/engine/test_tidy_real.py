"""Flags that want tidying up, on a real Unleash and in a real repository: each is named, and what is well is not."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from amplify_tui.adapters.flags.plan import StrategySpec
from amplify_tui.adapters.unleash.provider import UnleashProvider
from amplify_tui.engine.facts import Facts, look
from amplify_tui.engine.tidy import untidy
from amplify_tui.run.plan import draft_plan
from amplify_tui.run.state import State
from tests.adapters.git_world import commit, git, repository
from tests.adapters.unleash_world import P, make
from tests.engine.crash_world import checked
from tests.real.services import Unleash

pytestmark = pytest.mark.real
DAY = 86_400.0


@pytest.fixture
def key() -> str:
    return f"tidy-{secrets.token_hex(4)}"


@pytest.fixture
async def flags(unleash: Unleash) -> AsyncIterator[UnleashProvider]:
    provider = UnleashProvider(unleash.url, unleash.admin, environment="development")
    yield provider
    await provider.aclose()


@pytest.fixture
async def server(unleash: Unleash) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.admin}) as client:
        yield client


async def facts(unleash: Unleash, where: Path, text: str, flag: dict[str, Any], **source: Any) -> Facts:
    """A release of the code *text*, whose playbook lies in the same repository."""
    repo = repository(where / "shop")
    (repo / "shop.py").write_text(text, encoding="utf-8")
    (repo / "old.py").write_text("# nothing any more\n", encoding="utf-8")
    playbook = {
        "apiVersion": "amplify/v1",
        "kind": "Playbook",
        "name": "shop",
        "release": {"repo": ".", "version": "1.0.0", "environment": "development"},
        "sources": {"flags": {"unleash": unleash.url, "token": "${{ secrets.UNLEASH_TOKEN }}"} | source},
        "stages": [{"id": "all", "steps": [{"id": "on", "flag": {"source": "flags", "enabled": True} | flag}]}],
    }
    document = checked(json.dumps(playbook), repo / "release.yaml")
    git(repo, "add", "--all")
    commit(repo)
    plan = draft_plan(document.name, document.structure(), document.raw, document.inputs)
    return await look(document, State(run="check", plan=plan))


async def kinds(found: Facts, flags: UnleashProvider, now: float = 0.0) -> dict[str, str]:
    return {one.kind: one.what for one in await untidy(found, "flags", flags, now or time.time())}


async def test_a_flag_that_is_in_order_is_not_named(
    unleash: Unleash, flags: UnleashProvider, key: str, tmp_path: Path
) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=100), enabled=True)
    found = await facts(unleash, tmp_path, f'is_enabled("{key}")', {"name": key}, max_full_for="30d")
    assert await kinds(found, flags, time.time() + 29 * DAY) == {}


async def test_stale_and_long_since_on_for_everybody_are_named(
    unleash: Unleash, flags: UnleashProvider, server: httpx.AsyncClient, key: str, tmp_path: Path
) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=100), enabled=True)
    patch = [{"op": "replace", "path": "/stale", "value": True}]
    (await server.patch(f"{P}/features/{key}", json=patch)).raise_for_status()
    found = await facts(unleash, tmp_path, f'is_enabled("{key}")', {"name": key}, max_full_for="30d")
    assert await kinds(found, flags, time.time() + 45 * DAY) == {
        "stale": f"the flag server marks {key} as stale",
        "full": f"{key} is on for everybody since 45d; 30d are allowed",
    }


async def test_a_flag_at_less_than_everybody_may_stand_for_ever(
    unleash: Unleash, flags: UnleashProvider, key: str, tmp_path: Path
) -> None:
    await make(flags, key, StrategySpec(title="ramp", rollout=99), enabled=True)
    found = await facts(unleash, tmp_path, f'is_enabled("{key}")', {"name": key}, max_full_for="30d")
    assert await kinds(found, flags, time.time() + 400 * DAY) == {}


async def test_a_flag_that_the_released_code_no_longer_holds_is_named_though_the_playbook_names_it(
    unleash: Unleash, flags: UnleashProvider, key: str, tmp_path: Path
) -> None:
    await make(flags, key)
    found = await facts(unleash, tmp_path, f'is_enabled("{key}-v2")', {"name": f"{key}-v1"})
    assert list(await kinds(found, flags)) == ["missing"]
    found = await facts(unleash, tmp_path / "b", "pay()", {"name": key})
    assert await kinds(found, flags) == {"unused": f"the code at {found.subject.sha[:12]} does not hold the flag {key}"}


async def test_a_flag_that_the_code_asks_for_and_the_server_has_not_is_named(
    unleash: Unleash, flags: UnleashProvider, key: str, tmp_path: Path
) -> None:
    await make(flags, key)
    code = f'is_enabled("{key}"); is_enabled("{key}-lost")'
    found = await facts(unleash, tmp_path, code, {"name": key}, code={"calls": ["is_enabled"], "paths": ["*.py"]})
    [one] = await untidy(found, "flags", flags, time.time())
    assert (one.kind, one.flag) == ("missing", f"{key}-lost")
    assert "the flag server has none" in one.what
    quiet = await facts(
        unleash, tmp_path / "b", code, {"name": key}, code={"calls": ["is_enabled"], "paths": ["old.py"]}
    )
    assert [one.kind for one in await untidy(quiet, "flags", flags, time.time())] == ["unused"]


async def test_a_flag_that_the_release_creates_need_not_be_there(
    unleash: Unleash, flags: UnleashProvider, key: str, tmp_path: Path
) -> None:
    made = {"name": key, "create": "release", "strategies": [{"title": "ramp", "rollout": 0}]}
    assert await kinds(await facts(unleash, tmp_path, f'is_enabled("{key}")', made), flags) == {}
    await make(flags, key)


async def test_a_parent_that_is_off_keeps_the_flag_from_everybody_and_one_on_for_some_from_the_rest(
    unleash: Unleash, flags: UnleashProvider, server: httpx.AsyncClient, key: str, tmp_path: Path
) -> None:
    parent = f"{key}-parent"
    await make(flags, parent, StrategySpec(title="ramp", rollout=25))
    await make(flags, key, StrategySpec(title="ramp", rollout=100), enabled=True)
    depends = {"feature": parent, "enabled": True}
    (await server.post(f"{P}/features/{key}/dependencies", json=depends)).raise_for_status()
    found = await facts(unleash, tmp_path, f'is_enabled("{key}")', {"name": key})
    words = f"{key} depends on {parent}, which is"
    assert await kinds(found, flags) == {"parent": f"{words} off in development: nobody gets it"}
    (await server.post(f"{P}/features/{parent}/environments/development/on")).raise_for_status()
    assert await kinds(found, flags) == {"parent": f"{words} at 25 %: nobody else gets it"}
