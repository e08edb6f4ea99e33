"""The sandbox's repository has a history one can release from."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from amplify_tui.drill.repo import Repo, build

CONVENTIONAL = re.compile(r"(feat|fix|perf|docs|test|refactor|build|chore)(\(\w+\))?!?: .+")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return build(tmp_path, {"release/x.yaml": "a: 1\n"})


def git(where: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=where, capture_output=True, text=True, check=True).stdout.strip()


def test_the_tree_is_clean_and_main_is_what_the_remote_has(repo: Repo) -> None:
    assert git(repo.tree, "status", "--porcelain") == ""
    assert git(repo.tree, "rev-parse", "HEAD", "origin/main") == f"{repo.head}\n{repo.head}"
    assert git(repo.remote, "rev-parse", "main") == repo.head
    assert git(repo.remote, "rev-parse", "--is-bare-repository") == "true"


def test_the_releases_are_annotated_tags_that_the_remote_has_too(repo: Repo) -> None:
    for where in (repo.tree, repo.remote):
        assert git(where, "tag").split() == ["v2.9.3", "v2.9.4"]
        assert git(where, "cat-file", "-t", "v2.9.4") == "tag"
    assert git(repo.tree, "describe", "--abbrev=0", "main") == "v2.9.4"


def test_the_commits_since_the_last_release_are_conventional_and_name_tickets(repo: Repo) -> None:
    subjects = git(repo.tree, "log", "--format=%s", "v2.9.4..main").splitlines()
    assert len(subjects) == 11
    assert all(CONVENTIONAL.fullmatch(subject) for subject in subjects)
    bodies = git(repo.tree, "log", "--format=%b", "v2.9.4..main")
    assert len(set(re.findall(r"SHOP-\d+", bodies))) == 10
    assert "BREAKING CHANGE: " in bodies


def test_the_ops_scripts_can_be_executed(repo: Repo) -> None:
    for name in ("deploy", "migrate", "e2e", "sql-check"):
        done = subprocess.run([f"ops/{name}", "--help"], cwd=repo.tree, capture_output=True, text=True, check=True)
        assert done.stdout.startswith("usage:")


def test_two_sandboxes_differ_only_in_the_last_commit(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = build(tmp_path / "other", {"release/x.yaml": "a: 2\n"})
    assert other.head != repo.head
    assert git(other.tree, "rev-parse", "HEAD~1") == git(repo.tree, "rev-parse", "HEAD~1")


def test_a_users_own_git_configuration_does_not_reach_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gitconfig"
    config.write_text(
        "[tag]\n\tgpgsign = true\n[commit]\n\tgpgsign = true\n[core]\n\tautocrlf = true\n", encoding="utf-8"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    repo = build(tmp_path, {})
    git(repo.tree, "tag", "-a", "v3.0.0", "-m", "Release 3.0.0")
    git(repo.tree, "push", "-q", "origin", "v3.0.0")
    assert git(repo.remote, "cat-file", "-t", "v3.0.0") == "tag"
