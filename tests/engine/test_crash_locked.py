"""A journal that cannot be written while an effect is under way: what it came to is journaled once it can be."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from amplify_tui.engine.rundir import RunDir
from tests.engine.crash_world import Bench, Runs, Watched, checked, eventually, plain_playbook, plain_repo, step


@contextlib.contextmanager
def locked(folder: RunDir) -> Iterator[None]:
    """Another program sits in a transaction on the run's journal."""
    db = sqlite3.connect(folder.journal, isolation_level=None, timeout=10.0)
    try:
        db.execute("begin immediate")
        yield
    finally:
        db.close()


@pytest.mark.parametrize("does", ["ends well", "fails"])
async def test_an_effect_that_ends_while_the_journal_is_locked_is_journaled_after_it_and_not_made_again(
    runs: Runs, bench: Bench, tmp_path: Path, does: str
) -> None:
    command = (
        bench.command("work") if does == "ends well" else bench.command("work") | {"argv": bench.argv("work", "false")}
    )
    text = plain_playbook(plain_repo(tmp_path / "repo"), [step("work", "command", command)])
    folder = runs.create(checked(text, tmp_path / "playbook.yaml"))
    bench.block("work", "before")
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await bench.reached("work", "before")
        with locked(folder):
            bench.let_go("work", "before")
            await eventually(lambda: "locked" in str(watched.board.get("problem")), "the cockpit says why it waits")
        if does == "ends well":
            assert await watched.closed() == "completed"
        else:
            await watched.until(lambda s: s.steps["work"].status == "stuck", "the failure is known")
            assert watched.state.steps["work"].cause == "failed"
        assert watched.of("EffectUnknown") == []
    assert len(bench.did("work")) == 1
