"""Signs, times and ages in the words of the screens; text of strangers made safe to show. No state is read here.

Every state has a sign *and* a word, so that neither colour nor a font is needed to read it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Literal

from amplify_tui.verdict.words import count, decimal, duration

Sign = Literal["done", "active", "held", "failed", "unknown", "later", "undone", "skipped", "kept", "note", "none"]

SIGNS: Final[dict[Sign, str]] = {
    "done": "✓",
    "active": "▶",
    "held": "◆",
    "failed": "✗",
    "unknown": "?",
    "later": "·",
    "undone": "↶",
    "skipped": "⤼",
    "kept": "=",
    "note": "!",
    "none": " ",
}
NO_VALUE: Final = "–"

_TWINS: Final = str.maketrans(
    {
        "✓": "+", "▶": ">", "◆": "#", "✗": "x", "·": ".", "↶": "<", "⤼": "~", "●": "*", "○": "o", "–": "-",
        "→": "->", "…": "~", "─": "-", "│": "|", "┬": "+", "┴": "+", "├": "+", "└": "`", "┤": "+", "█": "#", "░": ".",
        "▁": "_", "▂": "_", "▃": "-", "▄": "-", "▅": "=", "▆": "=", "▇": "#", "⏎": "Enter", "↑": "up", "↓": "dn",
        "±": "+-", "≤": "<=", "≥": ">=", "×": "x", "−": "-", "µ": "u",
        "╭": "+", "╮": "+", "╰": "+", "╯": "+", "━": "-", "┃": "|",
    }
)  # fmt: skip

# The second net: adapters clean what comes in, but a screen must stay whole whatever reaches it. C0, C1, soft hyphen,
# zero width, bidi, line separators, tags, lone surrogates.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SEQUENCE: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.?")
_BREAK: Final = re.compile(r"[\t\r\n\v\f\x85\u2028\u2029]+")
SHOWN: Final = 400

_COMMAND: Final = re.compile(r"(?:[A-Z][a-z]+)+")
_HUMP: Final = re.compile(r"([A-Z])")


def safe(text: object, limit: int = SHOWN) -> str:
    """*text* on one line, without anything that a terminal would act on; cut at *limit* characters."""
    raw = text if isinstance(text, str) else str(text)
    if raw.isascii() and raw.isprintable():
        clean = raw
    else:
        clean = _UNSAFE.sub("", _BREAK.sub(" ", _SEQUENCE.sub("", raw[: 16 * limit + 1024])))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def ascii_twin(text: str) -> str:
    """*text* in ASCII alone: signs by their twins, any other letter as `?`."""
    return text if text.isascii() else text.translate(_TWINS).encode("ascii", "replace").decode("ascii")


def refused(what: str, why: str = "", next_: str = "") -> str:
    """`the run is held already: a person holds it; release it to go on`: the one form of every refusal.

    A command's own name is read as words: `DecideUndo is refused` says `decide undo is refused`.
    """
    name, space, rest = what.partition(" ")
    if rest == "is refused" and _COMMAND.fullmatch(name):
        what = command_words(name) + space + rest
    said = ": ".join(part.strip().rstrip(".") for part in (what, why) if part.strip())
    return "; ".join(part for part in (said, next_.strip().rstrip(".")) if part)


def command_words(name: str) -> str:
    """`PlaceHold` as `place hold`."""
    return _HUMP.sub(r" \1", name).strip().lower()


def clock(at: float, tz: tzinfo | None) -> str:
    """`14:31:07` in *tz*; None is the local zone, with its summer time as of that moment."""
    return datetime.fromtimestamp(at, tz=UTC).astimezone(tz).strftime("%H:%M:%S")


def zone(at: float, tz: tzinfo | None) -> str:
    """`CET`: how the zone calls itself at that moment."""
    return safe(datetime.fromtimestamp(at, tz=UTC).astimezone(tz).strftime("%Z"), 8)


def day_clock(at: float, now: float, tz: tzinfo | None) -> str:
    """`14:31`, with the date in front where it is another day than *now*."""
    there = datetime.fromtimestamp(at, tz=UTC).astimezone(tz)
    here = datetime.fromtimestamp(now, tz=UTC).astimezone(tz)
    return there.strftime("%H:%M" if there.date() == here.date() else "%d %b %H:%M")


def age(at: float | None, now: float) -> str:
    """`3s`: how old something is, in whole seconds; a dash where it never was.

    Tenths tell nobody anything, and repaint the screen with every reading.
    """
    return NO_VALUE if not at else duration(float(int(max(0.0, now - at))))


def since(seconds: float) -> str:
    """`04:51`, `1:02:03`: a running time, always with seconds."""
    total = int(max(0.0, seconds))
    hours, rest = divmod(total, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"


def percent(value: float | None) -> str:
    """`25 %`; a dash where nobody knows."""
    return NO_VALUE if value is None else f"{decimal(value, 3)} %"


def short(value: Any, limit: int = 60) -> str:
    """A value of unknown shape in one short line: what a before-image or an answer looks like."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "on" if value else "off"
        case float() | int():
            return decimal(float(value), 6)
        case {"enabled": bool() as on, "percent": share} if isinstance(share, (int, float)):
            return f"{percent(float(share))}, {'on' if on else 'off'}"
        case {"enabled": bool() as on}:
            return "on" if on else "off"
        case {"version": version}:
            return safe(version, limit)
        case dict():
            return safe(", ".join(f"{k} {short(v, 20)}" for k, v in list(value.items())[:4]), limit) or "nothing"
        case list() | tuple():
            return f"{count(len(value))} entries" if len(value) > 3 else safe(", ".join(short(v, 20) for v in value))
        case _:
            return safe(value, limit)
