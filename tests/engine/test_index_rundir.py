"""Where a run's files and its socket lie, under good and bad environments."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from amplify_tui.engine import rundir
from amplify_tui.engine.journal import EMPTY, Head
from amplify_tui.engine.proc import this_process
from amplify_tui.engine.rundir import SOCKET_PATH_MAX, Conductor, NoHome, NoRun, NotPrivate, RunDir
from tests.engine.engine_helpers import short_folder


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of our own, as short as a real one."""
    with short_folder() as folder:
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        yield folder


def test_home_is_what_the_environment_says_and_is_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AMPLIFY_HOME", str(tmp_path / "here"))
    assert rundir.home() == tmp_path / "here"
    assert stat.S_IMODE((tmp_path / "here").stat().st_mode) == 0o700


def test_without_amplify_home_the_platform_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AMPLIFY_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert rundir.home().is_relative_to(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("HOME", ""), ("AMPLIFY_HOME", "not/absolute"), ("AMPLIFY_HOME", "~/runs")]
)
def test_no_home_is_said_in_words(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.delenv("AMPLIFY_HOME", raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(NoHome, match="AMPLIFY_HOME"):
        rundir.home()


def test_a_home_that_is_a_file_is_said_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AMPLIFY_HOME", str(tmp_path / "file"))
    with pytest.raises(NoHome, match="Set AMPLIFY_HOME to a folder"):
        rundir.home()


def test_a_run_directory_is_made_once_found_and_listed(tmp_path: Path) -> None:
    made = RunDir.create(tmp_path, "r-1")
    RunDir.create(tmp_path, "r-2")
    assert stat.S_IMODE(made.path.stat().st_mode) == stat.S_IMODE(made.evidence.stat().st_mode) == 0o700
    with pytest.raises(FileExistsError):
        RunDir.create(tmp_path, "r-1")
    assert RunDir.find(tmp_path, "r-1").path == made.path
    assert [run.run for run in RunDir.all(tmp_path)] == ["r-1", "r-2"]
    assert list(RunDir.all(tmp_path / "nowhere")) == []
    with pytest.raises(NoRun, match="amplify runs"):
        RunDir.find(tmp_path, "r-3")


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "-x", ".x", "a b", "x" * 101, "a\n"])
def test_a_name_that_could_leave_the_folder_is_no_run(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoRun):
        RunDir.create(tmp_path, name)
    with pytest.raises(NoRun):
        RunDir.find(tmp_path, name)


def test_the_head_file_is_overwritten_in_place_and_garbage_proves_nothing(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, "r-1")
    assert run.head.read() == EMPTY
    for seq in (1, 12345678):
        run.head.write(Head(seq, f"{seq:064x}"))
        assert run.head.read() == Head(seq, f"{seq:064x}")
    assert stat.S_IMODE((run.path / "head").stat().st_mode) == 0o600
    run.head.close()
    run.head.close()
    (run.path / "head").write_bytes(b"\xff garbage")
    assert run.head.read() is None


def test_the_socket_of_the_conductor_is_tried_before_our_own_idea(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDir.create(tmp_path, "r-1")
    assert run.conductor() is None
    assert run.sockets() == [run.own_socket()]
    conductor = Conductor(mark=this_process(), socket="/somewhere/else.sock")
    run.write_conductor(conductor)
    assert run.conductor() == conductor
    assert run.sockets() == [run.own_socket(), Path("/somewhere/else.sock")]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 100)))
    assert run.sockets() == [Path("/somewhere/else.sock")]
    run.write_conductor(Conductor(mark=this_process(), socket=str(run.path)))
    assert run.sockets() == [run.path]


def test_sockets_are_short_private_and_differ_by_run_and_home(short: Path, tmp_path: Path) -> None:
    paths = {RunDir(tmp_path / home / "runs" / run).own_socket() for home in "ab" for run in ("r-1", "r-2")}
    assert len(paths) == 4
    assert all(len(os.fsencode(path)) <= SOCKET_PATH_MAX for path in paths)
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in paths} == {0o700}


def test_a_sockets_folder_that_others_could_use_is_refused(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = short / f"amplify-{os.getuid()}"
    folder.symlink_to(tmp_path)
    with pytest.raises(NotPrivate, match="symbolic link"):
        rundir.sockets_dir()
    folder.unlink()
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(NotPrivate, match="mode 0755"):
        rundir.sockets_dir()
    if os.getuid() == 0:
        folder.chmod(0o700)
        os.chown(folder, 65534, 65534)
        with pytest.raises(NotPrivate, match="belongs to user 65534"):
            rundir.sockets_dir()
    runtime = short / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert rundir.sockets_dir() == runtime / "amplify"


def test_a_long_temporary_folder_is_refused_with_the_number_of_bytes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with pytest.raises(NotPrivate, match=f"{SOCKET_PATH_MAX} are possible"):
        rundir.sockets_dir()
