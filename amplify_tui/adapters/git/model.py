"""What a repository says, as values. Shapes only; every text in them is already cleaned."""

from __future__ import annotations

from msgspec import Struct


class Remote(Struct, frozen=True, kw_only=True):
    """One configured remote; `url` without its credentials."""

    name: str
    url: str


class Facts(Struct, frozen=True, kw_only=True):
    """How the repository stands. `branch` is None on a detached HEAD, `head` is None before the first commit.

    `dirty`: tracked files differ from HEAD (always False in a bare repository).
    """

    root: str
    bare: bool
    shallow: bool
    branch: str | None
    head: str | None
    remotes: tuple[Remote, ...] = ()
    dirty: bool = False

    @property
    def detached(self) -> bool:
        return self.head is not None and self.branch is None


class Tag(Struct, frozen=True, kw_only=True, gc=False):
    """One tag. `sha` is what it names in the end (a commit, for a release), `oid` the ref's own value.

    `at` is when it was made (annotated) or when its commit was (lightweight); None where git knows no date.
    """

    name: str
    sha: str
    oid: str
    annotated: bool
    at: float | None = None


class Commit(Struct, frozen=True, kw_only=True, gc=False):
    """One commit, with what a conventional subject says: `type(scope)!: description`.

    `type` is "" where the subject follows no convention; `description` is then the whole subject.
    """

    sha: str
    author: str
    at: float
    subject: str
    description: str
    body: str = ""
    type: str = ""
    scope: str = ""
    breaking: bool = False
    merge: bool = False
    tickets: tuple[str, ...] = ()


class Distance(Struct, frozen=True, kw_only=True):
    """Commits only one of two sides has."""

    ahead: int
    behind: int
