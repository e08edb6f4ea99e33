"""Whether a source is heard at all: blind once nothing fresh came for too long, error where it answers with errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from amplify_tui.verdict import words
from amplify_tui.verdict.conditions import Rule, grade
from amplify_tui.verdict.memo import Memo
from amplify_tui.verdict.model import Answer, Reading

Heard: TypeAlias = tuple[float | None, tuple[float, bool, str] | None]
_heard: Memo[Heard] = Memo()


def _newest(readings: Sequence[Reading], rule: Rule) -> Heard:
    """The time of the newest fresh data; of the newest reading when it came, whether it is an error, and its note."""
    graded = [(reading, grade(reading, rule)[0]) for reading in readings]
    fresh = (min(reading.data_at, reading.received_at) for reading, status in graded if status == "ok")
    heard = ((reading.received_at, status == "error", reading.note) for reading, status in graded)
    return max(fresh, default=None), max(heard, default=None)


def silence(readings: Sequence[Reading], rule: Rule, since: float, now: float) -> tuple[Answer, str, str] | None:
    """Blind or error, in words, and what it needs, once nothing fresh came for longer than max_age; else None.

    readings: of the rule's signal and cohort, arrived by *now*. A phase starts at *since* with that much patience.
    """
    last, heard = _heard.get(rule, readings, lambda: _newest(readings, rule))
    begun = since if since <= now else 0.0
    if now - max(last or 0.0, begun) <= rule.max_age:
        return None
    ago = "never" if last is None else f"last {words.duration(now - last)} ago"
    limit = words.duration(rule.max_age)
    if heard is not None and heard[1]:
        why = f" ({heard[2]})" if heard[2] else ""
        said = f"the provider answers with errors{why}: a fresh reading {ago}, limit {limit}"
        return "error", said, "needs the provider to answer"
    return "blind", f"no data: a fresh reading {ago}, limit {limit}", "needs fresh readings"
