"""The evidence rule of a span, against the golden values of judge.md 8 and the properties that make it a guard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.verdict.evidence import Dispersion, bad_needed, span_evidence


@pytest.mark.parametrize(("dispersion", "needed"), [(1.0, 20.397704), (2.0, 28.338457), (4.0, 41.545408)])
def test_the_bad_requests_needed_are_the_golden_ones(dispersion: float, needed: float) -> None:
    assert bad_needed(600.0, 0.01, dispersion) == pytest.approx(needed, abs=1e-6)
    assert span_evidence(needed + 1e-5, 600.0, 0.01, dispersion)
    assert not span_evidence(needed - 1e-5, 600.0, 0.01, dispersion)


def test_the_dispersion_is_the_golden_one() -> None:
    dispersion = Dispersion(0.01)
    assert dispersion.value() == 4.0
    for bad, total in ((2, 300), (0, 290), (7, 310), (1, 305)):
        dispersion.add(bad, total)
    assert dispersion.value() == pytest.approx(4.482869, abs=1e-6)


def test_a_block_without_requests_teaches_nothing() -> None:
    dispersion = Dispersion(0.01)
    dispersion.add(0.0, 0.0)
    assert dispersion.value() == 4.0


@given(total=st.floats(0.0, 1e6), limit=st.floats(0.0, 1.0), dispersion=st.floats(1.0, 100.0))
def test_under_five_bad_requests_are_never_evidence(total: float, limit: float, dispersion: float) -> None:
    assert not span_evidence(4.999, total, limit, dispersion)


@given(blocks=st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e5)), max_size=40), limit=st.floats(1e-4, 0.5))
def test_a_dispersion_is_never_below_that_of_independent_requests(
    blocks: list[tuple[float, float]], limit: float
) -> None:
    dispersion = Dispersion(limit)
    for bad, total in blocks:
        dispersion.add(min(bad, total), total)
    assert dispersion.value() >= 1.0
