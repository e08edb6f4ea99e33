"""Tags read from the refs' own files: the same as git says, or nothing where the files do not tell."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from amplify_tui.adapters.git.refs import RefFiles
from amplify_tui.adapters.git.repo import GitRepo
from tests.adapters.git_world import commit, git, repository


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """Packed and loose tags, light, annotated and nested; one of them packed and moved since."""
    repo = repository(tmp_path / "tagged")
    commit(repo)
    for name in ("v1.0.0", "v1.1.0", "team/v1", "moved"):
        git(repo, "tag", name)
    git(repo, "tag", "-a", "v2.0.0", "-m", "two")
    git(repo, "pack-refs", "--all")
    commit(repo, "feat: later")
    git(repo, "tag", "-f", "moved")
    git(repo, "tag", "v3.0.0")
    git(repo, "tag", "team/web/v1")
    git(repo, "tag", "-a", "v3.0.0-signed", "-m", "a tag of a tag", "v2.0.0")
    return repo


def as_git_says(repo: Path) -> dict[str, str]:
    lines = git(repo, "for-each-ref", "--format=%(objectname) %(refname:strip=2)", "refs/tags").splitlines()
    return {name: oid for oid, _, name in (line.partition(" ") for line in lines)}


CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda repo: None,
    "a packed tag is deleted": lambda repo: git(repo, "tag", "-d", "v1.0.0"),
    "a loose tag is deleted": lambda repo: git(repo, "tag", "-d", "v3.0.0"),
    "a packed tag is moved": lambda repo: git(repo, "tag", "-f", "v1.1.0", "HEAD"),
    "a nested tag is made": lambda repo: git(repo, "tag", "team/app/v9"),
    "all are packed": lambda repo: git(repo, "pack-refs", "--all"),
    "the packed ones are packed again": lambda repo: [
        git(repo, "tag", "v4.0.0"),
        git(repo, "pack-refs", "--all"),
        git(repo, "tag", "-d", "v2.0.0"),
    ],
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_files_tell_what_git_tells_before_and_after_every_change(tagged: Path, change: str) -> None:
    files = RefFiles(tagged / ".git")
    assert files.read() == as_git_says(tagged)
    CHANGES[change](tagged)
    assert files.read() == as_git_says(tagged)


def test_packed_refs_of_the_same_size_and_time_are_read_again_while_they_are_young(tagged: Path) -> None:
    git(tagged, "pack-refs", "--all")
    packed = tagged / ".git" / "packed-refs"
    files = RefFiles(tagged / ".git")
    assert "v1.0.0" in (files.read() or {})
    found = packed.stat()
    packed.write_text(packed.read_text().replace("refs/tags/v1.0.0", "refs/tags/v1.0.9"))
    os.utime(packed, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert "v1.0.9" in (files.read() or {})


async def test_a_linked_worktree_shows_the_tags_of_its_repository(tagged: Path, tmp_path: Path) -> None:
    git(tagged, "worktree", "add", "--quiet", "--detach", str(tmp_path / "other"))
    kept = GitRepo(tmp_path / "other")
    await kept.tags()
    git(tagged, "tag", "v5.0.0")
    assert {tag.name: tag.oid for tag in await kept.tags()} == as_git_says(tagged)


def test_a_ref_that_is_being_written_is_no_tag_yet(tagged: Path) -> None:
    (tagged / ".git" / "refs" / "tags" / "v9.0.0.lock").write_text("")
    assert RefFiles(tagged / ".git").read() == as_git_says(tagged)


def test_a_tag_with_an_invisible_name_is_left_out(tagged: Path) -> None:
    git(tagged, "tag", "v1.0.0\u200b")
    assert "v1.0.0\u200b" in as_git_says(tagged)
    assert "v1.0.0\u200b" not in (RefFiles(tagged / ".git").read() or {})
    git(tagged, "pack-refs", "--all")
    assert "v1.0.0\u200b" not in (RefFiles(tagged / ".git").read() or {})


def _symbolic(repo: Path) -> None:
    git(repo, "symbolic-ref", "refs/tags/latest", "refs/tags/v3.0.0")


def _half_written(repo: Path) -> None:
    (repo / ".git" / "refs" / "tags" / "v9.0.0").write_text("12ab")


def _reftable(repo: Path) -> None:
    (repo / ".git" / "reftable").mkdir()


def _many_loose(repo: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")
    git(repo, "update-ref", "--stdin", stdin="".join(f"create refs/tags/n{n} {head}\n" for n in range(300)).encode())


@pytest.mark.parametrize("change", [_symbolic, _half_written, _reftable, _many_loose])
def test_where_the_files_do_not_tell_git_has_to_be_asked(tagged: Path, change: Callable[[Path], None]) -> None:
    change(tagged)
    assert RefFiles(tagged / ".git").read() is None


@pytest.mark.parametrize("change", [_symbolic, _many_loose])
async def test_the_list_is_right_where_git_had_to_be_asked(tagged: Path, change: Callable[[Path], None]) -> None:
    kept = GitRepo(tagged)
    await kept.tags()
    change(tagged)
    git(tagged, "tag", "v5.0.0")
    assert {tag.name: tag.oid for tag in await kept.tags()} == as_git_says(tagged)


async def test_the_list_is_newest_first_after_a_change_as_well(tagged: Path) -> None:
    kept = GitRepo(tagged)
    await kept.tags()
    commit(tagged, "feat: newest", at=1_800_000_000)
    git(tagged, "tag", "v6.0.0")
    assert list(await kept.tags()) == list(await GitRepo(tagged).tags())
    assert (await kept.tags())[0].name == "v6.0.0"


def test_packed_refs_are_kept_while_they_lie_there_unchanged(tagged: Path) -> None:
    git(tagged, "pack-refs", "--all")
    packed = tagged / ".git" / "packed-refs"
    hour_ago = time.time() - 3600
    os.utime(packed, (hour_ago, hour_ago))
    files = RefFiles(tagged / ".git")
    before = files.read()
    found = packed.stat()
    packed.write_bytes(b"x" * found.st_size)
    os.utime(packed, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert files.read() == before
