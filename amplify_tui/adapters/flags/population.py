"""A team's own users, from a file beside the playbook: whom a preview evaluates instead of made-up ones.

CSV with a header, or a JSON object a line. `userId` and `sessionId` are what they are called, every other column is a
property of the context (`country`, `tenant` ...); an empty cell is a property that the user lacks.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.jsontext import parse as parse_json
from amplify_tui.adapters.ports import Invalid, NotFound

MOST: Final = 50_000  # about a second of evaluation; a larger base of users is sampled by who exports it
LARGEST: Final = 32 << 20
IDENTITIES: Final = ("userId", "sessionId")


class Population:
    """Contexts to evaluate, made once; equal where they are the same users in the same order.

    name: how a sentence speaks of them. is_made_up: they stand for nobody.
    """

    def __init__(self, name: str, contexts: list[dict[str, Any]], *, is_made_up: bool = False) -> None:
        self.name = name
        self.contexts = contexts
        self.is_made_up = is_made_up
        self._digest = hashlib.sha256(json.dumps(contexts, sort_keys=True).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.contexts)

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Population) and other._digest == self._digest


def read(path: Path) -> Population:
    """The users of a file. Raises NotFound, or Invalid with the line: no user, too many, of another shape."""
    try:
        found = path.stat()
    except OSError as error:
        raise NotFound(f"the population {path.name} cannot be read: {error.strerror}", where=str(path)) from error
    if found.st_size > LARGEST:
        raise Invalid(f"the population {path.name} is larger than {LARGEST >> 20} MiB", fix="give a sample of it")
    return _read(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int, size: int) -> Population:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"the population {path.name} cannot be read: {error}", where=str(path)) from error
    rows = _csv(text) if path.suffix == ".csv" else _lines(text)
    contexts: list[dict[str, Any]] = []
    for line, row in rows:
        if len(contexts) == MOST:
            raise Invalid(f"the population {path.name} has more than {MOST:,} users", fix="give a sample of it")
        contexts.append(_context(row, f"{path.name}:{line}"))
    if not contexts:
        raise Invalid(f"the population {path.name} has no users", fix="a header and a line a user, or JSON lines")
    return Population(f"users of {clean(path.name, 60)}", contexts)


def _csv(text: str) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(io.StringIO(text), restkey="", restval=None)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise Invalid(f"line {reader.line_num} of the population is no CSV: {error}") from error


def _lines(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, parse_json(line)
            except (ValueError, RecursionError) as error:
                raise Invalid(f"line {number} of the population is no JSON: {error}") from error


def _context(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict) or "" in row:
        raise Invalid("a user is one JSON object, or one line of as many cells as the header", where=where)
    flat = {**row, **row["properties"]} if isinstance(row.get("properties"), dict) else row
    given = {str(name).strip(): value for name, value in flat.items() if name != "properties"}
    kept = {name: value for name, value in given.items() if value is not None and value != ""}
    if odd := next((name for name, value in kept.items() if isinstance(value, dict | list)), ""):
        raise Invalid(f"{odd} is no text and no number", where=where)
    texts = {name: json.dumps(value) if isinstance(value, bool) else str(value) for name, value in kept.items()}
    if not any(name in texts for name in IDENTITIES):
        raise Invalid("a user has neither userId nor sessionId", where=where, fix=f"the columns are {', '.join(texts)}")
    context: dict[str, Any] = {name: texts.pop(name) for name in IDENTITIES if name in texts}
    return context | {"properties": texts}
