"""Whether a file is as a commit has it: the question behind "who vouches for this playbook"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.git.call import Caller
from amplify_tui.adapters.git.names import is_full_sha
from amplify_tui.adapters.git.repo import GitRepo

_FILE = b"100"  # the mode of a regular file, executable or not: no link, no submodule


class CommittedFile:
    """The file at *path*, by the repository that it lies in. Every method raises AdapterError where git cannot say."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._caller = Caller(path.parent)
        self._repo = GitRepo(path.parent)

    async def doubt(self, is_same: Callable[[bytes], bool]) -> str:
        """Why HEAD does not hold the file as it is, in words; "" where it does. *is_same* judges the committed bytes.

        The committed bytes are compared, not the index or the working tree: what a run pinned is what will run.
        """
        blob = await self._at(await self._repo.resolve("HEAD"))
        if blob is None:
            return f"{clean(self.name, 80)} is not committed"
        return "" if is_same(blob) else f"{clean(self.name, 80)} has changes that are not committed"

    async def is_on(self, ref: str, is_same: Callable[[bytes], bool]) -> bool:
        """Whether *ref* has the file so now, or had it: then the commit of HEAD that last changed it is an ancestor.

        Raises NotFound where *ref* names no commit.
        """
        there = await self._repo.resolve(ref)
        blob = await self._at(there)
        if blob is not None and is_same(blob):
            return True
        here = await self._at(await self._repo.resolve("HEAD"))
        if here is None or not is_same(here):
            return False
        args = ["--literal-pathspecs", "log", "-1", "--no-show-signature", "--format=%H", "HEAD", "--", self.name]
        changed = (await self._caller.read(args)).decode().strip()
        return is_full_sha(changed) and await self._repo.is_ancestor(changed, there)

    async def _at(self, sha: str) -> bytes | None:
        """The file's bytes at that commit; None where it is not there as a file."""
        out = await self._caller.read(["ls-tree", "-z", "--end-of-options", sha, "--", self.name])
        for record in out.split(b"\0"):
            entry, _, _ = record.partition(b"\t")
            mode, _, rest = entry.partition(b" ")
            kind, _, oid = rest.partition(b" ")
            if mode.startswith(_FILE) and kind == b"blob":
                return await self._caller.read(["cat-file", "blob", oid.decode()])
        return None
