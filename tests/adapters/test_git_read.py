"""What a repository says: facts, revisions, tags, history. Against repositories that git itself made."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from git_world import commit, git, many_tags, repository, with_remote

from amplify_tui.adapters.git import GitRepo, notes, repository_problems
from amplify_tui.adapters.ports import Invalid, NotFound

HOSTILE = "fix: \x1b[31mred\x1b[0m \x1b]0;title\x07 \u202eevil\u202c [/] [@click=app.quit] ${{ secrets.X }}"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


async def test_facts_name_branch_head_remotes_and_changes(tmp_path: Path) -> None:
    where = with_remote(tmp_path / "repo", tmp_path / "remote.git")
    sha = commit(where)
    git(where, "remote", "add", "forge", "https://captain:hunter2@forge.example/x.git")
    (where / "file").write_text("changed")
    facts = await GitRepo(where).facts()
    assert (facts.branch, facts.head, facts.bare, facts.shallow, facts.detached) == (
        "main",
        sha,
        False,
        False,
        False,
    )
    assert facts.dirty
    assert facts.root == str(where)
    assert [remote.name for remote in facts.remotes] == ["origin", "forge"]
    assert "hunter2" not in repr(facts)
    assert [problem.what for problem in repository_problems(facts, push="origin")] == [
        "tracked files have changes that no commit holds"
    ]


async def test_each_bad_state_is_a_problem_in_words(tmp_path: Path, repo: Path) -> None:
    empty = await GitRepo(repo).facts()
    assert (empty.head, empty.branch) == (None, "main")
    told = repository_problems(empty, push="origin")
    assert [problem.severity for problem in told] == ["error", "error"]
    assert told[0].what == "the repository has no commits yet"
    assert told[1].what == "there is no remote 'origin' to push to (known: none)"

    commit(repo)
    commit(repo, at=1_700_000_100)
    git(repo, "switch", "--quiet", "--detach")
    assert [p.what for p in repository_problems(await GitRepo(repo).facts())] == [
        "HEAD is detached: no branch says what is being released"
    ]
    git(tmp_path, "clone", "--quiet", "--depth=1", "--bare", "--branch=main", repo.as_uri(), "shallow.git")
    facts = await GitRepo(tmp_path / "shallow.git").facts()
    assert (facts.bare, facts.shallow, facts.branch) == (True, True, "main")
    assert [p.what.partition(":")[0] for p in repository_problems(facts)] == [
        "the clone is shallow",
        "the repository is bare",
    ]


async def test_a_directory_without_a_repository_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="not a git repository"):
        await GitRepo(tmp_path).facts()
    with pytest.raises(NotFound, match="no such directory"):
        await GitRepo(tmp_path / "nowhere").facts()


async def test_a_hooks_environment_does_not_redirect_us(
    tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = commit(repo)
    other = repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert await GitRepo(repo).resolve("HEAD") == sha


async def test_resolve_takes_branches_tags_shas_and_steps_back(repo: Path) -> None:
    first = commit(repo)
    second = commit(repo, at=1_700_000_100)
    git(repo, "tag", "-a", "-m", "x", "v1.0.0", first)
    found = GitRepo(repo)
    assert await found.resolve("main") == second
    assert await found.resolve("HEAD~1") == first
    assert await found.resolve("v1.0.0") == first
    assert await found.resolve("refs/heads/main^") == first
    assert await found.resolve(first[:12]) == first


async def test_resolve_says_what_is_missing(repo: Path) -> None:
    with pytest.raises(NotFound, match="no commits yet"):
        await GitRepo(repo).resolve("HEAD")
    commit(repo)
    with pytest.raises(NotFound, match="'nowhere' names no commit"):
        await GitRepo(repo).resolve("nowhere")


async def test_a_name_with_two_meanings_is_refused(repo: Path) -> None:
    first = commit(repo)
    commit(repo, at=1_700_000_100)
    git(repo, "tag", "main", first)
    with pytest.raises(Invalid, match="both a branch and a tag"):
        await GitRepo(repo).resolve("main")
    assert await GitRepo(repo).resolve("refs/tags/main") == first


@pytest.mark.parametrize("name", ["--upload-pack=touch pwned", "--output=pwned", "-o"])
async def test_a_branch_named_like_an_option_is_only_a_name(repo: Path, name: str) -> None:
    sha = commit(repo)
    branch = name.replace(" ", "_")
    git(repo, "update-ref", f"refs/heads/{branch}", sha)
    found = GitRepo(repo)
    assert await found.resolve(branch) == sha
    assert [one.sha for one in await found.commits(None, branch)] == [sha]
    assert (await found.ahead(branch, "main")).ahead == 0
    assert sorted(path.name for path in repo.iterdir()) == [".git", "file"]


@pytest.mark.parametrize(
    "rev", ["", "a..b", "main:file", ":/feat", "main@{1}", "a b", "x\ny", "\x1b[m", "^main", "x.lock", "\ud800"]
)
async def test_what_is_no_plain_revision_is_refused_before_git_sees_it(repo: Path, rev: str) -> None:
    commit(repo)
    with pytest.raises(Invalid, match="is not a revision"):
        await GitRepo(repo).resolve(rev)


async def test_tags_tell_what_they_name_and_when(repo: Path) -> None:
    first = commit(repo, at=1_700_000_000)
    second = commit(repo, at=1_700_000_100)
    git(repo, "tag", "light", first)
    git(repo, "tag", "-a", "-m", "x", "v1.0.0", second)
    git(repo, "tag", "-a", "-m", "x", "of-a-tag", "v1.0.0")
    git(repo, "tag", "tree", "HEAD^{tree}")
    tags = {tag.name: tag for tag in await GitRepo(repo).tags()}
    assert (tags["light"].sha, tags["light"].annotated, tags["light"].at) == (first, False, 1_700_000_000)
    assert (tags["v1.0.0"].sha, tags["v1.0.0"].annotated) == (second, True)
    assert (tags["of-a-tag"].sha, tags["of-a-tag"].annotated) == (second, True)
    assert tags["tree"].at is None


async def test_a_tag_with_an_invisible_name_is_not_listed(repo: Path) -> None:
    sha = commit(repo)
    git(repo, "update-ref", "refs/tags/v1.0.0\u200b", sha)
    git(repo, "update-ref", "refs/tags/v1.0.0", sha)
    assert [tag.name for tag in await GitRepo(repo).tags()] == ["v1.0.0"]


def _age(repo: Path) -> None:
    """As if the last change had been long ago: the list is then trusted without a look at the refs."""
    for path in [repo / ".git", *(repo / ".git").rglob("*")]:
        os.utime(path, (1_600_000_000, 1_600_000_000))


@pytest.mark.parametrize("change", ["new", "nested", "moved", "deleted", "packed and new", "swapped"])
async def test_every_way_to_change_a_tag_is_seen(repo: Path, change: str) -> None:
    first = commit(repo)
    second = commit(repo, at=1_700_000_100)
    for name in ("a", "b", "deep/er/c"):
        git(repo, "tag", name, first)
    _age(repo)
    found = GitRepo(repo)
    before = await found.tags()
    assert await found.tags() is before
    steps = {
        "new": [("tag", "new", second)],
        "nested": [("tag", "deep/er/new", second), ("tag", "deep/x/y", first)],
        "moved": [("tag", "-f", "deep/er/c", second)],
        "deleted": [("tag", "-d", "a")],
        "packed and new": [("pack-refs", "--all"), ("tag", "new", second)],
        "swapped": [("tag", "-d", "a"), ("tag", "z", second)],
    }
    for step in steps[change]:
        git(repo, *step)
    listed = git(repo, "for-each-ref", "--format=%(refname:strip=2) %(objectname)", "refs/tags").splitlines()
    assert sorted(f"{tag.name} {tag.sha}" for tag in await found.tags()) == sorted(listed)


async def test_a_change_right_after_a_look_is_seen_too(repo: Path) -> None:
    sha = commit(repo)
    found = GitRepo(repo)
    for n in range(20):
        git(repo, "tag", f"v{n}", sha)
        assert len(await found.tags()) == n + 1


async def test_ten_thousand_tags_are_read_at_once_and_kept(tmp_path: Path) -> None:
    where = many_tags(tmp_path / "repo", 10_000)
    _age(where)
    found = GitRepo(where)
    tags = await found.tags()
    assert len(tags) == 10_000
    assert [tag.name for tag in tags[:2]] == ["v0.9999.0", "v0.9998.0"]
    assert await found.tags() is tags
    git(where, "tag", "v1.0.0", "main")
    assert {tag.name for tag in await found.tags()} - {tag.name for tag in tags} == {"v1.0.0"}
    previous = await found.previous_tag("1.0.0", "main")
    assert previous is not None
    assert previous.name == "v0.9999.0"


async def test_the_previous_tag_is_the_highest_below_that_is_an_ancestor(repo: Path) -> None:
    first = commit(repo)
    for name in ("v1.9.0", "v1.10.0", "v1.2", "nightly", "v2.0.0-rc.1", "w1.50.0"):
        git(repo, "tag", "-a", "-m", "x", name, first)
    head = commit(repo, at=1_700_000_100)
    git(repo, "tag", "v2.0.0", head)
    git(repo, "switch", "--quiet", "-c", "side", first)
    side = commit(repo, at=1_700_000_200)
    git(repo, "tag", "v1.11.0", side)
    found = GitRepo(repo)

    async def before(version: str, **more: bool) -> str | None:
        tag = await found.previous_tag(version, head, **more)
        return tag.name if tag else None

    assert await before("2.0.0") == "v1.10.0"
    assert await before("2.0.0", prereleases=True) == "v2.0.0-rc.1"
    assert await before("2.0.0-rc.2") == "v2.0.0-rc.1"
    assert await before("2.1.0") == "v2.0.0"
    assert await before("1.0.0") is None
    assert (await found.previous_tag("2.0.0", head, "w")).name == "w1.50.0"  # type: ignore[union-attr]


async def test_commits_say_type_scope_tickets_and_what_breaks(repo: Path) -> None:
    git_date = 1_700_000_000
    since = commit(repo, "chore: start", at=git_date)
    commit(repo, "feat(api)!: new cart (SHOP-12)\n\nCloses #34.\n\nBREAKING CHANGE: old carts go", at=git_date + 1)
    commit(repo, "just words", at=git_date + 2, name="docs/readme")
    commit(repo, 'Revert "feat: gone"', at=git_date + 3)
    found = await GitRepo(repo).commits(since, "main")
    assert [(c.type, c.scope, c.breaking) for c in found] == [
        ("revert", "", False),
        ("", "", False),
        ("feat", "api", True),
    ]
    assert found[2].description == "new cart (SHOP-12)"
    assert found[2].tickets == ("SHOP-12", "#34")
    assert (found[2].author, found[2].at) == ("captain", git_date + 1)
    assert [c.subject for c in await GitRepo(repo).commits(since, "main", ["docs"])] == ["just words"]
    custom = await GitRepo(repo).commits(since, "main", tickets=re.compile(r"cart"))
    assert custom[2].tickets == ("cart",)


async def test_a_hostile_message_loses_its_controls_and_keeps_its_words(repo: Path) -> None:
    commit(repo, f"{HOSTILE}\n\n{HOSTILE}\nline two \udcff")
    (found,) = await GitRepo(repo).commits(None, "HEAD")
    assert found.subject == "fix: red  evil [/] [@click=app.quit] ${{ secrets.X }}"
    assert found.body.splitlines() == [found.subject, "line two \xff"]  # git itself reads it as Latin-1


async def test_a_message_of_a_megabyte_stays_small(repo: Path) -> None:
    commit(repo, "fix: " + "x" * 1_000_000 + "\n\n" + "y\n" * 100_000)
    (found,) = await GitRepo(repo).commits(None, "HEAD")
    assert len(found.subject) == 400
    assert len(found.body) < 1_000


async def test_unknown_ends_and_shallow_history_are_told_apart(tmp_path: Path, repo: Path) -> None:
    old = commit(repo)
    commit(repo, at=1_700_000_100)
    with pytest.raises(NotFound, match="no such commit"):
        await GitRepo(repo).commits("nowhere", "main")
    git(tmp_path, "clone", "--quiet", "--depth=1", repo.as_uri(), "shallow")
    with pytest.raises(NotFound, match="not in this shallow clone"):
        await GitRepo(tmp_path / "shallow").commits(old, "HEAD")


async def test_distance_and_ancestry_between_two_branches(repo: Path) -> None:
    base = commit(repo)
    main = commit(repo, at=1_700_000_100)
    git(repo, "switch", "--quiet", "-c", "side", base)
    commit(repo, at=1_700_000_200)
    side = commit(repo, at=1_700_000_300)
    found = GitRepo(repo)
    distance = await found.ahead(side, "main")
    assert (distance.ahead, distance.behind) == (2, 1)
    assert await found.is_ancestor(base, "side")
    assert not await found.is_ancestor(main, "side")
    assert await found.merge_base("main", "side") == base


async def test_notes_group_by_kind_and_leave_merges_out(repo: Path) -> None:
    commit(repo, "chore: start")
    commit(repo, "feat(cart)!: new cart", at=1_700_000_001)
    commit(repo, "fix: [x](javascript:alert) <b>\n\nFixes SHOP-7", at=1_700_000_002)
    git(repo, "switch", "--quiet", "-c", "side", "HEAD~1")
    commit(repo, "something else", at=1_700_000_003, name="other")
    git(repo, "switch", "--quiet", "main")
    git(repo, "merge", "--quiet", "--no-ff", "-m", "Merge side", "side")
    found = await GitRepo(repo).commits(None, "HEAD")
    assert [c.subject for c in found if c.merge] == ["Merge side"]
    text = notes(found)
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "### Breaking changes",
        "### Features",
        "### Fixes",
        "### Maintenance",
        "### Other changes",
    ]
    assert "Merge side" not in text
    assert "[x]\\(javascript:alert) \\<b> (SHOP-7)" in text
    assert notes([]) == ""
