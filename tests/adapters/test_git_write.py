"""Tags made, pushed and taken back, against real remotes with real hooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from git_world import ENV, commit, git, hook, repository, with_remote

from amplify_tui.adapters.git import GitRepo
from amplify_tui.adapters.git.call import Answer
from amplify_tui.adapters.git.write import pushed
from amplify_tui.adapters.ports import Absent, Done, Invalid, NotFound, Unauthorized, Unknown, Unreachable


@pytest.fixture(autouse=True)
def _own_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENV.items():
        if name.startswith("GIT_"):
            monkeypatch.setenv(name, value)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return tmp_path / "remote.git"


@pytest.fixture
def repo(tmp_path: Path, remote: Path) -> Path:
    where = with_remote(tmp_path / "repo", remote)
    commit(where)
    return where


async def test_a_pushed_tag_lands_and_a_second_push_changes_nothing(repo: Path, remote: Path) -> None:
    found = GitRepo(repo)
    sha = git(repo, "rev-parse", "HEAD")
    made = await found.create_tag("v1.0.0", sha, "Release 1.0.0\n\n# kept\n")
    assert isinstance(made, Done)
    assert made.receipt["sha"] == sha
    assert await found.remote_tag("v1.0.0", "origin") is None
    first = await found.push_tag("v1.0.0", "origin")
    assert first == Done(receipt={"ref": "refs/tags/v1.0.0", "sha": sha, "remote": "origin"}, observed="pushed")
    assert git(remote, "rev-parse", "v1.0.0^{commit}") == sha
    assert git(remote, "cat-file", "tag", "v1.0.0").endswith("Release 1.0.0\n\n# kept")
    assert await found.remote_tag("v1.0.0", "origin") == sha
    again = await found.push_tag("v1.0.0", "origin")
    assert isinstance(again, Done)
    assert again.observed == "was there already"


async def test_making_the_same_tag_twice_is_done_and_moving_it_is_refused(repo: Path) -> None:
    found = GitRepo(repo)
    first = git(repo, "rev-parse", "HEAD")
    assert isinstance(await found.create_tag("v1.0.0", first), Done)
    assert isinstance(await found.create_tag("v1.0.0", first, "another message"), Done)
    second = commit(repo, at=1_700_000_100)
    moved = await found.create_tag("v1.0.0", second)
    assert isinstance(moved, Absent)
    assert (moved.error, moved.retryable) == ("Conflict", False)
    assert git(repo, "rev-parse", "v1.0.0^{commit}") == first


async def test_a_tag_out_on_another_commit_is_never_moved(repo: Path, remote: Path) -> None:
    old = git(repo, "rev-parse", "HEAD")
    git(repo, "push", "--quiet", "origin", f"{old}:refs/tags/v1.0.0")
    new = commit(repo, at=1_700_000_100)
    found = GitRepo(repo)
    await found.create_tag("v1.0.0", new)
    refused = await found.push_tag("v1.0.0", "origin")
    assert isinstance(refused, Absent)
    assert refused.error == "Conflict"
    assert git(remote, "rev-parse", "v1.0.0^{commit}") == old


async def test_a_hook_that_rejects_is_quoted_in_its_own_words(repo: Path, remote: Path) -> None:
    hook(remote, "printf 'tags are \\033[31mfrozen\\033[0m until Monday \\377\\n' >&2; echo ask-sre >&2; exit 1")
    found = GitRepo(repo)
    await found.create_tag("v1.0.0", "HEAD")
    refused = await found.push_tag("v1.0.0", "origin")
    assert isinstance(refused, Absent)
    assert not refused.retryable
    assert refused.reason == (
        "origin refused the tag: [remote rejected] (pre-receive hook declined);"
        " it says: tags are frozen until Monday \ufffd ask-sre"
    )
    assert await found.remote_tag("v1.0.0", "origin") is None


async def test_a_push_cut_off_by_its_timeout_is_unknown(repo: Path, remote: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    hook(remote, f"while [ ! -e {gate} ]; do sleep 0.1; done")
    found = GitRepo(repo)
    await found.create_tag("v1.0.0", "HEAD")
    outcome = await found.push_tag("v1.0.0", "origin", timeout=1.0)
    gate.touch()
    assert isinstance(outcome, Unknown)
    assert "ended after 1 s" in outcome.cause


async def test_a_remote_that_is_not_there_took_nothing(repo: Path, tmp_path: Path) -> None:
    git(repo, "remote", "add", "gone", (tmp_path / "gone.git").as_uri())
    found = GitRepo(repo)
    await found.create_tag("v1.0.0", "HEAD")
    outcome = await found.push_tag("v1.0.0", "gone")
    assert isinstance(outcome, Absent)
    assert (outcome.error, outcome.retryable) == ("NotFound", False)
    with pytest.raises(NotFound):
        await found.remote_tag("v1.0.0", "gone")
    with pytest.raises(NotFound):
        await found.remote_tag("v1.0.0", "never-added")


@asynccontextmanager
async def _server(answer: bytes | None) -> AsyncIterator[int]:
    """An HTTP server that gives *answer* to everyone, or (None) hangs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _pushed_to(repo: Path, url: str, timeout: float = 20.0) -> object:
    git(repo, "remote", "add", "web", url)
    found = GitRepo(repo)
    await found.create_tag("v1.0.0", "HEAD")
    return await found.push_tag("v1.0.0", "web", timeout)


