"""Lines for `sh` that are made of other people's words: each word quoted, on one line, secrets as `$NAME`.

What a line by hand is made of (flag names, versions, addresses, arguments) may have been written by strangers. It is
pasted into a shell at three in the morning, so no word of it may be more than a word. Pure.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final

_MARKER: Final = re.compile("\u27e6secret:([A-Za-z_][A-Za-z0-9_]{0,199})\u27e7")
_VARIABLE: Final = re.compile(r"""'[^']*'|"'"|\$\{?([A-Za-z_][A-Za-z0-9_]*)""")  # what is in quotes is no variable
OWN: Final = "own_"  # how variables begin that a line sets by itself
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./+-]+")
_RESERVED: Final = frozenset(
    (
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "do",
        "done",
        "case",
        "esac",
        "while",
        "until",
        "for",
        "in",
        "function",
        "time",
    )
)
_KEPT_OUTPUT: Final = 4 * 1024


def quoted(text: str) -> str:
    """*text* as one word of `sh`, on one line. What a terminal would act on, or nobody would see, comes by printf.

    A line break at the very end is lost: a shell takes it off what it substitutes.
    """
    if text.isprintable():
        return shlex.quote(text)
    format_ = "".join(map(_octal, text.rstrip("\n")))
    safe_format = f"\\055{format_[1:]}" if format_.startswith("-") else format_  # an option, for some shells
    return f'"$(printf {shlex.quote(safe_format)})"'


def _octal(letter: str) -> str:
    if letter in "\\%":
        return letter * 2
    return letter if letter.isprintable() else "".join(f"\\{byte:03o}" for byte in letter.encode("utf-8", "replace"))


def word(text: str) -> str:
    """As `quoted`, with each marker of a secret as `"$NAME"`."""
    parts = _MARKER.split(text)
    found = [f'"${part}"' if at % 2 else quoted(part) for at, part in enumerate(parts) if part or at % 2]
    return "".join(found) or "''"


def line(argv: Iterable[str]) -> str:
    """A command. Its first word is a program's name, whatever it looks like."""
    first, *rest = argv
    name = word(first)
    if name in _RESERVED or (name == first and not _PLAIN.fullmatch(first)):
        name = f"'{first}'"
    return " ".join([name, *map(word, rest)])


def within(folder: str, command: str, env: Mapping[str, str] | None = None) -> str:
    """*command* in *folder* and with *env*, in a shell of its own: the next line starts where this one did."""
    sets = [f"{name}={word(value)}" for name, value in (env or {}).items() if _is_name(name)]
    exported = f"export {' '.join(sets)} && " if sets else ""
    return f"(cd -- {word(folder)} && {exported}{command})"


def curl(
    method: str, url: str, headers: Mapping[str, str] | None = None, *, json_body: Any = None, body: str | None = None
) -> str:
    """A request that ends with 0 where it was answered below 400."""
    argv = ["curl", "-fsSg", "--max-time", "20", "-X", method]
    given = dict(headers or {})
    if json_body is not None and not any(name.lower() == "content-type" for name in given):
        given["Content-Type"] = "application/json"
    parts = [line(argv), *(f"-H {word(f'{name}: {value}')}" for name, value in given.items() if _is_token(name))]
    if json_body is not None:
        parts.append(f"--data-raw {quoted(json.dumps(json_body))}")
    elif body is not None:
        parts.append(f"--data-raw {quoted(body)}")
    return " ".join([*parts, f"--url {word(url)}"])


def variables(lines: Iterable[str]) -> tuple[str, ...]:
    """The names that must be exported before these lines can be run, in the order in which they are needed."""
    found = (name for each in lines for name in _VARIABLE.findall(each))
    return tuple(dict.fromkeys(name for name in found if name and not name.startswith(OWN)))


def outputs(tree: Mapping[str, Any]) -> dict[str, str]:
    """What a step put out as the variables that its undo is given: AMPLIFY_OUT_NAME, at most 4 KiB each."""
    return {f"AMPLIFY_OUT_{re.sub('[^A-Z0-9]+', '_', name.upper())}": value for name, value in _flat("", tree)}


def _flat(prefix: str, tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in tree.items():
        key = f"{prefix}_{name}" if prefix else name
        match value:
            case dict():
                found += _flat(key, value)
            case None:
                continue
            case str():
                found.append((key, value[:_KEPT_OUTPUT].replace("\0", "")))
            case _:
                found.append((key, json.dumps(value)[:_KEPT_OUTPUT]))
    return found


def _is_name(text: str) -> bool:
    return re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", text) is not None


def _is_token(text: str) -> bool:
    return re.fullmatch("[A-Za-z0-9!#$%&'*+.^_`|~-]+", text) is not None
