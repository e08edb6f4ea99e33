"""Words of an expression, and the one error that expressions raise."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

INT_MAX: Final = 2**63 - 1

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<string>"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*')
      | (?P<op>==|!=|<=|>=|&&|\|\||[-<>!?:+*/%()\[\].,])""",
    re.VERBOSE,
)
_ESCAPES: Final = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


class ExprError(Exception):
    """What is wrong with an expression, or with its evaluation, and where in its text.

    offset, end: the characters meant. code: the problem's code. hint: what to do. missing: the error is a
    value that does not exist (yet), which `default()` replaces.
    """

    def __init__(
        self,
        message: str,
        offset: int,
        end: int | None = None,
        *,
        code: str = "expr-syntax",
        hint: str = "",
        missing: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.end = offset + 1 if end is None else end
        self.code = code
        self.hint = hint
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Token:
    """One word. `kind` is number, string, name, end, or the operator itself."""

    kind: str
    text: str
    start: int
    end: int
    value: int | float | str | None = None

    @property
    def said(self) -> str:
        return "the end of the expression" if self.kind == "end" else f'"{self.text}"'


def tokens(text: str) -> list[Token]:
    """The words of *text*, closed by one of kind "end". Raises ExprError."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _no_token(text, at)
        kind, word = match.lastgroup or "", match.group()
        end = match.end()
        if kind == "number":
            found.append(Token("number", word, at, end, _number(word, text, at, end)))
        elif kind == "string":
            found.append(Token("string", word, at, end, _string(word, at)))
        elif kind == "name":
            found.append(Token("in" if word == "in" else "name", word, at, end))
        elif kind == "op":
            found.append(Token(word, word, at, end))
        at = end
    found.append(Token("end", "", len(text), len(text) + 1))
    return found


def _no_token(text: str, at: int) -> ExprError:
    char = text[at]
    if char in "\"'":
        return ExprError("a string starts here and does not end", at, hint=f"close it with {char}")
    hints = {
        "=": "compare with ==",
        "&": "write &&",
        "|": "write ||",
        "{": "there are no map literals",
        "$": "no ${{ inside",
    }
    return ExprError(f'"{char}" is no part of an expression', at, hint=hints.get(char, ""))


def _number(word: str, text: str, start: int, end: int) -> int | float:
    following = text[end : end + 1]
    if following.isalnum() or following == "_":
        message = f'"{word}{following}" is neither a number nor a name'
        raise ExprError(message, start, end + 1, hint="durations and sizes are strings")
    if len(word) > 1 and word[0] == "0" and word[1].isdigit():
        raise ExprError(f"{word} starts with a zero", start, end, hint="quote it, or drop the zero")
    if word.isdigit():
        if len(word) > 19 or int(word) > INT_MAX:
            raise ExprError("an int has at most 64 bits", start, end, hint="write it as a double: 1e20")
        return int(word)
    value = float(word)
    if not math.isfinite(value):
        raise ExprError("this number is too large", start, end)
    return value


def _string(word: str, start: int) -> str:
    def undo(match: re.Match[str]) -> str:
        escape = match.group(1)
        if escape[0] == "u" and len(escape) == 5:
            char = chr(int(escape[1:], 16))
            if "\ud800" <= char <= "\udfff":
                at = start + 1 + match.start()
                raise ExprError("half of a character (a surrogate)", at, at + 6)
            return char
        if escape not in _ESCAPES:
            at = start + 1 + match.start()
            raise ExprError(f"\\{escape} is no escape", at, at + 2, hint=r"there are \\ \" \' \n \r \t \uXXXX")
        return _ESCAPES[escape]

    return _ESCAPE.sub(undo, word[1:-1])
