"""Whether a source is heard at all: blind once nothing fresh came for too long, error where it answers with errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amplify_tui.verdict import words
from amplify_tui.verdict.conditions import Rule, grade
from amplify_tui.verdict.memo import Running
from amplify_tui.verdict.model import Answer, Part, Reading


@dataclass(slots=True)
class Heard:
    """fresh: time of the newest fresh data. newest: when the last reading came, whether it is an error, its note.

    parts: of the newest reading that tells of its instances, with when it came.
    """

    rule: Rule
    fresh: float | None = None
    newest: tuple[float, bool, str] | None = None
    parts: tuple[float, tuple[Part, ...]] = (0.0, ())

    def more(self, reading: Reading) -> bool:
        status, _ = grade(reading, self.rule)
        if status == "ok":
            at = min(reading.data_at, reading.received_at)
            self.fresh = at if self.fresh is None else max(self.fresh, at)
        said = (reading.received_at, status == "error", reading.note)
        self.newest = said if self.newest is None else max(self.newest, said)
        if reading.status == "ok" and reading.parts:
            self.parts = max(self.parts, (reading.received_at, reading.parts), key=lambda one: one[0])
        return True


_heard: Running[Heard] = Running()


def heard_of(readings: Sequence[Reading], rule: Rule) -> Heard:
    """What *readings* tell of their source; it holds until the next call for the same rule."""

    def start(all_: Sequence[Reading]) -> Heard:
        heard = Heard(rule)
        for reading in all_:
            heard.more(reading)
        return heard

    return _heard.get(rule, readings, start, Heard.more)


def silence(readings: Sequence[Reading], rule: Rule, since: float, now: float) -> tuple[Answer, str, str] | None:
    """Blind or error, in words, and what it needs, once nothing fresh came for longer than max_age; else None.

    readings: of the rule's signal and cohort, arrived by *now*. A phase starts at *since* with that much patience.
    """
    return silence_of(heard_of(readings, rule), rule, since, now)


def silence_of(known: Heard, rule: Rule, since: float, now: float) -> tuple[Answer, str, str] | None:
    """`silence`, of readings that were gone through already."""
    last, heard = known.fresh, known.newest
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
