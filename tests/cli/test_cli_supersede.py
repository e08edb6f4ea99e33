"""Fix forward from the shell: a hotfix supersedes a bad release, with real services and flags (states.md 6)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from amplify_tui.cli.common import replay
from amplify_tui.cli.rollback_cmd import _past_return
from amplify_tui.drill.world import World
from amplify_tui.engine.locks import open_index
from amplify_tui.engine.rundir import RunDir
from tests.cli.test_cli_reverse import newest
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
from tests.run.test_run_data import released

GO_ON = step("go_on", "confirm", {"ask": "Go on?"})


def waiting(home: Path, bench: Bench, text: str, *args: str) -> RunDir:
    """A run that has come to its last step, which asks a person."""
    before = {folder.run for folder in RunDir.all(home)}
    said = amplify("run", saved(bench, text), "--headless", *args)
    assert said.returncode == 4, said.stdout + said.stderr
    return newest(home, before)


def saved(bench: Bench, text: str) -> str:
    path = bench.folder / f"{len(list(bench.folder.glob('*.yaml')))}.yaml"
    path.write_text(text, encoding="utf-8")
    return committed(path)


def bad_release(home: Path, world: World, bench: Bench) -> RunDir:
    """3.0.0 on both instances, and its flag at 50 %."""
    prepare, ramp = flag_steps((50,))
    ramp["rollout"]["partial"] = True
    work = step("work", "command", bench.command("work"))
    return waiting(home, bench, playbook(world.facts(), [deploy_step(bench), work, prepare, ramp, GO_ON]))


def hotfix(world: World, bench: Bench, **more: Any) -> str:
    """The playbook of 3.0.1: code again, and the flag for everybody."""
    _, ramp = flag_steps((100,))
    return playbook(world.facts(), [deploy_step(bench), ramp, GO_ON], **more)


def test_a_rolled_back_hotfix_leaves_the_world_as_it_was_before_the_release_that_it_superseded(
    home: Path, world: World, bench: Bench
) -> None:
    bad = bad_release(home, world, bench)
    assert (flag_now(world), versions(world)) == ((True, [50.0]), ["3.0.0", "3.0.0"])
    held = amplify("run", saved(bench, hotfix(world, bench)), "--headless", "--supersedes", bad.run)
    assert held.returncode == 1
    assert "nobody holds it" in held.stderr
    assert f"amplify do {bad.run} hold" in held.stderr
    assert len(list(RunDir.all(home))) == 1, "refused before there is a draft"

    assert amplify("do", bad.run, "hold", "--reason", "errors").returncode == 0
    new = waiting(home, bench, hotfix(world, bench), "--supersedes", bad.run[:6], "--set", "version=3.0.1")
    assert (flag_now(world), versions(world)) == ((True, [100.0]), ["3.0.1", "3.0.1"])
    earlier = replay(bad)
    assert (earlier.phase, earlier.outcome, earlier.superseded_by) == ("closed", "abandoned", new.run)
    assert replay(new).supersedes == bad.run
    assert set(replay(new).locks) == set(earlier.locks)
    index = open_index(home)
    assert {held.run for held in index.holders()} == {new.run}
    index.close()

    rows = {
        row["run"]: (row["supersedes"], row["superseded_by"]) for row in json.loads(amplify("runs", "--json").stdout)
    }
    assert rows == {new.run: (bad.run, None), bad.run: (None, new.run)}
    listed = amplify("runs").stdout
    assert f"superseded by {new.run}" in listed
    assert f"supersedes {bad.run}" in listed
    assert f"superseded by run {new.run}" in amplify("show", bad.run).stdout
    assert json.loads(amplify("show", new.run, "--json").stdout)["supersedes"] == bad.run
    for taking_back in ("rollback", "mitigate"):
        args = ("--yes",) if taking_back == "rollback" else ()
        assert_clear(
            amplify(taking_back, bad.run, *args), f"run {new.run} supersedes it", f"amplify rollback {new.run}"
        )
    twice = amplify("run", saved(bench, hotfix(world, bench)), "--supersedes", bad.run)
    assert f"run {new.run} supersedes it already" in twice.stderr

    shutil.rmtree(bad.path)
    back = amplify("rollback", new.run, "--yes", "--reason", "no better")
    assert back.returncode == 3, back.stdout + back.stderr
    assert (flag_now(world)[0], versions(world)) == (False, ["2.9.4", "2.9.4"])
    assert len(bench.did("undo_work")) == 1, "what only the bad release did is taken back with it"


def test_a_run_whose_conductor_died_is_superseded_and_a_hotfix_that_lacks_something_leaves_it_alone(
    home: Path, world: World, bench: Bench
) -> None:
    bad = bad_release(home, world, bench)
    assert amplify("do", bad.run, "hold").returncode == 0
    lame = playbook(world.facts(), [deploy_step(bench), GO_ON], sources={})
    said = amplify("run", saved(bench, lame), "--headless", "--supersedes", bad.run)
    assert said.returncode != 0
    assert "the playbook has no source flags, which the undo of flags/checkout-v3 needs" in said.stderr + said.stdout
    assert replay(bad).phase == "forward", "nothing has changed hands"
    elsewhere = hotfix(world, bench, release={"environment": "staging"})
    said = amplify("run", saved(bench, elsewhere), "--headless", "--supersedes", bad.run)
    assert "that one is of production" in said.stderr + said.stdout

    assert kill_conductor(bad)
    text = hotfix(world, bench)
    new = waiting(home, bench, text, "--supersedes", bad.run, "--set", "version=3.0.1")
    assert (replay(bad).superseded_by, replay(new).supersedes) == (new.run, bad.run)
    took = amplify("mitigate", new.run)
    assert took.returncode == 0, took.stderr
    assert flag_now(world)[0] is False


def test_a_rollback_past_the_point_of_no_return_names_the_way_forward(capsys: pytest.CaptureFixture[str]) -> None:
    _past_return(released(contract=True).state)
    assert "amplify run HOTFIX.yaml --supersedes r1" in capsys.readouterr().out
    _past_return(released().state)
    assert capsys.readouterr().out == "", "elsewhere going back is the way"
