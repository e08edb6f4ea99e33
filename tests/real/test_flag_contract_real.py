"""A real Unleash keeps the contract that the bundled flag server is held to: what both promise, Amplify may rely on."""

from __future__ import annotations

import pytest

from tests.drill.flag_contract import CHECKS, Check, Target
from tests.real.services import Unleash

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def target(unleash: Unleash) -> Target:
    return Target(unleash.url, unleash.admin, unleash.client, "development")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_a_real_unleash_promises(check: Check, target: Target) -> None:
    await check(target)
