"""`amplify init`: a commented first playbook for the repository one stands in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from amplify_tui.adapters.git.repo import GitRepo
from amplify_tui.cli.errors import Failure
from amplify_tui.playbook.init import Facts, init_text


@click.command("init")
@click.argument("path", default="release.yaml")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def command(path: str, force: bool) -> None:
    """Write a first playbook to PATH."""
    file = Path(path)
    if file.exists() and not force:
        raise Failure(f"{path} is there already", next_="name another file, or --force", code=2)
    facts = asyncio.run(_facts())
    try:
        file.write_text(init_text(facts), encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be written", why=error.strerror or "", code=2) from error
    click.echo(f"wrote {path}; next: `amplify check {path}`, then `amplify run {path}`")


async def _facts() -> Facts:
    repo = GitRepo(Path())
    found = await repo.facts()
    tags = await repo.tags()
    prefix, last = _last_version([tag.name for tag in tags])
    remote = found.remotes[0].name if found.remotes else "origin"
    trusted = f"{remote}/{found.branch}" if found.remotes and found.branch else ""
    return Facts(name=Path(found.root).name, remote=remote, tag_prefix=prefix, last_version=last, trusted_ref=trusted)


def _last_version(names: list[str]) -> tuple[str, str]:
    """The tag prefix and the highest version among tags; `v` and nothing where none is a version."""
    import semver

    found = [
        (semver.Version.parse(name[len(p) :]), p)
        for name in names
        for p in ("v", "")
        if name.startswith(p) and semver.Version.is_valid(name[len(p) :])
    ]
    if not found:
        return "v", ""
    version, prefix = max(found)
    return prefix, str(version)
