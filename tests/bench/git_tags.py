"""The tags panel on a repository with ten thousand tags, against git itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from amplify_tui.adapters.git.repo import GitRepo
from amplify_tui.adapters.git.tags import FULL
from tests.bench.measure import Table, Way, by_turns, last_to_first, timed

TAGS: Final = 10_000
COMMITS: Final = 2_000
WHO: Final = "bench <bench@example.com>"


def git(repo: Path, *args: str, stdin: str | None = None) -> str:
    argv = ["git", "-C", str(repo), *args]
    return subprocess.run(argv, input=stdin, check=True, capture_output=True, text=True, env=_env()).stdout


def _env() -> dict[str, str]:
    """git as on a machine without configuration of anybody's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def make(repo: Path) -> None:
    """One branch of commits, and tags on them: every other one annotated, all packed."""
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    git(repo, "fast-import", "--quiet", stdin="\n".join(_stream()) + "\n")
    git(repo, "pack-refs", "--all")
    age(repo)


def _stream() -> Iterator[str]:
    for number in range(1, COMMITS + 1):
        yield "commit refs/heads/main"
        yield f"mark :{number}"
        yield f"committer {WHO} {1_600_000_000 + number * 60} +0000"
        yield from ("data 6", "change")
        if number > 1:
            yield f"from :{number - 1}"
        yield ""
    for number in range(TAGS):
        commit = number * COMMITS // TAGS + 1
        name = f"v{number // 100}.{number % 100}.0"
        if number % 2:
            yield f"tag {name}"
            yield f"from :{commit}"
            yield f"tagger {WHO} {1_600_000_000 + commit * 60 + 30} +0000"
            yield from ("data 7", "release")
        else:
            yield f"reset refs/tags/{name}"
            yield f"from :{commit}"
            yield ""


def age(repo: Path) -> None:
    """As if the last change were an hour ago: a signature of a change this young is not trusted yet."""
    for path in (repo / ".git" / "packed-refs", *(repo / ".git" / "refs").rglob("*"), repo / ".git" / "refs"):
        found = path.stat()
        os.utime(path, (found.st_atime - 3600, found.st_mtime - 3600))


def tables() -> list[Table]:
    """First list, unchanged tick, and the list after one more tag."""
    with tempfile.TemporaryDirectory(prefix="amplify-bench-") as scratch, asyncio.Runner() as loop:
        repo = Path(scratch) / "repo"
        make(repo)
        kept = GitRepo(repo)
        assert len(loop.run(kept.tags())) == TAGS
        # A process costs milliseconds however it is started: git's own ways are started as the adapter starts them.
        first = by_turns(
            {
                "git for-each-ref, newest first": timed(
                    lambda: git(repo, "for-each-ref", "--sort=-creatordate", FULL, "refs/tags")
                ),
                "first list of the tags panel": lambda: loop.run(_look(GitRepo(repo))),
            },
            rounds=7,
        )
        tick = by_turns(
            {
                "git rev-parse HEAD": timed(lambda: git(repo, "rev-parse", "HEAD")),
                "unchanged tick of the tags panel": lambda: loop.run(_look(kept)),
            },
            rounds=30,
        )
        changed = by_turns(
            {
                "full list": lambda: loop.run(_look(GitRepo(repo))),
                "one more tag": _after_one_more(loop, kept, repo),
            },
            rounds=7,
        )
    return [
        Table("tags-first", f"The first list of {TAGS:,} tags", first, (last_to_first(first, 1.15),)),
        Table("tags-tick", "A look at tags that did not change", tick, (last_to_first(tick, 0.05),)),
        Table("tags-changed", "A look after one more tag", changed, (last_to_first(changed, 0.25),)),
    ]


async def _look(repo: GitRepo) -> float:
    """Seconds within a running loop, as in the conductor: starting and ending a loop does not count."""
    begun = time.perf_counter()
    await repo.tags()
    return time.perf_counter() - begun


def _after_one_more(loop: asyncio.Runner, kept: GitRepo, repo: Path) -> Way:
    numbers = iter(range(10**6))

    def once() -> float:
        git(repo, "update-ref", f"refs/tags/more-{next(numbers)}", "HEAD")
        return loop.run(_look(kept))

    return once
