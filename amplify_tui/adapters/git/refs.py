"""The names and oids of the tags as they lie in the repository's files, without a git process: to see what changed.

What a tag is, git itself says afterwards. Where files do not tell (a reftable, a symbolic ref, a ref that is just being
written or packed, many loose ones) the answer is None, and git is asked for all of it.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Final

# A second change within one tick of the file system's clock leaves the same time: a stamp taken so soon
# after the last change is no proof yet (git calls such an index entry racy). 2 s is the coarsest clock in
# use (FAT, old HFS+).
YOUNG: Final = 2.0
_MANY: Final = 200  # loose refs from which on one git process reads them sooner than we do
_PREFIX: Final = "refs/tags/"
_OID: Final = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\n?\Z")

Stamp = tuple[int, int, int] | None
Oids = dict[str, str]


class RefFiles:
    """The tags of the repository whose common directory this is; keeps packed-refs until it is replaced."""

    def __init__(self, common_dir: Path) -> None:
        self._packed_refs = str(common_dir / "packed-refs")
        self._reftable = common_dir / "reftable"
        self._loose = str(common_dir / "refs" / "tags")
        self._stamp: Stamp = None
        self._packed: Oids = {}

    def read(self) -> Oids | None:
        """The oid that each tag names; None where git has to be asked. Names that nobody can read are left out."""
        try:
            if self._reftable.is_dir():
                return None
            # In this order, as git does: what is packed meanwhile is in packed-refs before it is gone from its file.
            loose = _loose(self._loose)
            return None if loose is None else self._read_packed() | loose
        except OSError:
            return None

    def _read_packed(self) -> Oids:
        stamp = stamp_of(self._packed_refs)
        if stamp is None:
            return {}
        if stamp == self._stamp:
            return self._packed
        lines = Path(self._packed_refs).read_bytes().decode("utf-8", "replace").split("\n")
        pairs = (line.partition(" ") for line in lines)
        packed = {
            name[len(_PREFIX) :]: oid for oid, _, name in pairs if name.startswith(_PREFIX) and name.isprintable()
        }
        is_settled = stamp[0] < (time.time() - YOUNG) * 1e9
        self._stamp, self._packed = (stamp if is_settled else None), packed
        return packed


def stamp_of(path: str) -> Stamp:
    """Time, inode and size of a file or directory; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a tenth of the cost of a Path, and it is what an unchanged tick consists of
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino, found.st_size)


def _loose(top: str) -> Oids | None:
    """The refs that are files of their own. Raises OSError where one goes away while it is read."""
    found: Oids = {}
    pending = [("", top)]
    while pending:
        prefix, directory = pending.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                name = prefix + os.fsencode(entry.name).decode("utf-8", "replace")
                if entry.is_dir(follow_symlinks=False):
                    pending.append((f"{name}/", entry.path))
                elif not name.endswith(".lock"):
                    text = Path(entry.path).read_bytes()
                    if len(found) == _MANY or not _OID.match(text):
                        return None
                    found[name] = text.decode().strip()
    return {name: oid for name, oid in found.items() if name.isprintable()}
