"""A flag file without us: git and jq lines that switch a flag off, restore it, and prove it.

The file is changed on its branch of the remote, in a working tree of its own: what lies in the one that people work in,
and which branch is checked out there, stays as it is. A push that is refused is tried again by running the line again.
"""

from __future__ import annotations

import json
from pathlib import Path

from amplify_tui.adapters.flagfile.document import to_flag
from amplify_tui.adapters.flags.port import ByHand
from amplify_tui.adapters.ports import FlagWrite, Invalid
from amplify_tui.playbook.model import Source
from amplify_tui.report import shell

ORIGIN = "origin"


def repository(file: Path) -> Path | None:
    """The nearest folder above *file* that is a git repository."""
    return next((one for one in file.resolve().parents if (one / ".git").exists()), None)


def off(source: Source, key: str) -> str:
    """The line that switches the flag off, run in a clone of its repository."""
    return _edited(source, "./" + (source.flagfile or ""), _state(key), f"Switch {key} off")


def restored(source: Source, write: FlagWrite, base: Path) -> ByHand:
    """From `write.after` back to `write.before`, to the letter; a flag that was not there is switched off, and kept."""
    written = base / (source.flagfile or "")
    root = repository(written)
    if root is None:
        return ByHand(undo=off(source, write.key))
    file = "./" + written.resolve().relative_to(root).as_posix()
    change, wanted = _state(write.key), f'{_flag(write.key)}.state == "DISABLED"'
    try:
        flag = to_flag(write.key, write.before, None)
    except Invalid:
        flag = None
    if flag is not None:
        change, wanted = f"{_flag(write.key)} = {json.dumps(flag)}", f"{_flag(write.key)} == {json.dumps(flag)}"
    fetched = f'{_branch(source)} && git fetch -q {shell.word(_remote(source))} "$own_branch"'
    tree = 'own_tree=$(mktemp -d) && git worktree add -q --detach "$own_tree" FETCH_HEAD && cd "$own_tree"'
    edited = _edited(source, file, change, f"Take {write.key} back")
    proof = f"{fetched} && git show FETCH_HEAD:{shell.quoted(file)} | jq -e {shell.quoted(wanted)} > /dev/null"
    return ByHand(
        undo=shell.within(str(root), f"{fetched} && {tree} && {edited}"), proof=shell.within(str(root), proof)
    )


def _edited(source: Source, file: str, change: str, message: str) -> str:
    """The file changed, committed where that is a change, and pushed to its branch."""
    name = shell.quoted(file)
    put = f"jq {shell.quoted(change)} {name} > own.new && mv own.new {name}"
    commit = f"(git diff --quiet -- {name} || git commit -q -m {shell.quoted(message)} -- {name})"
    remote = shell.word(_remote(source))
    return f'{_branch(source)} && {put} && {commit} && git push -q {remote} HEAD:refs/heads/"$own_branch"'


def _branch(source: Source) -> str:
    """Sets own_branch: the one that is written, else the one that the remote's HEAD names."""
    if source.branch:
        return f"own_branch={shell.word(source.branch)}"
    named = 'awk \'/^ref:/ {sub("refs/heads/", "", $2); print $2}\''
    return f"own_branch=$(git ls-remote --symref {shell.word(_remote(source))} HEAD | {named})"


def _remote(source: Source) -> str:
    return source.remote or ORIGIN


def _flag(key: str) -> str:
    return f".flags[{json.dumps(key)}]"


def _state(key: str) -> str:
    return f'{_flag(key)}.state = "DISABLED"'
