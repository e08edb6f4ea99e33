"""Some of what `python -m tests.reliability` does in full: one place of each row, and the page that it writes."""

from __future__ import annotations

import pytest

from tests.reliability import page
from tests.reliability.faults import small_disks
from tests.reliability.laboratory import laboratory
from tests.reliability.rows import ROWS, figures, table


def test_the_page_has_every_row_and_says_that_nothing_was_lost_or_doubled() -> None:
    assert list(page.stale(page.PAGE.read_text(encoding="utf-8"))) == []


def test_a_row_of_the_page_is_replaced_and_the_others_and_their_sum_are_kept() -> None:
    text = "before\n<!-- table faults -->\n<!-- end -->\nafter\n"
    first, second = ROWS[0].title, ROWS[1].title
    once = page.filled(text, {first: (2, 36, 0, 0, 1, 0), second: (1, 1018, 0, 0, 0, 0)})
    again = page.filled(once, {first: (3, 54, 0, 0, 0, 2)})
    assert page.held(again) == {
        first: (3, 54, 0, 0, 0, 2),
        second: (1, 1018, 0, 0, 0, 0),
        "**all**": (4, 1072, 0, 0, 0, 2),
    }
    assert (again.startswith("before\n"), again.endswith("after\n")) == (True, True)


@pytest.mark.parametrize("wrong", [(0, 0, 0, 0, 0, 0), (2, 36, 1, 0, 0, 0), (2, 36, 0, 1, 0, 0)])
def test_a_page_with_an_effect_lost_or_doubled_or_a_row_without_a_run_is_stale(wrong: tuple[int, ...]) -> None:
    text = "<!-- table faults -->\n<!-- end -->\n"
    good = {row.title: (2, 36, 0, 0, 0, 0) for row in ROWS}
    assert list(page.stale(page.filled(text, good))) == []
    assert list(page.stale(page.filled(text, good | {ROWS[3].title: wrong}))) != []
    assert list(page.stale(page.filled(text, {ROWS[3].title: good[ROWS[3].title]}))) != []


@pytest.mark.slow
async def test_broken_in_one_place_of_each_row_a_run_with_its_rollback_loses_and_doubles_nothing() -> None:
    async with laboratory() as lab:
        model = await lab.rehearse()
        chosen = [made[len(made) // 2] for row in ROWS if (made := list(row.make(model)))]
        with small_disks(chosen):
            results = await lab.trials(chosen)
    assert [(one.name, one.lost, one.doubled, one.wrong) for one in results if not one.is_good] == []
    assert [one.name for one in results if not one.met] == []
    assert table({ROWS[0].title: figures(results)})
