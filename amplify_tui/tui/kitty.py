"""A guard on Textual's key parser: some terminals send kitty event types, which Textual 8.2 takes for a broken number.

Unguarded, one such key (`ESC[109;2:2;77u`) raises ValueError in the input thread and the whole app ends. Here the
event type and alternate codes are taken off before the parser sees them; a release becomes a key that nothing binds.
"""

from __future__ import annotations

import re
from typing import Final

from textual import events
from textual._xterm_parser import XTermParser

IGNORED: Final = "ignored"
_EXTENDED: Final = re.compile(r"\x1b\[(\d*)(?::[\d:]*)?(?:;(\d*)(?::(\d*))?)?(;[\d:]*)?([u~A-Z])")
_RELEASE: Final = "3"

_parse = XTermParser._parse_extended_key  # noqa: SLF001  # the only place where a sequence becomes numbers


def plain_sequence(sequence: str) -> tuple[str, bool]:
    """*sequence* without event type and alternates, and whether it was the release of a key."""
    found = _EXTENDED.fullmatch(sequence)
    if found is None or ":" not in sequence:
        return sequence, False
    code, modifiers, kind, text, end = found.groups()
    rest = f";{modifiers}" if modifiers is not None else ""
    return f"\x1b[{code}{rest}{text or ''}{end}", kind == _RELEASE


def _guarded(self: XTermParser, sequence: str) -> list[events.Key] | None:
    plain, released = plain_sequence(sequence)
    return [events.Key(IGNORED, None)] if released else _parse(self, plain)


def install() -> None:
    """Put the guard in place, once for the process."""
    XTermParser._parse_extended_key = _guarded  # type: ignore[method-assign,assignment]  # noqa: SLF001
