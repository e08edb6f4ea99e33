"""Fixtures for the whole suite: the real services, one of each for a session, started at first use.

A test that asks for one carries the marker `real`. Where a service cannot be had the test is skipped with the reason;
AMPLIFY_TEST_REAL=1 makes that a failure (CI). Downloads happen once, after collection, outside any test's time limit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import settings

from tests.real import services
from tests.real.apps import SDKS, Sdk
from tests.real.install import Unavailable

# A busy machine is no failure: what an example takes is nobody's promise.
settings.register_profile("amplify", deadline=None)
settings.load_profile("amplify")


def unavailable(why: Unavailable) -> None:
    if os.environ.get("AMPLIFY_TEST_REAL") == "1":
        pytest.fail(f"AMPLIFY_TEST_REAL=1, but: {why}", pytrace=False)
    pytest.skip(str(why))


@contextmanager
def real_prometheus(config: str = "global: {}\n", **more: str) -> Iterator[services.Prometheus]:
    """As services.prometheus; where it cannot be had, the test that asks is skipped, or fails."""
    try:
        with services.prometheus(config, **more) as running:
            yield running
    except Unavailable as why:
        unavailable(why)


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    if any(item.get_closest_marker("real") for item in session.items):
        services.fetch()


@pytest.fixture(scope="session")
def postgres() -> Iterator[services.Postgres]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(services.postgres())
        except Unavailable as why:
            unavailable(why)
        yield server


@pytest.fixture(scope="session")
def unleash(postgres: services.Postgres) -> Iterator[services.Unleash]:
    """Unleash on its own database. Flag names are global and stay taken: give each test its own."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(services.unleash(postgres.create("unleash")))
        except Unavailable as why:
            unavailable(why)
        yield server


@pytest.fixture(params=["python", pytest.param("node", marks=pytest.mark.real)])
def sdk(request: pytest.FixtureRequest) -> Sdk:
    """Each official SDK that applications are made with; Node's is fetched."""
    found = SDKS[request.param]
    try:
        found()
    except Unavailable as why:
        unavailable(why)
    return found
