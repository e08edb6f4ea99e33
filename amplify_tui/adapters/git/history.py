"""Commits read from `git log`, what their messages say, and release notes made of them. Pure: text in, values out.

The convention is conventionalcommits.org 1.0: `type(scope)!: description`, and a `BREAKING CHANGE:` footer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from amplify_tui.adapters.clean import clean, clean_lines
from amplify_tui.adapters.git.model import Commit

# -z ends each record with a NUL as well, and no field can hold one, so the fields come in fives.
LOG_FORMAT: Final = "--format=tformat:%H%x00%P%x00%aN%x00%ct%x00%B"
_FIELDS: Final = 5
_BODY_LINES: Final = 100

TICKETS: Final = re.compile(r"\b[A-Z][A-Z0-9]{1,9}-[0-9]{1,9}\b|(?<![\w&/])#[0-9]{1,9}\b")
_SUBJECT: Final = re.compile(
    r"(?P<type>[A-Za-z]{1,20})(?:\((?P<scope>[^()]{0,60})\))?(?P<bang>!)?: +(?P<description>\S.*)"
)
_BREAKING: Final = re.compile(r"^BREAKING[ -]CHANGE: ", re.MULTILINE)
_REVERT: Final = re.compile(r'Revert "(?P<description>.+)"\Z')

_SECTIONS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("Features", frozenset({"feat", "feature"})),
    ("Fixes", frozenset({"fix", "bugfix", "hotfix", "security"})),
    ("Performance", frozenset({"perf"})),
    ("Reverts", frozenset({"revert"})),
    ("Maintenance", frozenset({"build", "chore", "ci", "docs", "refactor", "style", "test", "tests"})),
)


def parse_log(out: bytes, tickets: re.Pattern[str] = TICKETS) -> Iterator[Commit]:
    """The commits of a `git log -z LOG_FORMAT`, in its order (newest first). All text is cleaned."""
    fields = out.decode("utf-8", "replace").split("\0")
    for start in range(0, len(fields) - _FIELDS + 1, _FIELDS):
        sha, parents, author, at, message = fields[start : start + _FIELDS]
        yield _commit(sha, parents, author, at, message, tickets)


def notes(commits: Iterable[Commit]) -> str:
    """Release notes in Markdown: breaking changes first, then a section a kind; merges are left out.

    "" where there is nothing to say.
    """
    told = [commit for commit in commits if not commit.merge]
    known = frozenset[str]().union(*(types for _, types in _SECTIONS))
    chapters = [("Breaking changes", [commit for commit in told if commit.breaking])]
    chapters += [(title, [commit for commit in told if commit.type in types]) for title, types in _SECTIONS]
    chapters.append(("Other changes", [commit for commit in told if commit.type not in known]))
    return "\n\n".join(
        "\n".join([f"### {title}", "", *(_entry(commit) for commit in chapter)])
        for title, chapter in chapters
        if chapter
    )


def _commit(sha: str, parents: str, author: str, at: str, message: str, tickets: re.Pattern[str]) -> Commit:
    first, _, rest = message.lstrip("\n").partition("\n")
    subject = clean(first)
    body = clean_lines(rest.strip("\n"), lines=_BODY_LINES)
    kind = _SUBJECT.match(subject)
    revert = _REVERT.match(subject)
    description = kind["description"] if kind else revert["description"] if revert else subject
    return Commit(
        sha=sha,
        author=clean(author, 80),
        at=float(at),
        subject=subject,
        description=description,
        body=body,
        type=kind["type"].lower() if kind else "revert" if revert else "",
        scope=(kind["scope"] or "").strip() if kind else "",
        breaking=bool(kind and kind["bang"]) or (bool(body) and _BREAKING.search(body) is not None),
        merge=" " in parents,
        tickets=_tickets(tickets, (subject, *body.split("\n"))),
    )


def _tickets(pattern: re.Pattern[str], lines: Iterable[str]) -> tuple[str, ...]:
    """Line by line: none is longer than `clean` leaves it, so that no message of a stranger keeps a pattern busy."""
    return tuple(dict.fromkeys(found[0] for line in lines for found in pattern.finditer(line)))


def _entry(commit: Commit) -> str:
    scope = f"**{_plain(commit.scope)}:** " if commit.scope else ""
    missing = [ticket for ticket in commit.tickets if ticket not in commit.description]
    tickets = f" ({', '.join(missing)})" if missing else ""
    return f"- {scope}{_plain(commit.description)}{_plain(tickets)} ({commit.sha[:10]})"


def _plain(text: str) -> str:
    """Text that cannot become a link or a tag where Markdown is rendered; otherwise as it was written."""
    return text.replace("](", "]\\(").replace("<", "\\<")
