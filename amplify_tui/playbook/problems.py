"""Problems: what is wrong with a file, where, and what to do. One record feeds terminal, screen and `--json`.

Nothing here raises for a user's mistake. A `Problems` collector goes down the tree; it keeps each problem
once and hands them out in file order. Texts are made safe to print: a playbook may hold terminal escapes, and
must not reach one.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final, Literal

from msgspec import Struct

Severity = Literal["error", "warning"]

# The line breaks that libyaml counts, so that lines and columns agree with its marks.
_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202f\u2066-\u206f\ufeff\ufffe\uffff\ud800-\udfff]")
_SNIPPET_WIDTH: Final = 100
_MESSAGE_MAX: Final = 400


class Span(Struct, frozen=True):
    """A place in a text: 1-based line and column; `end_column` is exclusive and on the same line."""

    line: int
    column: int
    end_column: int


START: Final = Span(1, 1, 2)


class Problem(Struct, frozen=True, kw_only=True):
    """One problem at one place. `snippet` is the line it stands in, for people; it is no part of the JSON
    record.
    """

    file: str
    line: int
    column: int
    end_column: int
    code: str
    message: str
    hint: str = ""
    severity: Severity = "error"
    snippet: str = ""

    def to_json(self) -> dict[str, Any]:
        """The record of `check --json`: the eight keys, in their documented order."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "end_column": self.end_column,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "severity": self.severity,
        }

    def render(self) -> str:
        """The text for a terminal: place and message, the line with carets below the place, the hint."""
        kind = "warning: " if self.severity == "warning" else ""
        lines = [f"{self.file}:{self.line}:{self.column}: {kind}{self.message} [{self.code}]"]
        if self.snippet:
            lines += _caret(self)
        if self.hint:
            lines.append(self.hint)
        return "\n".join(lines)


def render(problems: Iterable[Problem]) -> str:
    """All problems as text, a blank line between two."""
    return "\n\n".join(problem.render() for problem in problems)


def printable(text: str) -> str:
    """*text* with whatever could steer a terminal written out, `\\x1b` for an escape."""
    return _UNPRINTABLE.sub(lambda m: ascii(m.group())[1:-1], text)


def shorten(value: object, limit: int = 60) -> str:
    """*value* quoted for a message, at most about *limit* characters."""
    text = str(value)
    return f'"{text[: limit - 1]}…"' if len(text) > limit else f'"{text}"'


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean "x"?` where one of *known* is near, else an empty string."""
    names = sorted(known)
    near = difflib.get_close_matches(word[:80], names, n=1, cutoff=0.6) if len(names) <= 2000 else []
    return f'did you mean "{near[0]}"?' if near else ""


def listing(words: Iterable[str], limit: int = 12) -> str:
    """`a, b, c`, cut with an ellipsis after *limit*."""
    names = list(words)
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")


def suggest(word: str, known: Iterable[str], what: str) -> str:
    """A hint for an unknown name: the near one, else *what* there is."""
    names = sorted(known)
    return did_you_mean(word, names) or (f"{what}: {listing(names)}" if names else "")


def split_lines(text: str) -> list[str]:
    """The lines of *text* as the YAML parser counts them."""
    return _LINE_BREAK.split(text)


class Problems:
    """Collects the problems of one file."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self.lines = split_lines(text)
        self._found: dict[tuple[int, int, str, str], Problem] = {}
        self._masked: list[Span] = []

    def add(self, span: Span, code: str, message: str, hint: str = "", severity: Severity = "error") -> None:
        """Keeps the problem; a second one of the same place, code and text (an alias met twice) is dropped."""
        text = printable(message)
        if len(text) > _MESSAGE_MAX:
            text = text[: _MESSAGE_MAX - 1] + "…"
        key = (span.line, span.column, code, text)
        if key in self._found:
            return
        end = max(span.end_column, span.column + 1)
        self._found[key] = Problem(
            file=self._path,
            line=span.line,
            column=span.column,
            end_column=end,
            code=code,
            message=text,
            hint=printable(hint)[:_MESSAGE_MAX],
            severity=severity,
            snippet=self._line(span.line),
        )

    def mask(self, span: Span) -> None:
        """Hides *span* in every snippet: what stands there looks like a secret."""
        self._masked.append(span)

    def has_errors(self) -> bool:
        return any(problem.severity == "error" for problem in self._found.values())

    def sorted(self) -> tuple[Problem, ...]:
        """Every problem once, in file order."""
        found = sorted(self._found.values(), key=lambda p: (p.line, p.column, p.severity, p.code, p.message))
        if not self._masked:
            return tuple(found)
        return tuple(Problem(**{**_fields(p), "snippet": _hide(p.snippet, p.line, self._masked)}) for p in found)

    def _line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


def _fields(problem: Problem) -> dict[str, Any]:
    return {name: getattr(problem, name) for name in Problem.__struct_fields__}


def _hide(line: str, number: int, masked: list[Span]) -> str:
    for span in masked:
        if span.line == number:
            width = min(span.end_column, len(line) + 1) - span.column
            line = line[: span.column - 1] + "•" * max(width, 0) + line[span.column - 1 + max(width, 0) :]
    return line


def _caret(problem: Problem) -> list[str]:
    line = problem.snippet
    start, end = problem.column - 1, problem.end_column - 1
    left = 0
    if len(line) > _SNIPPET_WIDTH:
        left = max(0, min(start - 30, len(line) - _SNIPPET_WIDTH))
        line = line[left : left + _SNIPPET_WIDTH]
    clean = "".join("\ufffd" if _UNPRINTABLE.match(c) and c != "\t" else c for c in line).replace("\t", " ")
    before = clean[: start - left]
    marked = clean[start - left : min(end, left + len(clean)) - left]
    carets = "^" * max(1, _width(marked))
    return [f"{problem.line:5} | {clean}".rstrip(), f"      | {' ' * _width(before)}{carets}"]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)
