"""Real applications, with the official SDKs, on a real Unleash; and they answer there as on the bundled server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from amplify_tui.drill.world import start_world
from tests.drill.flag_contract import Target
from tests.drill.sdk_battery import VARIANTS, make_all, users
from tests.drill.sdk_contract import CHECKS, SPEC, Check, fresh
from tests.real.apps import SDKS, Sdk, application
from tests.real.services import Unleash
from tests.real.tap import tap

pytestmark = pytest.mark.real


@pytest.fixture
def real(unleash: Unleash) -> Target:
    return Target(unleash.url, unleash.admin, unleash.client_production, "production")


@pytest.fixture
def bundled() -> Iterator[Target]:
    with start_world() as world:
        flags = world.facts()["flags"]
        yield Target(flags["url"], flags["admin_token"], flags["client_token"], "production")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_on_a_real_unleash(check: Check, real: Target, sdk: Sdk) -> None:
    await check(real, sdk)


# Node's SDK goes by the first variant's own stickiness, Python's by the strategy's: they part where these are not the same.
DISPUTED = ["by-session", "two-strategies-of-variants"]
FOR_ALL = {"share-default-100", "share-userId-100", "share-sessionId-100", "everybody", "no-strategy"}
FOR_NOBODY = {"share-default-0", "share-userId-0", "share-sessionId-0", "share-tenantId-0", "off"}


@pytest.mark.timeout(900)  # a quarter of a million evaluations
async def test_every_user_gets_the_same_flags_and_variants_on_both_servers_from_either_sdk(
    real: Target, bundled: Target
) -> None:
    """However segments reach the application."""
    prefix = fresh("battery")
    found: dict[tuple[str, str], Answers] = {}
    for where, target in (("real", real), ("bundled", bundled)):
        flags = await make_all(target, prefix)
        for name, sdk in SDKS.items():
            found[where, name] = await _answers(target, sdk, flags)
            segments = {kind: flag for kind, flag in flags.items() if "segment" in kind}
            inlined = await _answers(target, sdk, segments, drop=(SPEC,))
            assert inlined == {kind: found[where, name][kind] for kind in segments}
    python, node = found["bundled", "python"], found["bundled", "node"]
    assert _differing(found["real", "python"], python) == []
    assert _differing(found["real", "node"], node) == []
    assert _differing(python, node) == DISPUTED
    assert {kind for kind, given in python.items() if all(given)} - set(VARIANTS) == FOR_ALL
    assert {kind for kind, given in python.items() if not any(given)} == FOR_NOBODY


Answers = dict[str, list[Any]]
"""For each flag, by what it is about, what each user got."""


def _differing(some: Answers, others: Answers) -> list[str]:
    return [kind for kind in some if some[kind] != others[kind]]


async def _answers(target: Target, sdk: Sdk, flags: dict[str, str], drop: Sequence[str] = ()) -> Answers:
    plain = {kind: flag for kind, flag in flags.items() if kind not in VARIANTS}
    varied = {kind: flag for kind, flag in flags.items() if kind in VARIANTS}
    people = users()
    async with (
        tap(target.url, drop=drop) as wire,
        application(sdk, wire.url, target.client_token, target.environment, fresh("shop")) as shop,
    ):
        found: Answers = {kind: (await shop.ask([flag], people))[0] for kind, flag in plain.items()}
        return found | {kind: (await shop.variants([flag], people))[0] for kind, flag in varied.items()}
