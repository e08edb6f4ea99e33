"""Real applications, with the official SDKs, on the bundled flag server."""

from __future__ import annotations

import pytest

from amplify_tui.drill.world import World
from tests.drill.flag_contract import Target
from tests.drill.sdk_contract import CHECKS, Check
from tests.real.apps import Sdk


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_on_the_bundled_server(check: Check, world: World, sdk: Sdk) -> None:
    flags = world.facts()["flags"]
    await check(Target(flags["url"], flags["admin_token"], flags["client_token"], "production"), sdk)
