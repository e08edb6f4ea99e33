"""One world for all tests of a module that only look, or that touch what they themselves made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amplify_tui.drill.world import World, start_world


@pytest.fixture(scope="module")  # it has traffic: left to the end of the session it would slow what comes after
def world() -> Iterator[World]:
    with start_world() as running:
        yield running
