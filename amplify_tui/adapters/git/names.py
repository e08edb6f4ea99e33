"""Names that may reach git's command line: checked here, and passed only where git takes nothing for an option."""

from __future__ import annotations

import re
from typing import Final

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import Invalid

# git-check-ref-format(1), rules 1 to 10.
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|(?:^|/)\.|\.lock(?:/|$)|^/|[/.]$|^@$|^$")
_SUFFIX: Final = re.compile(r"(?:[~^][0-9]{0,6})+$")
_FULL_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_REMOTE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]*\Z")
_LONGEST: Final = 250


def is_full_sha(text: str) -> bool:
    """Whether *text* is a whole object name, which no branch or tag can shadow."""
    return _FULL_SHA.match(text) is not None


def revision(text: str) -> str:
    """*text*, if it is a ref name or a SHA, with `~N` or `^N` after it. Raises Invalid.

    Not allowed: ranges, `@{…}`, `:path`, `:/text`. A name that begins with a dash is allowed (such branches
    exist): callers put revisions behind `--end-of-options`.
    """
    if text == "@":
        return text
    _check(_SUFFIX.sub("", text), "revision", text)
    return text


def tag_name(text: str) -> str:
    """*text*, if a tag may be called so. Raises Invalid."""
    _check(text, "tag name", text)
    if text.startswith("-") or not text.isprintable():
        raise Invalid(f"{clean(text, 80)!r} cannot be a tag name", fix="use letters, digits, dots and dashes")
    return text


def remote_name(text: str) -> str:
    """*text*, if a remote may be called so: a configured name, never an address. Raises Invalid."""
    if not _REMOTE.match(text) or ".." in text:
        raise Invalid(f"{clean(text, 80)!r} is not the name of a remote", fix="git remote -v lists them")
    return text


def _check(name: str, kind: str, shown: str) -> None:
    encodable = name.encode("utf-8", "replace").decode() == name
    if _FORBIDDEN.search(name) or len(name) > _LONGEST or not encodable:
        raise Invalid(f"{clean(shown, 80)!r} is not a {kind}", fix="write a branch, a tag or a commit SHA")
