"""Untrusted text made safe to show, at the edge where it comes in.

Commit messages, hook output, instance answers and test names are written by strangers: they may hold
terminal sequences, text that runs backwards, or a megabyte on one line. What passes here holds no control
character, nothing invisible and nothing that changes the direction of text. Markup is not this module's
business: the screens never interpret it. No I/O here.
"""

from __future__ import annotations

import re
from typing import Final

LIMIT: Final = 400
LINES: Final = 200
CUT: Final = "…"

# Whole terminal sequences go, so that "\x1b[31mred\x1b[0m" reads "red". A string sequence (OSC, DCS, SOS,
# PM, APC) goes only when it is terminated: an open one would otherwise hide the rest of the message from
# its reader.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
)
_SPACES = re.compile(r"\r\n|[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")
_BREAKS = re.compile(r"\r\n|[\n\v\f\r\x85\u2028\u2029]")
# Unicode's Cc, Cf and Zl/Zp (bidi marks and overrides, zero width, tags), and the letters and marks that
# show nothing: fillers, the grapheme joiner, the Mongolian separators.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str, limit: int = LIMIT) -> str:
    """*text* on one line, safe to print, at most *limit* long (with an ellipsis where it was cut).

    Line breaks and tabs become spaces. Cleaning twice changes nothing.
    """
    if text.isascii() and text.isprintable():
        return _cut(text, limit)
    # Removing only ever shortens, so what lies far beyond the limit cannot matter much: a 1 MB line costs
    # no more.
    text = text[: 16 * limit + 1024]
    text = _SEQUENCES.sub("", text)
    text = _SPACES.sub(" ", text)
    text = _INVISIBLE.sub("", text)
    return _cut(_LONE_SURROGATES.sub("\ufffd", text), limit)


def clean_lines(text: str, limit: int = LIMIT, lines: int = LINES) -> str:
    """*text* with its line breaks (as `\\n`), at most *lines* lines, each cleaned and at most *limit* long.

    Trailing empty lines go. Where lines were left out, the last one says how many.
    """
    if not text:
        return ""
    text = _SEQUENCES.sub("", text)
    parts = _BREAKS.split(text.rstrip("\r\n"))
    kept = [clean(part, limit) for part in parts[:lines]]
    if len(parts) > lines:
        kept[-1] = f"{CUT} {len(parts) - lines + 1} more lines"
    return "\n".join(kept)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + CUT[:limit]
