"""The break-glass card: its lines, run by a shell, restore the world; and it is there before the world changes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from amplify_tui.drill import plainhttp
from amplify_tui.drill.world import World
from amplify_tui.engine.replay import load
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.report.card import card_text
from amplify_tui.run.state import State
from tests.engine.card_lines import lines_of
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    amplify,
    checked,
    deploy_step,
    flag_now,
    flag_steps,
    git,
    kill_conductor,
    playbook,
    step,
    tag_step,
    versions,
)


def sh(line: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line], env=dict(os.environ) | env, capture_output=True, text=True, timeout=60, check=False
    )


def run_all(text: str) -> None:
    """Every line of the card, one by one, as a person would paste them."""
    for line in lines_of(text):
        done = sh(line)
        assert done.returncode == 0, (line, done.stdout, done.stderr)


def replayed(folder: RunDir) -> State:
    reader = SqliteReader.open(folder.journal)
    try:
        return load(reader)
    finally:
        reader.close()


def whole_release(world: World, bench: Bench, **more: Any) -> str:
    """Code on both instances, a command, a tag that is pushed, a message, and a flag at 25 %."""
    steps = [
        deploy_step(bench),
        step("work", "command", bench.command("work", env={"PASSED": "${{ secrets.UNLEASH_CLIENT }}"})),
        tag_step(),
        step("tell", "notify", {"to": ["support"], "subject": "out", "body": "it is"}),
        *flag_steps(phases=(25, 100), bake="10m"),
    ]
    facts = world.facts()
    support = {"support": {"via": "webhook", "url": f"{facts['sink']['http']}/support"}}
    return playbook(facts, steps, stakeholders=support, **more)


async def killed_at_25_percent(world: World, bench: Bench, runs: Runs) -> RunDir:
    folder = runs.create(checked(whole_release(world, bench), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("PhaseEntered", step="ramp")
        assert kill_conductor(folder)
    return folder


@pytest.mark.slow
async def test_the_lines_of_the_card_restore_the_world_after_a_kill_at_25_percent(
    world: World, bench: Bench, runs: Runs
) -> None:
    folder = await killed_at_25_percent(world, bench, runs)
    assert (flag_now(world)[0], versions(world)) == (True, ["3.0.0", "3.0.0"])
    text = folder.card.read_text(encoding="utf-8")
    assert os.environ["UNLEASH_TOKEN"] not in text
    assert "export UNLEASH_TOKEN" in text

    run_all(text)

    assert flag_now(world)[0] is False
    assert versions(world) == ["2.9.4", "2.9.4"]
    assert len(bench.did("undo_work")) == 1
    told = git(Path(world.facts()["remote"]), "tag", "-l")
    assert "withdrawn/v3.0.0" in told
    assert "v3.0.0" in told.split(), "the release's own tag is never moved and never deleted"
    assert "tell support" in text


async def test_the_proofs_on_the_card_fail_before_anything_was_taken_back(
    world: World, bench: Bench, runs: Runs
) -> None:
    folder = await killed_at_25_percent(world, bench, runs)
    text = folder.card.read_text(encoding="utf-8")
    proofs = [line for title in ("2 Exposure verified", "Code proved") for line in lines_of(text, title)]
    assert len(proofs) == 3, text
    assert all(sh(line).returncode != 0 for line in proofs)


async def test_a_line_without_its_secret_says_which_to_export_and_changes_nothing(
    world: World, bench: Bench, runs: Runs
) -> None:
    folder = await killed_at_25_percent(world, bench, runs)
    first = lines_of(folder.card.read_text(encoding="utf-8"))[0]
    bare = {"PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", "-c", first], env=bare, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "export UNLEASH" in done.stderr
    assert flag_now(world)[0] is True


async def test_the_card_stands_there_before_the_effect_is_made_and_is_for_its_owner_alone(
    world: World, bench: Bench, runs: Runs
) -> None:
    steps = [step("work", "command", bench.command("work"))]
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    bench.block("work", "before")
    async with Watched(folder) as watched:
        await watched.start()
        await bench.reached("work", "before")
        assert "undo_work" in folder.card.read_text(encoding="utf-8")
        assert stat.S_IMODE(folder.card.stat().st_mode) == 0o600
        bench.let_go("work", "before")
        await watched.closed()
    said = amplify("show", folder.run)
    assert str(folder.card) in said.stdout
    assert json.loads(amplify("show", folder.run, "--json").stdout)["card"] == str(folder.card)


async def test_a_card_that_cannot_be_written_stops_nothing_and_is_told(world: World, bench: Bench, runs: Runs) -> None:
    steps = [step("work", "command", bench.command("work"))]
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    folder.card.mkdir()  # nothing can be put in its place
    bench.block("work", "after")
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.until(lambda _: "problem" in watched.board, "the problem is told")
        assert "cannot be written" in watched.board["problem"]["what"]
        bench.let_go("work", "after")
        assert await watched.closed() == "completed"
    assert "undo_work" in card_text(replayed(folder))


async def test_after_a_rollback_the_card_says_that_nothing_is_left(world: World, bench: Bench, runs: Runs) -> None:
    steps = [*flag_steps(phases=(25, 100), bake="10m")]
    folder = runs.create(checked(playbook(world.facts(), steps), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("PhaseEntered", step="ramp")
        assert "/off" in folder.card.read_text(encoding="utf-8")
        assert (await watched.do("Rollback", reason="a test")).ok
        assert await watched.closed() == "rolled_back"
    assert kill_conductor(folder) or True
    text = card_text(replayed(folder))
    assert "Nothing is left" in text
    assert lines_of(text) == []


def outsider(world: World, path: str, body: Any, method: str = "PUT") -> Any:
    facts = world.facts()
    return plainhttp.call(f"{facts['flags']['url']}{path}", method, body, token=facts["inject"]["outsider_token"])
