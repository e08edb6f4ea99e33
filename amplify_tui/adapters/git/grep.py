"""The text of one commit, searched: whether it holds a name, and which names its calls of some functions hold.

The working tree is not looked at: what is released is the commit. Names come from a flag server and from a playbook, so
none of them can be taken for an option or a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from amplify_tui.adapters.git.call import Caller
from amplify_tui.adapters.git.names import is_full_sha
from amplify_tui.adapters.ports import Invalid

NOTHING: Final = 1  # git grep's status where nothing matches
# The first argument of a call, a whole literal: `is_enabled("new-checkout"`. Flag names are URL-friendly in Unleash.
_ARGUMENT: Final = r"""\s*\(\s*["'`]([A-Za-z0-9._~-]{1,100})["'`]"""


class Code:
    """The files of commit *sha* under *paths* (globs; none: all), without *but*. Making one touches nothing."""

    def __init__(self, root: Path, sha: str, *, paths: Sequence[str] = (), but: Collection[str] = ()) -> None:
        if not is_full_sha(sha):
            raise Invalid(f"{sha[:80]!r} is no commit")
        self._caller = Caller(root)
        self._sha = sha
        self._where = [f":(top,glob){path}" for path in paths] + [f":(top,exclude,literal){path}" for path in but]

    async def holds(self, name: str) -> bool:
        """Whether a file holds *name* as a whole word. Raises AdapterError."""
        return bool(await self._lines(["-l", "-w", "-F", "-e", name]))

    async def called_with(self, functions: Sequence[str]) -> tuple[str, ...]:
        """The first arguments of calls of these functions, where they are written out, sorted. Raises AdapterError."""
        if not functions:
            return ()
        wanted = [part for name in functions for part in ("-e", name)]
        call = re.compile(rf"(?<![\w])(?:{'|'.join(map(re.escape, functions))}){_ARGUMENT}")
        lines = await self._lines(["-h", "-w", "-F", *wanted])
        return tuple(sorted({name for line in lines for name in call.findall(line)}))

    async def _lines(self, args: Sequence[str]) -> list[str]:
        command = ["grep", "-I", "--no-color", "--full-name", *args, self._sha, "--", *self._where]
        answer = await self._caller.run(command)
        if answer.status == NOTHING and not answer.is_timed_out:
            return []
        self._caller.must(answer)
        return answer.out.decode("utf-8", "replace").splitlines()
