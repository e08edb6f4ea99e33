"""Names of flags in the files of a commit: found as whole words, wherever they stand, whatever they look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amplify_tui.adapters.git.grep import Code
from amplify_tui.adapters.ports import Invalid, NotFound
from tests.adapters.git_world import commit, git, repository

CODE = """
if client.is_enabled("new-checkout", context): pay()
variant = client.get_variant( 'price.test')
client.is_enabled(name); not_is_enabled("other"); is_enabled(`ticks`)
"""


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "shop")


@pytest.fixture
def sha(repo: Path) -> str:
    write(repo, "src/shop.py", CODE)
    write(repo, "src/web/app.js", 'if (isEnabled("--open-files-in-pager=true")) {}')
    write(repo, "docs/notes.md", "old-banner was removed")
    write(repo, "release.yaml", "flag: only-here")
    git(repo, "add", "--all")
    return commit(repo, "the shop")


def write(repo: Path, name: str, text: str) -> None:
    (repo / name).parent.mkdir(parents=True, exist_ok=True)
    (repo / name).write_text(text, encoding="utf-8")


def code(repo: Path, sha: str, **more: Any) -> Code:
    return Code(repo, sha, **more)


async def test_a_whole_word_is_found_and_a_part_of_one_is_not(repo: Path, sha: str) -> None:
    assert await code(repo, sha).holds("new-checkout")
    assert not await code(repo, sha).holds("new-check")
    assert not await code(repo, sha).holds("new.checkout")  # a dot is a dot
    assert not await code(repo, sha).holds("nowhere")


async def test_a_name_that_looks_like_an_option_is_a_name(repo: Path, sha: str) -> None:
    assert await code(repo, sha).holds("--open-files-in-pager=true")
    assert not await code(repo, sha).holds("--open-files-in-pager=touch")
    assert not await code(repo, sha).holds("-e")


async def test_only_these_paths_count_and_the_playbook_itself_does_not(repo: Path, sha: str) -> None:
    assert await code(repo, sha).holds("old-banner")
    assert not await code(repo, sha, paths=["src"]).holds("old-banner")
    assert await code(repo, sha, paths=["src/**/*.js"]).holds("isEnabled")
    assert not await code(repo, sha, paths=["src/*.py"]).holds("isEnabled")
    assert await code(repo, sha).holds("only-here")
    assert not await code(repo, sha, but=["release.yaml"]).holds("only-here")


async def test_what_calls_name_is_found_where_it_is_written_out(repo: Path, sha: str) -> None:
    found = await code(repo, sha).called_with(["is_enabled", "get_variant"])
    assert found == ("new-checkout", "price.test", "ticks")
    assert await code(repo, sha).called_with([]) == ()
    assert await code(repo, sha).called_with(["-h"]) == ()


async def test_the_commit_counts_and_not_what_lies_in_the_working_tree(repo: Path, sha: str) -> None:
    write(repo, "src/more.py", 'is_enabled("not-yet")')
    assert not await code(repo, sha).holds("not-yet")


async def test_what_is_no_commit_is_an_error_and_never_an_empty_answer(repo: Path, sha: str) -> None:
    with pytest.raises(Invalid):
        code(repo, "--all")
    with pytest.raises(NotFound):
        await code(repo, "0" * 40).holds("new-checkout")
