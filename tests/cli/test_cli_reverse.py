"""A run that is closed is taken back by another one, which reverses it: from the shell, with real services and flags."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from amplify_tui.cli.common import replay
from amplify_tui.drill.world import World
from amplify_tui.engine.rundir import RunDir
from tests.engine.card_lines import lines_of
from tests.engine.crash_world import (
    Bench,
    amplify,
    assert_clear,
    committed,
    deploy_step,
    flag_now,
    flag_steps,
    kill_conductor,
    playbook,
    step,
    versions,
)


def released(home: Path, world: World, bench: Bench, **more: object) -> RunDir:
    """A release that is over: code on both instances, the flag at 100 %."""
    steps = [deploy_step(bench), step("work", "command", bench.command("work")), *flag_steps()]
    return _run(home, playbook(world.facts(), steps, **more), bench)


def _run(home: Path, text: str, bench: Bench) -> RunDir:
    before = {folder.run for folder in RunDir.all(home)}
    path = bench.folder / f"{len(before)}.yaml"
    path.write_text(text, encoding="utf-8")
    whole_release(path)
    return newest(home, before)


def whole_release(path: Path) -> None:
    """A release from its start to its end, however busy the machine is."""
    argv = [sys.executable, "-m", "amplify_tui", "run", committed(path), "--headless"]
    said = subprocess.run(
        argv, capture_output=True, text=True, timeout=280, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "AMPLIFY_ACTOR": "captain"},
    )  # fmt: skip
    assert said.returncode == 0, said.stderr


def newest(home: Path, before: set[str]) -> RunDir:
    (found,) = [folder for folder in RunDir.all(home) if folder.run not in before]
    return found


def test_rollback_of_a_closed_run_is_a_run_of_its_own_that_restores_the_world(
    home: Path, world: World, bench: Bench
) -> None:
    told = bench.folder / "told.jsonl"
    oncall = {"via": "file", "url": str(told), "about": ["rollback", "restored"]}
    closed = released(home, world, bench, stakeholders={"oncall": oncall})
    assert (flag_now(world)[0], versions(world)) == (True, ["3.0.0", "3.0.0"])
    said = amplify("rollback", closed.run, "--yes", "--reason", "orders are missing")
    assert said.returncode == 3, said.stderr
    assert (flag_now(world)[0], versions(world)) == (False, ["2.9.4", "2.9.4"])
    assert len(bench.did("undo_work")) == 1
    back = newest(home, {closed.run})
    bodies = [json.loads(line)["body"] for line in told.read_text(encoding="utf-8").splitlines()]
    assert bodies == ["rolling back: orders are missing", "the run is closed: rolled back"]
    state = replay(back)
    assert (state.reverses, state.outcome, state.rollback_reason) == (closed.run, "rolled_back", "orders are missing")
    assert replay(back, 1).phase == "rolling_back", "from its first event"
    assert replay(closed).outcome == "completed", "the closed run stays as it was"
    assert f"reverses {closed.run}" in amplify("runs").stdout
    rows = {row["run"]: row["reverses"] for row in json.loads(amplify("runs", "--json").stdout)}
    assert rows == {closed.run: None, back.run: closed.run}
    assert lines_of(back.card.read_text(encoding="utf-8")) == []

    again = amplify("rollback", closed.run, "--yes")
    assert_clear(again, f"run {back.run} reverses it already")
    assert_clear(amplify("mitigate", closed.run), back.run)
    assert_clear(amplify("rollback", back.run, "--yes"), "nothing of it is left")
    assert len(list(RunDir.all(home))) == 2


def test_mitigate_of_a_closed_run_takes_exposure_away_and_waits_also_for_a_dead_conductor(
    home: Path, world: World, bench: Bench
) -> None:
    closed = released(home, world, bench)
    said = amplify("mitigate", closed.run)
    assert said.returncode == 0, said.stderr
    assert (flag_now(world)[0], versions(world)) == (False, ["3.0.0", "3.0.0"])
    back = newest(home, {closed.run})
    assert f"amplify rollback {back.run}" in said.stderr
    assert replay(back).phase == "rolling_back"
    assert bench.did("revert") == []
    card = back.card.read_text(encoding="utf-8")
    assert lines_of(card, "3 Code"), "what is left stands on its card"

    assert kill_conductor(back)
    rolled = amplify("rollback", back.run, "--yes", "--reason", "it was the code as well")
    assert rolled.returncode == 3, rolled.stderr
    assert versions(world) == ["2.9.4", "2.9.4"]


def test_what_a_later_run_has_touched_waits_for_a_person_and_the_rest_goes_on(
    home: Path, world: World, bench: Bench
) -> None:
    first = _run(home, playbook(world.facts(), [step("work", "command", bench.command("work")), *flag_steps()]), bench)
    only = {"name": "checkout-v3", "source": "flags", "enabled": True, "change": [{"title": "ramp", "rollout": 40}]}
    later = _run(home, playbook(world.facts(), [step("narrow", "flag", only)]), bench)
    said = amplify("rollback", first.run, "--yes", "--reason", "a test")
    assert said.returncode == 5, said.stdout + said.stderr
    assert f"run {later.run}" in said.stderr
    back = newest(home, {first.run, later.run})
    assert flag_now(world)[0] is True, "what somebody else made stays until a person says otherwise"
    assert bench.did("undo_work") == [], "and no code goes back under a flag that is on"
    (item,) = [item.id for item in replay(back).rollback_plan if item.band == 1]
    assert_clear(amplify("do", back.run, "retry", item), code=1)
    assert amplify("do", back.run, "decide-undo", item, "kill", "--reason", "both are bad").returncode == 0
    assert amplify("attach", back.run, "--headless").returncode == 3
    assert flag_now(world)[0] is False
    assert len(bench.did("undo_work")) == 1


def test_a_closed_run_is_not_reversed_while_another_run_holds_its_locks(home: Path, world: World, bench: Bench) -> None:
    closed = released(home, world, bench)
    path = bench.folder / "open.yaml"
    go = step("go", "confirm", {"ask": "Go?"})
    path.write_text(playbook(world.facts(), [go, *flag_steps()]), encoding="utf-8")
    assert amplify("run", committed(path), "--headless").returncode == 4
    open_ = newest(home, {closed.run})
    said = amplify("rollback", closed.run, "--yes")
    assert_clear(said, f"locked by run {open_.run}")
    assert len(list(RunDir.all(home))) == 2
    assert amplify("do", open_.run, "abort", "--reason", "a test").returncode == 0
    assert amplify("rollback", closed.run, "--yes").returncode == 3
