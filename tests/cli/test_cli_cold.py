"""A rollback without a journal: derived from the playbook and the world, and told so; a run of its own from then on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from amplify_tui.cli.common import replay
from amplify_tui.drill.world import World
from amplify_tui.engine.rundir import RunDir
from tests.cli.test_cli_reverse import whole_release
from tests.engine.card_lines import lines_of
from tests.engine.crash_world import (
    Bench,
    amplify,
    assert_clear,
    deploy_step,
    flag_now,
    flag_steps,
    kill_conductor,
    pid_of,
    playbook,
    step,
    tag_step,
    versions,
)


@pytest.fixture
def lost(home: Path, world: World, bench: Bench) -> Path:
    """The playbook of a release that is out, and whose journal is on a laptop at the bottom of the sea."""
    work = step("work", "command", bench.command("work"))
    path = bench.folder / "release.yaml"
    path.write_text(playbook(world.facts(), [deploy_step(bench), work, *flag_steps()]), encoding="utf-8")
    whole_release(path)
    shutil.rmtree(home)
    assert (flag_now(world)[0], versions(world)) == (True, ["3.0.0", "3.0.0"])
    return path


def test_cold_takes_exposure_and_code_back_and_says_that_it_is_derived(
    home: Path, lost: Path, world: World, bench: Bench
) -> None:
    said = amplify("rollback", "--cold", str(lost), "--to", "2.9.4", "--yes", "--reason", "the laptop is gone")
    assert said.returncode == 3, said.stdout + said.stderr
    assert (flag_now(world)[0], versions(world)) == (False, ["2.9.4", "2.9.4"])
    lines = [line for line in said.stdout.splitlines() if line.startswith((" 1 ", " 3 "))]
    acts = [line for line in lines if "read back" not in line]
    assert (len(acts), len(lines)) == (3, 4)
    assert all("derived, not recorded" in line for line in acts), said.stdout
    assert "step work (command) cannot be derived" in said.stdout
    assert bench.did("undo_work") == []
    (folder,) = RunDir.all(home)
    state = replay(folder)
    assert (state.is_derived, state.outcome) == (True, "rolled_back")
    assert "without a journal" in amplify("runs").stdout

    again = amplify("rollback", "--cold", str(lost), "--to", "2.9.4", "--yes")
    assert_clear(again, "flags are off")


def test_cold_asks_before_each_band_and_what_is_not_answered_waits(home: Path, lost: Path, world: World) -> None:
    said = typed(["rollback", "--cold", str(lost), "--to", "2.9.4"], "y\nn\n")
    assert said.returncode == 5, said.stdout
    assert (flag_now(world)[0], versions(world)) == (False, ["3.0.0", "3.0.0"])
    (folder,) = RunDir.all(home)
    assert replay(folder).phase == "rolling_back"
    assert lines_of(folder.card.read_text(encoding="utf-8"), "3 Code")
    assert kill_conductor(folder), "it is a run like any other: it survives its conductor"
    rest = amplify("rollback", folder.run, "--yes", "--reason", "the code, too")
    assert rest.returncode == 3, rest.stderr
    assert versions(world) == ["2.9.4", "2.9.4"]


def test_cold_changes_nothing_where_the_first_answer_is_no(home: Path, lost: Path, world: World) -> None:
    said = typed(["rollback", "--cold", str(lost), "--to", "2.9.4"], "n\n")
    assert said.returncode == 1, said.stdout
    assert flag_now(world)[0] is True
    assert list(RunDir.all(home)) == []


def test_cold_says_that_nobody_vouches_for_the_playbook_and_waits_for_no_commit(
    home: Path, lost: Path, world: World
) -> None:
    lost.write_text(lost.read_text(encoding="utf-8") + "# mended at night\n", encoding="utf-8")
    said = typed(["rollback", "--cold", str(lost), "--to", "2.9.4"], "n\n")
    assert said.stdout.index("not trusted") < said.stdout.index("Take exposure away?")
    assert (said.returncode, flag_now(world)[0]) == (1, True)


def test_cold_leaves_an_instance_alone_that_reports_the_version_already(
    home: Path, lost: Path, world: World, bench: Bench
) -> None:
    deploy = [sys.executable, "ops/deploy", "--host", "checkout-1", "--version", "2.9.4"]
    subprocess.run(deploy, cwd=world.facts()["repo"], check=True, capture_output=True)
    said = amplify("rollback", "--cold", str(lost), "--to", "2.9.4", "--yes")
    assert said.returncode == 3, said.stderr
    assert "checkout-1 reports 2.9.4 already" in said.stdout
    assert len(bench.did("revert")) == 1
    assert versions(world) == ["2.9.4", "2.9.4"]


def test_cold_with_a_silent_flag_server_begins_all_the_same_and_ends_once_it_answers(
    home: Path, lost: Path, world: World
) -> None:
    os.kill(pid_of(world, "flagserver"), signal.SIGSTOP)
    begun = subprocess.Popen(
        [sys.executable, "-m", "amplify_tui", "rollback", "--cold", str(lost), "--to", "2.9.4", "--yes"],
        stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert begun.stdout is not None
    for line in begun.stdout:
        if "cannot be read" in line:
            break
    os.kill(pid_of(world, "flagserver"), signal.SIGCONT)
    begun.stdout.read()
    assert begun.wait(100) == 3
    assert (flag_now(world)[0], versions(world)) == (False, ["2.9.4", "2.9.4"])


def test_bad_usage_of_cold_says_what_belongs_together(home: Path, tmp_path: Path, world: World) -> None:
    path = tmp_path / "release.yaml"
    inputs = {"version": {"type": "semver"}}
    path.write_text(playbook(world.facts(), [*flag_steps(), tag_step()], inputs=inputs), encoding="utf-8")
    assert_clear(amplify("rollback", "--cold", str(path)), "--to", code=2)
    assert_clear(amplify("rollback", "--to", "2.9.4"), "--cold", code=2)
    assert_clear(amplify("rollback", "abc", "--cold", str(path), "--to", "2.9.4"), "needs no run", code=2)
    assert_clear(amplify("rollback", "--cold", str(path), "--to", "2.9.4"), "--yes", code=2)
    assert_clear(amplify("rollback", "--cold", str(path), "--to", "2.9.4", "--yes"), "--set", "version", code=2)
    assert list(RunDir.all(home)) == []


def typed(argv: list[str], keys: str) -> subprocess.CompletedProcess[str]:
    """The command in a terminal of its own, with what a person types there."""
    import pty

    main, other = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "amplify_tui", *argv], stdin=other, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    os.close(other)
    try:
        os.write(main, keys.encode())
        out, _ = child.communicate(timeout=100)
    finally:
        os.close(main)
    return subprocess.CompletedProcess(argv, child.returncode, out, "")


def test_the_plan_is_in_the_runs_own_json(home: Path, lost: Path) -> None:
    said = typed(["rollback", "--cold", str(lost), "--to", "2.9.4"], "y\nn\n")
    assert said.returncode == 5, said.stdout
    (folder,) = RunDir.all(home)
    items = json.loads(amplify("show", folder.run, "--json").stdout)["undo"]["items"]
    assert [(i["band"], i["state"]) for i in items] == [(1, "done"), (2, "done")] + [(3, "planned")] * 3
