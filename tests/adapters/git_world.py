"""Real repositories for the git tests: made by git itself, without the developer's own configuration."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ENV = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "captain",
    "GIT_AUTHOR_EMAIL": "captain@example.org",
    "GIT_COMMITTER_NAME": "captain",
    "GIT_COMMITTER_EMAIL": "captain@example.org",
}


def git(where: Path, *args: str, stdin: bytes | None = None) -> str:
    done = subprocess.run(
        ["git", "-C", str(where), *args], env=ENV, input=stdin, check=True, capture_output=True, timeout=60
    )
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def repository(where: Path, *, bare: bool = False) -> Path:
    where.mkdir(parents=True, exist_ok=True)
    git(where, "init", "--quiet", "--initial-branch=main", *(["--bare"] if bare else []))
    return where


def commit(where: Path, message: str = "feat: change", *, at: int = 1_700_000_000, name: str = "file") -> str:
    """A commit of one changed file, made at *at*; its SHA."""
    file = where / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{hash(message)} {at}")
    git(where, "add", "--", name)
    env = {**ENV, "GIT_AUTHOR_DATE": f"{at} +0000", "GIT_COMMITTER_DATE": f"{at} +0000"}
    subprocess.run(
        ["git", "-C", str(where), "commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-F", "-"],
        input=message.encode("utf-8", "surrogateescape"),
        env=env,
        check=True,
        capture_output=True,
    )
    return git(where, "rev-parse", "HEAD")


def with_remote(where: Path, remote: Path) -> Path:
    """A repository at *where* whose remote `origin` is a bare one at *remote*."""
    repository(remote, bare=True)
    repository(where)
    git(where, "remote", "add", "origin", remote.as_uri())
    return where


def hook(remote: Path, script: str, name: str = "pre-receive") -> None:
    path = remote / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def many_tags(where: Path, count: int) -> Path:
    """A repository with *count* commits and as many tags, half of them annotated, packed."""
    repository(where)
    lines = ["reset refs/heads/main"]
    for n in range(count):
        at = 1_600_000_000 + n
        lines += [
            "commit refs/heads/main",
            f"mark :{n + 1}",
            f"committer captain <captain@example.org> {at} +0000",
            "data 4",
            "feat",
            "",
        ]
        if n % 2:
            tagger = f"tagger captain <captain@example.org> {at} +0000"
            lines += [f"tag v0.{n}.0", f"from :{n + 1}", tagger, "data 1", "t"]
        else:
            lines += [f"reset refs/tags/v0.{n}.0", f"from :{n + 1}", ""]
    git(where, "fast-import", "--quiet", stdin="\n".join([*lines, ""]).encode())
    git(where, "pack-refs", "--all")
    return where
