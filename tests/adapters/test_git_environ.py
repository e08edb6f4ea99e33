"""What git's hooks and helpers find in their environment: what git works by, and no secret of the conductor."""

from __future__ import annotations

from pathlib import Path

import pytest
from git_world import ENV, commit, git, hook, with_remote

from amplify_tui.adapters.git import GitRepo
from amplify_tui.adapters.git.environ import withheld
from amplify_tui.adapters.ports import Done

CANARY = "canary-9d02"
SECRETS = ("UNLEASH_TOKEN", "GIT_TOKEN", "GH_TOKEN", "AWS_SECRET_ACCESS_KEY", "CANARY", "ssh_key")
HOOKS = ("pre-push", "reference-transaction", "post-checkout")


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository and its remote, whose hooks and credential helper write down all that they see."""
    for name, value in ENV.items():
        if name.startswith("GIT_"):
            monkeypatch.setenv(name, value)
    for name in SECRETS:
        monkeypatch.setenv(name, CANARY)
    where = with_remote(tmp_path / "repo", tmp_path / "remote.git")
    commit(where)
    seen = f'env >> "{tmp_path}/seen-$(basename "$0")"; tr "\\0" "\\n" < /proc/$PPID/cmdline >> "{tmp_path}/argv" || :'
    for name in HOOKS:
        hook(where / ".git", f"{seen}\ncat > /dev/null", name)
    hook(tmp_path / "remote.git", f"{seen}\ncat > /dev/null", "pre-receive")
    return where


async def released(repo: Path) -> None:
    """A tag made and pushed, as a release does it."""
    found = GitRepo(repo)
    assert isinstance(await found.create_tag("v1.0.0", git(repo, "rev-parse", "HEAD")), Done)
    assert isinstance(await found.push_tag("v1.0.0", "origin"), Done)


async def test_a_hook_finds_no_secret_in_its_environment_or_in_an_argv(tmp_path: Path, repo: Path) -> None:
    await released(repo)
    files = sorted(tmp_path.glob("seen-*"))
    assert [path.name for path in files] == ["seen-pre-push", "seen-pre-receive", "seen-reference-transaction"]
    for path in (*files, *tmp_path.glob("argv")):
        text = path.read_text()
        assert text
        assert CANARY not in text
    assert not set(SECRETS) & {line.partition("=")[0] for path in files for line in path.read_text().splitlines()}


async def test_a_credential_helper_finds_no_secret_but_what_its_user_named(
    tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repo, "config", "credential.helper", f"!f() {{ env > '{tmp_path}/helper'; }}; f")
    found = GitRepo(repo)
    ask = b"protocol=https\nhost=forge.example\n\n"
    await found._caller.run(["credential", "fill"], stdin=ask)
    assert CANARY not in (tmp_path / "helper").read_text()
    monkeypatch.setenv("AMPLIFY_GIT_ENV", "GH_TOKEN, HELPER_HOME")
    await found._caller.run(["credential", "fill"], stdin=ask)
    told = (tmp_path / "helper").read_text().splitlines()
    assert [line for line in told if CANARY in line] == [f"GH_TOKEN={CANARY}"]


async def test_git_keeps_what_it_works_by(tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {
        "HOME": str(tmp_path),
        "SSH_AUTH_SOCK": "/run/agent.sock",
        "GIT_SSH_COMMAND": "ssh -i key",
        "GIT_AUTHOR_NAME": "captain",
        "GIT_CONFIG_COUNT": "0",
        "https_proxy": "http://proxy.example:3128",
        "ALL_PROXY": "socks5://proxy.example:1080",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/bus",
        "GNUPGHOME": f"{tmp_path}/gpg",
        "XDG_CONFIG_HOME": f"{tmp_path}/config",
        "LC_TIME": "C",
    }
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    await released(repo)
    told = dict(line.split("=", 1) for line in (tmp_path / "seen-pre-push").read_text().splitlines() if "=" in line)
    assert {name: told.get(name) for name in kept} == kept
    assert told["GIT_TERMINAL_PROMPT"] == "0"
    assert "PATH" in told


def test_what_would_lead_git_to_another_repository_is_withheld_though_somebody_names_it() -> None:
    ours = {"GIT_DIR": "/elsewhere", "GIT_INDEX_FILE": "/i", "PATH": "/bin", "GIT_TOKEN": "t"}
    assert withheld(ours | {"AMPLIFY_GIT_ENV": "GIT_DIR"}) == (
        "AMPLIFY_GIT_ENV",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_TOKEN",
    )
