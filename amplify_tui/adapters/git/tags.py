"""The list of tags, quick on ten thousand: one `for-each-ref`, then a look at a few directories' times.

| what happened | what it costs |
| --- | --- |
| nothing | a stat of packed-refs and of each directory below refs/tags |
| something | name and oid of all tags, from the refs' files (`refs.py`), and a full read of the new and moved ones |
| something, in a repository whose files do not tell | the same, with git asked for name and oid |
| more than `_ONE_BY_ONE` changed | the full list |

A ref is written by renaming a file into its directory, so every change moves the time of a directory or of
packed-refs (or of tables.list, in a reftable repository).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from amplify_tui.adapters.git.call import Caller
from amplify_tui.adapters.git.model import Tag
from amplify_tui.adapters.git.refs import YOUNG, Oids, RefFiles, Stamp, stamp_of

# NUL between fields, for a name may hold nearly anything else; a newline ends a record, for a name cannot
# hold one.
FULL: Final = "--format=" + "%00".join(
    (
        "%(objectname)",
        "%(refname:strip=2)",
        "%(objecttype)",
        "%(*objectname)",
        "%(*objecttype)",
        "%(creatordate:unix)",
    )
)
_BRIEF: Final = "--format=%(objectname) %(refname:strip=2)"
_ONE_BY_ONE: Final = 500

Signature = tuple[tuple[str, Stamp], ...]


class TagIndex:
    """The tags of one repository, newest first, kept until something changes."""

    def __init__(self, caller: Caller, common_dir: Path) -> None:
        self._caller = caller
        self._common_dir = common_dir
        self._files = RefFiles(common_dir)
        self._lock = asyncio.Lock()
        self._signature: Signature | None = None
        self._tags: dict[str, Tag] = {}
        self._sorted: tuple[Tag, ...] = ()

    async def read(self) -> tuple[Tag, ...]:
        """All tags, newest first. The same tuple as before where nothing changed. Raises AdapterError."""
        async with self._lock:
            if self._signature is not None and _stamps(self._signature) == self._signature:
                return self._sorted
            # Taken before the read: a change during it then shows at the next look.
            signature, is_settled = await asyncio.to_thread(_survey, self._common_dir)
            tags = await (self._read_changes() if self._tags else self._read_all())
            if tags != self._tags:
                # git's own --sort takes three times as long: it formats each date once more.
                self._sorted = tuple(sorted(tags.values(), key=_newest_first))
                self._tags = {tag.name: tag for tag in self._sorted}  # the next sort finds them nearly in order
            self._signature = signature if is_settled else None
            return self._sorted

    async def _read_all(self) -> dict[str, Tag]:
        out = await self._caller.read(["for-each-ref", FULL, "refs/tags"])
        return await self._unwrapped({tag.name: tag for tag in parse(out)})

    async def _read_changes(self) -> dict[str, Tag]:
        oids = await asyncio.to_thread(self._files.read)
        if oids is None:
            oids = await self._oids()
        kept = {name: tag for name, tag in self._tags.items() if oids.get(name) == tag.oid}
        fresh = [name for name in oids if name not in kept]
        if not fresh:
            return kept
        if len(fresh) > _ONE_BY_ONE:
            return await self._read_all()
        out = await self._caller.read(["for-each-ref", FULL, *(f"refs/tags/{name}" for name in fresh)])
        return kept | await self._unwrapped({tag.name: tag for tag in parse(out)})

    async def _oids(self) -> Oids:
        out = await self._caller.read(["for-each-ref", _BRIEF, "refs/tags"])
        pairs = (line.partition(" ") for line in _lines(out))
        return {name: oid for oid, _, name in pairs if name.isprintable()}

    async def _unwrapped(self, tags: dict[str, Tag]) -> dict[str, Tag]:
        """Tags of tags are followed to the end; for-each-ref looks one step deep only, in git before 2.45."""
        nested = [tag for tag in tags.values() if not tag.sha]
        if not nested:
            return tags
        ends = [f"{tag.oid}^{{}}" for tag in nested]
        shas = _lines(await self._caller.read(["rev-parse", *ends]))
        return tags | {
            tag.name: Tag(name=tag.name, sha=sha, oid=tag.oid, annotated=True, at=tag.at)
            for tag, sha in zip(nested, shas, strict=True)
        }


def parse(out: bytes) -> Iterator[Tag]:
    """The tags of a `for-each-ref FULL`. A tag of a tag has an empty `sha`.

    A name that holds control or invisible characters is left out: nobody can release by it, and it may look
    like another.
    """
    for line in _lines(out):
        oid, name, kind, inner, inner_kind, at = line.split("\0")
        if not name.isprintable():
            continue
        is_annotated = kind == "tag"
        sha = ("" if inner_kind == "tag" else inner) if is_annotated else oid
        yield Tag(name=name, sha=sha, oid=oid, annotated=is_annotated, at=float(at) if at else None)


def _lines(out: bytes) -> list[str]:
    # Names that are no UTF-8 become ones with U+FFFD in them, which name nothing: shown, and harmless.
    return out.decode("utf-8", "replace").split("\n")[:-1] if out else []


def _newest_first(tag: Tag) -> tuple[float, str]:
    return (-(tag.at if tag.at is not None else 0.0), tag.name)


def _survey(common_dir: Path) -> tuple[Signature, bool]:
    """The signature of the refs as they lie on the disk now, and whether it is old enough to be trusted."""
    now = time.time()
    paths = [str(common_dir / "packed-refs"), str(common_dir / "reftable" / "tables.list")]
    pending = [str(common_dir / "refs" / "tags")]
    while pending:
        directory = pending.pop()
        paths.append(directory)
        try:
            with os.scandir(directory) as entries:
                pending.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:  # gone since: its parent's time says so at the next look
            continue
    signature = tuple((path, stamp_of(path)) for path in paths)
    newest = max((stamp[0] for _, stamp in signature if stamp), default=0)
    return signature, newest < (now - YOUNG) * 1e9


def _stamps(signature: Signature) -> Signature:
    return tuple((path, stamp_of(path)) for path, _ in signature)
