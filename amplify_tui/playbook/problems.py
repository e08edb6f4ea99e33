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
from itertools import islice
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from amplify_tui.playbook.leaks import redact

Severity = Literal["error", "warning"]

# The line breaks that libyaml counts, so that lines and columns agree with its marks.
_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202f\u2066-\u206f\ufeff\ufffe\uffff\ud800-\udfff]")
_SNIPPET_WIDTH: Final = 100
_MESSAGE_MAX: Final = 400
MAX_PROBLEMS: Final = 1000
_SUGGEST_MAX: Final = 500  # names to look through; a longer list would cost more than the hint is worth


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
    text = redact(str(value))
    return f'"{text[: limit - 1]}…"' if len(text) > limit else f'"{text}"'


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean "x"?` where one of *known* is near, else an empty string."""
    names = list(islice(known, _SUGGEST_MAX + 1))
    near = [] if len(names) > _SUGGEST_MAX else difflib.get_close_matches(word[:80], sorted(names), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else ""


def listing(words: Iterable[str], limit: int = 12) -> str:
    """`a, b, c`, cut with an ellipsis after *limit*."""
    names = list(words)
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")


def suggest(word: str, known: Iterable[str], what: str) -> str:
    """A hint for an unknown name: the near one, else *what* there is."""
    names = sorted(islice(known, _SUGGEST_MAX))
    return did_you_mean(word, names) or (f"{what}: {listing(names)}" if names else "")


def split_lines(text: str) -> list[str]:
    """The lines of *text* as the YAML parser counts them."""
    return _LINE_BREAK.split(text)


class Problems:
    """Collects the problems of one file, at most MAX_PROBLEMS: a hostile file could have one for each of its bytes."""

    def __init__(self, path: str, text: str) -> None:
        self.lines = split_lines(text)
        self._path = path
        self._found: dict[tuple[int, int, str, str], Problem] = {}
        self._masked: dict[int, list[tuple[int, int]]] = {}
        self._places: set[tuple[int, int, str]] = set()
        self.errors = 0  # how many have been added, the same one twice included

    def add(self, span: Span, code: str, message: str, hint: str = "", severity: Severity = "error") -> None:
        """Keeps the problem; a second one of the same place, code and text (an alias met twice) is dropped."""
        self.errors += severity == "error"
        text = redact(printable(message))
        if len(text) > _MESSAGE_MAX:
            text = text[: _MESSAGE_MAX - 1] + "…"
        key = (span.line, span.column, code, text)
        if key in self._found or len(self._found) >= MAX_PROBLEMS:
            return
        self._places.add(key[:3])
        self._found[key] = Problem(
            file=self._path,
            line=span.line,
            column=span.column,
            end_column=max(span.end_column, span.column + 1),
            code=code,
            message=text,
            hint=redact(printable(hint))[:_MESSAGE_MAX],
            severity=severity,
        )

    def mask(self, first: int, last: int, column: int) -> None:
        """Hides, in every line that is shown, what stands from *column* of line *first* to line *last*'s end."""
        for line in range(first, min(last, len(self.lines)) + 1):
            start = column if line == first else 1
            self._masked.setdefault(line, []).append((start, len(self._line(line)) + 1))

    def mask_span(self, span: Span) -> None:
        """Hides *span* in every line that is shown."""
        self._masked.setdefault(span.line, []).append((span.column, span.end_column))

    def has(self, span: Span, code: str) -> bool:
        """Whether a problem of this code is already known at this place."""
        return (span.line, span.column, code) in self._places

    def has_errors(self) -> bool:
        return self.errors > 0

    def sorted(self) -> tuple[Problem, ...]:
        """Every problem once, in file order, each with its line."""
        shown = {line: self._line(line) for line in {problem.line for problem in self._found.values()}}
        for line in shown.keys() & self._masked.keys():
            shown[line] = _hide(shown[line], self._masked[line])
        found = sorted(self._found.values(), key=lambda p: (p.line, p.column, p.severity, p.code, p.message))
        return tuple(msgspec.structs.replace(p, snippet=shown[p.line]) for p in found)

    def _line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


def _hide(line: str, spans: list[tuple[int, int]]) -> str:
    chars = list(line)
    for start, end in spans:
        width = min(end - 1, len(chars)) - (start - 1)
        chars[start - 1 : start - 1 + width] = "•" * width
    return "".join(chars)


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
