"""What a run leaves on the disk is its owner's alone, and what was changed in its journal does not go unnoticed."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from amplify_tui.adapters.ports import Invalid
from amplify_tui.engine.rundir import RunDir
from amplify_tui.steps.e2e import _keep, report_of
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    amplify,
    assert_clear,
    checked,
    committed,
    kill_conductor,
    plain_playbook,
    plain_repo,
    step,
)
from tests.engine.engine_helpers import script


def modes(place: Path) -> dict[str, int]:
    """Everything below *place*: its kind and mode."""
    return {str(p.relative_to(place)): stat.S_IMODE(p.lstat().st_mode) for p in place.rglob("*") if not p.is_symlink()}


def test_everything_of_a_run_is_its_owners_alone_under_the_loosest_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("AMPLIFY_HOME", str(home))
    bench = Bench(tmp_path / "bench")
    (tmp_path / "tests").write_text("#!/bin/sh\necho tested; echo found > artifact.txt; chmod 666 artifact.txt\n")
    (tmp_path / "tests").chmod(0o755)
    repo = plain_repo(tmp_path / "shop")
    tests = {"argv": [str(tmp_path / "tests")], "cleanup": {"argv": ["true"]}, "artifacts": ["*.txt"]}
    file = repo / "release.yaml"
    file.write_text(plain_playbook(repo, [step("work", "command", bench.command("work")), step("buy", "e2e", tests)]))
    committed(file)
    before = os.umask(0)
    try:
        said = amplify("run", str(file), "--headless")
    finally:
        os.umask(before)
    assert said.returncode == 0, said.stderr
    (folder,) = RunDir.all(home)
    assert list(folder.path.rglob("artifact.txt"))
    loose = {name: oct(mode) for name, mode in modes(home).items() if mode & 0o077}
    assert loose == {}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


KNOCK = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
door = socket.socket(socket.AF_UNIX)
try:
    door.connect(sys.argv[1])
    print("open")
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
async def test_nobody_but_the_owner_reaches_a_runs_socket(runs: Runs, tmp_path: Path) -> None:
    go = step("go", "confirm", {"ask": "Go?"})
    folder = runs.create(checked(plain_playbook(plain_repo(tmp_path / "repo"), [go]), tmp_path / "p.yaml"))
    await runs.conduct(folder)
    said = folder.conductor()
    assert said is not None
    place = Path(said.socket)
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(said.socket)  # its owner does
    with script(KNOCK, said.socket) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "PermissionError"


# --- the journal ------------------------------------------------------------------------------------------------------


def edit(db: sqlite3.Connection) -> None:
    db.execute("update event set body = cast(replace(body, 'support is staffed', 'support is asleep!') as blob)")


def delete(db: sqlite3.Connection) -> None:
    db.execute("delete from event where seq = 3")


def swap(db: sqlite3.Connection) -> None:
    rows = db.execute("select seq, body from event where seq in (3, 4)").fetchall()
    for (seq, _), (_, body) in zip(rows, reversed(rows), strict=True):
        db.execute("update event set body = ? where seq = ?", (body, seq))


def lose_the_tail(db: sqlite3.Connection) -> None:
    db.execute("delete from event where seq > (select max(seq) - 2 from event)")


async def noted(runs: Runs, tmp_path: Path) -> RunDir:
    """A run under way with two notes, whose conductor is gone."""
    go = step("go", "confirm", {"ask": "Go?"})
    folder = runs.create(checked(plain_playbook(plain_repo(tmp_path / "repo"), [go]), tmp_path / "p.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        for words in ("support is staffed", "so is the desk"):
            assert (await watched.do("Note", text=words)).ok
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
    kill_conductor(folder)
    return folder


def tamper(folder: RunDir, how: Callable[[sqlite3.Connection], None]) -> None:
    """As somebody who may write the file does it: the triggers that forbid it go first."""
    with sqlite3.connect(folder.journal) as db:
        db.execute("drop trigger event_is_final")
        db.execute("drop trigger event_is_kept")
        how(db)
    db.close()


@pytest.mark.parametrize("how", [edit, delete, swap, lose_the_tail])
async def test_an_edit_a_deletion_a_swap_and_a_lost_tail_are_found(
    runs: Runs, tmp_path: Path, how: Callable[[sqlite3.Connection], None]
) -> None:
    folder = await noted(runs, tmp_path)
    assert amplify("show", folder.run, "--verify").returncode == 0
    tamper(folder, how)
    assert_clear(amplify("show", folder.run, "--verify"), "not sound", code=1)


async def test_a_tail_that_is_lost_together_with_the_runs_own_head_is_found_by_the_index(
    runs: Runs, tmp_path: Path
) -> None:
    folder = await noted(runs, tmp_path)
    (folder.path / "head").unlink()
    assert amplify("show", folder.run, "--verify").returncode == 0
    tamper(folder, lambda db: db.execute("delete from event where seq > 3"))
    assert_clear(amplify("show", folder.run, "--verify"), "went back", code=1)


# --- paths ------------------------------------------------------------------------------------------------------------


def test_nothing_from_outside_the_repository_is_kept_as_an_artifact(tmp_path: Path) -> None:
    repo, into = tmp_path / "repo", tmp_path / "kept"
    (repo / "out").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("canary")
    (repo / "out" / "good.txt").write_text("good")
    (repo / "out" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (repo / "away").symlink_to(tmp_path)
    _keep(("out/*.txt", "../secret.txt", "away/*.txt", str(tmp_path / "secret.txt"), "**/*.txt"), repo, into)
    assert [p.relative_to(into).as_posix() for p in into.rglob("*") if p.is_file()] == ["out/good.txt"]


@pytest.mark.parametrize("junit", ["../report.xml", "/etc/passwd", "out/../../report.xml", "away/report.xml"])
def test_a_report_outside_the_repository_is_refused_for_it_would_be_deleted(tmp_path: Path, junit: str) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "away").symlink_to(tmp_path)
    assert report_of("out/report.xml", repo) == repo / "out/report.xml"
    with pytest.raises(Invalid, match="leaves the repository"):
        report_of(junit, repo)