async def test_a_closed_port_is_absent_and_worth_another_try(repo: Path) -> None:
    async with _server(b"") as port:
        pass
    outcome = await _pushed_to(repo, f"http://captain:hunter2@127.0.0.1:{port}/x.git")
    assert isinstance(outcome, Absent)
    assert (outcome.error, outcome.retryable) == ("Unreachable", True)
    assert "hunter2" not in repr(outcome)
    with pytest.raises(Unreachable) as caught:
        await GitRepo(repo).remote_tag("v1.0.0", "web")
    assert "hunter2" not in str(caught.value)


async def test_a_missing_credential_is_absent_and_nobody_is_asked(repo: Path) -> None:
    body = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
    async with _server(body) as port:
        outcome = await _pushed_to(repo, f"http://127.0.0.1:{port}/x.git")
        assert isinstance(outcome, Absent)
        assert (outcome.error, outcome.retryable) == ("Unauthorized", False)
        with pytest.raises(Unauthorized):
            await GitRepo(repo).remote_tag("v1.0.0", "web")


async def test_a_server_that_hangs_leaves_the_push_unknown_and_the_read_unreachable(repo: Path) -> None:
    async with _server(None) as port:
        assert isinstance(await _pushed_to(repo, f"http://127.0.0.1:{port}/x.git", 1.0), Unknown)
        with pytest.raises(Unreachable, match="within 1 s"):
            await GitRepo(repo).remote_tag("v1.0.0", "web", timeout=1.0)


@pytest.mark.parametrize(
    "err",
    [
        "error: RPC failed; HTTP 500 curl 22 The requested URL returned error: 403\nsend-pack: unexpected disconnect",
        "fatal: the remote end hung up unexpectedly",
        "remote: connection refused\nfatal: the remote end hung up unexpectedly",
    ],
)
def test_a_push_that_broke_once_begun_is_unknown(err: str) -> None:
    answer = Answer(status=128, out=b"", err=err)
    assert isinstance(pushed(answer, "refs/tags/v1", "a" * 40, "origin"), Unknown)


def test_a_status_line_nobody_knows_is_unknown_and_never_done() -> None:
    line = b"!\trefs/tags/v1:refs/tags/v1\t[remote failure] (remote failed to report status)\nDone\n"
    assert isinstance(pushed(Answer(status=1, out=line, err=""), "refs/tags/v1", "a" * 40, "o"), Unknown)
    assert isinstance(pushed(Answer(status=0, out=b"Done\n", err=""), "refs/tags/v1", "a" * 40, "o"), Unknown)


async def test_a_local_tag_is_removed_only_while_it_is_ours(repo: Path) -> None:
    found = GitRepo(repo)
    sha = git(repo, "rev-parse", "HEAD")
    await found.create_tag("v1.0.0", sha)
    other = commit(repo, at=1_700_000_100)
    refused = await found.delete_local_tag("v1.0.0", other)
    assert isinstance(refused, Absent)
    assert refused.error == "Conflict"
    assert isinstance(await found.delete_local_tag("v1.0.0", sha), Done)
    assert git(repo, "tag") == ""
    assert isinstance(await found.delete_local_tag("v1.0.0", sha), Done)


async def test_a_repository_without_an_identity_says_what_to_set(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    git(repo, "config", "user.useConfigOnly", "true")
    outcome = await GitRepo(repo).create_tag("v1.0.0", "HEAD")
    assert isinstance(outcome, Absent)
    assert "user.email" in outcome.reason


async def test_a_signature_that_cannot_be_made_leaves_no_tag(repo: Path) -> None:
    git(repo, "config", "gpg.program", "false")
    outcome = await GitRepo(repo).create_tag("v1.0.0", "HEAD", "x", sign=True)
    assert isinstance(outcome, Absent)
    assert outcome.error == "Unauthorized"
    assert git(repo, "tag") == ""


async def test_a_locked_repository_is_worth_another_try(repo: Path) -> None:
    lock = repo / ".git" / "refs" / "tags" / "v1.0.0.lock"
    lock.touch()
    outcome = await GitRepo(repo).create_tag("v1.0.0", "HEAD")
    assert isinstance(outcome, Absent)
    assert outcome.retryable


@pytest.mark.parametrize("name", ["--upload-pack=x", "-d", "a b", "x\u202ey", "v1..2", "", "v1.lock", "a\nb"])
async def test_a_name_no_tag_may_have_reaches_no_git(repo: Path, name: str) -> None:
    found = GitRepo(repo)
    for attempt in (
        found.create_tag(name, "HEAD"),
        found.remote_tag(name, "origin"),
        found.delete_local_tag(name, "HEAD"),
        found.push_tag(name, "origin"),
    ):
        with pytest.raises(Invalid):
            await attempt


@pytest.mark.parametrize("name", ["--receive-pack=x", "ext::sh -c x", "https://example.org/x", "../x", ""])
async def test_a_remote_is_a_configured_name_and_nothing_else(repo: Path, name: str) -> None:
    found = GitRepo(repo)
    await found.create_tag("v1.0.0", "HEAD")
    with pytest.raises(Invalid, match="is not the name of a remote"):
        await found.push_tag("v1.0.0", name)


async def test_a_tag_that_does_not_exist_cannot_be_pushed(tmp_path: Path, repo: Path) -> None:
    outcome = await GitRepo(repo).push_tag("v9.9.9", "origin")
    assert outcome == Absent(reason="there is no local tag v9.9.9 to push", error="NotFound")
    empty = repository(tmp_path / "empty")
    with pytest.raises(NotFound, match="no commits yet"):
        await GitRepo(empty).create_tag("v1.0.0", "HEAD")
