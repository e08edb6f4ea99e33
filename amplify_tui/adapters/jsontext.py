"""JSON that strangers wrote. Everything that comes from outside the program is read here, and nowhere by itself.

Python's reader, and whatever walks its result, recurses: a few kilobytes of opening brackets
would end in a RecursionError, which no caller takes for an answer.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

DEEPEST: Final = 64
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def parse(raw: bytes | str) -> Any:
    """The value. Raises ValueError where *raw* is no JSON, or nests more than 64 deep."""
    data = raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace")
    left = _STRING.sub(b"", data).translate(None, _NOT_BRACKETS)
    for _ in range(DEEPEST):  # each time the innermost level goes
        left = left.replace(b"[]", b"").replace(b"{}", b"")
        if not left:
            break
    if left:
        raise ValueError(f"nested more than {DEEPEST} deep, or its brackets do not match")
    return json.loads(raw)
