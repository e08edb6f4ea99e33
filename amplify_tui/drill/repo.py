"""The sandbox's repository: history, tags, a bare remote, and the ops scripts that move the running world.

Everything comes in through one `git fast-import`; the user's own git configuration is kept out, so that a signing key
or a hook path of theirs changes nothing here. Commits up to the playbook's are the same in every sandbox.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from amplify_tui.adapters.process import environment
from amplify_tui.drill.history import HISTORY, Change

AUTHOR = "Amplify Sandbox <sandbox@example.com>"
TEMPLATE = Path(__file__).parent / "template"
BASE = 1_767_600_000  # 2026-01-05 08:00 UTC; an hour lies between two commits
EXCLUDED = "ops/world.json\nout/\n__pycache__/\n"
CONFIG = {
    "user.name": "Amplify Sandbox",
    "user.email": "sandbox@example.com",
    "commit.gpgsign": "false",
    "tag.gpgsign": "false",
    "core.hooksPath": ".git/hooks",
    "gc.auto": "0",
}


@dataclass(frozen=True, slots=True)
class Repo:
    tree: Path
    remote: Path
    head: str  # SHA


def build(folder: Path, extra: Mapping[str, str]) -> Repo:
    """Create FOLDER/shop and its bare remote FOLDER/shop.git; *extra* are files of the last commit, by path.

    main and the tags v2.9.3 and v2.9.4 are pushed, the tree is clean. Raises CalledProcessError when git fails.
    """
    tree, remote = folder / "shop", folder / "shop.git"
    _git(folder, "init", "-q", "-b", "main", str(tree))
    config = "".join(_section(key, value) for key, value in CONFIG.items())
    with (tree / ".git" / "config").open("a", encoding="utf-8") as file:
        file.write(config)
    (tree / ".git" / "info").mkdir(exist_ok=True)
    (tree / ".git" / "info" / "exclude").write_text(EXCLUDED, encoding="utf-8")
    _git(tree, "fast-import", "--quiet", stdin=b"".join(_stream(extra)))
    _git(tree, "reset", "-q", "--hard", "main")
    _git(folder, "clone", "-q", "--bare", str(tree), str(remote))
    _git(remote, "remote", "remove", "origin")  # the remote knows nothing of the tree
    _git(tree, "remote", "add", "origin", str(remote))
    _git(tree, "fetch", "-q", "origin")
    _git(tree, "branch", "-q", "--set-upstream-to=origin/main", "main")
    return Repo(tree, remote, _git(tree, "rev-parse", "HEAD"))


def _section(key: str, value: str) -> str:
    section, _, name = key.rpartition(".")
    return f"[{section}]\n\t{name} = {value}\n"


def _stream(extra: Mapping[str, str]) -> Iterator[bytes]:
    contents: dict[str, str] = {}
    first = {
        path.relative_to(TEMPLATE).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(TEMPLATE.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }
    yield from _commit(0, "chore: begin", first)
    for number, change in enumerate(HISTORY, start=1):
        contents[change.path] = contents.get(change.path, "") + f"{change.subject}\n"
        yield from _commit(number, _message(change), {change.path: contents[change.path]})
        if change.tag:
            yield f"tag {change.tag}\nfrom refs/heads/main\n".encode()
            yield f"tagger {AUTHOR} {BASE + number * 3600} +0000\n".encode()
            yield _data(f"Release {change.tag[1:]}\n")
    if extra:
        yield from _commit(len(HISTORY) + 1, "chore(release): the playbook of 3.0.0\n\nRefs: SHOP-140", extra)
    yield b"done\n"


def _message(change: Change) -> str:
    return f"{change.subject}\n\n{change.body}" if change.body else change.subject


def _commit(number: int, message: str, files: Mapping[str, str]) -> Iterator[bytes]:
    yield f"commit refs/heads/main\ncommitter {AUTHOR} {BASE + number * 3600} +0000\n".encode()
    yield _data(message + "\n")
    for path, text in files.items():
        mode = "100755" if text.startswith("#!") else "100644"
        yield f"M {mode} inline {path}\n".encode() + _data(text)


def _data(text: str) -> bytes:
    raw = text.encode()
    return f"data {len(raw)}\n".encode() + raw + b"\n"


def _git(cwd: Path, *args: str, stdin: bytes | None = None) -> str:
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    env = environment(alone)
    done = subprocess.run(["git", *args], cwd=cwd, env=env, input=stdin, capture_output=True, check=True, timeout=20)
    return done.stdout.decode().strip()
