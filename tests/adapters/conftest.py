"""Fixtures of the adapters' tests: a source and a provider on real servers, somebody else beside it, a fresh flag name."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator

import httpx
import pytest

from amplify_tui.adapters.prometheus import Prometheus
from amplify_tui.adapters.unleash.provider import UnleashProvider
from tests.adapters.unleash_world import provide
from tests.real import services
from tests.real.services import Unleash

_numbers = itertools.count(1)


@pytest.fixture
def key() -> str:
    """A flag name that nobody had: names are global in Unleash and stay taken."""
    return f"flag-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
async def flags(unleash: Unleash) -> AsyncIterator[UnleashProvider]:
    provider = provide(unleash)
    yield provider
    await provider.aclose()


@pytest.fixture
async def prometheus(server: services.Prometheus) -> AsyncIterator[Prometheus]:
    """A source on the Prometheus that a module calls `server`."""
    source = Prometheus(server.url, source="prom")
    yield source
    await source.aclose()


@pytest.fixture
async def server(unleash: Unleash) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody else, with the same rights."""
    async with httpx.AsyncClient(base_url=unleash.url, headers={"Authorization": unleash.admin}) as client:
        yield client
