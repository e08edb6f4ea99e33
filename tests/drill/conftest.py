"""One world for all tests of this folder that only look, or that touch what they themselves made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amplify_tui.drill.world import World, start_world


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with start_world() as running:
        yield running
