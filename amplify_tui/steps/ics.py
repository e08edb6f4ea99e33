"""The busy times of an iCalendar file (RFC 5545): what a freeze calendar says, and nothing else of the format.

What this cannot read it refuses in words; a freeze that was skipped over silently would be an open window.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import Invalid

MAX_BYTES: Final = 1024 * 1024
_LINE: Final = re.compile(r"([A-Za-z-]+)((?:;[^:\"]*(?:\"[^\"]*\")?[^:\"]*)*):(.*)", re.DOTALL)
_DURATION: Final = re.compile(
    r"\+?P(?:(\d{1,4})W|(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,5})M)?(?:(\d{1,7})S)?)?)\Z"
)


class Busy(Struct, frozen=True):
    """One freeze, in Unix seconds; the end is not part of it."""

    start: float
    end: float
    summary: str


def read(text: str, zone: tzinfo, where: str) -> list[Busy]:
    """The events of a calendar, by start. Times without a zone, and whole days, are those of *zone*.

    Raises Invalid: no calendar, an event without a readable start or end, or one that repeats.
    """
    if len(text) > MAX_BYTES:
        raise Invalid("the freeze calendar is larger than 1 MiB", where=where)
    if "BEGIN:VCALENDAR" not in text.upper():
        raise Invalid("this is no iCalendar file", where=where, fix="it starts with BEGIN:VCALENDAR")
    found = [busy for event in _events(text, where) if (busy := _busy(event, zone, where)) is not None]
    return sorted(found, key=lambda busy: (busy.start, busy.end))


def _events(text: str, where: str) -> Iterator[dict[str, tuple[str, str]]]:
    """name -> (parameters, value) of each event; alarms inside an event are left out."""
    event: dict[str, tuple[str, str]] | None = None
    depth = 0
    for line in re.sub(r"\r?\n[ \t]", "", text).splitlines():
        word = line.strip().upper()
        if word == "BEGIN:VEVENT":
            event, depth = {}, 0
        elif event is None:
            continue
        elif word == "END:VEVENT":
            yield event
            event = None
        elif word.startswith("BEGIN:"):
            depth += 1
        elif word.startswith("END:"):
            depth -= 1
        elif depth == 0 and (match := _LINE.match(line)):
            event.setdefault(match[1].upper(), (match[2], match[3]))
    if event is not None:
        raise Invalid("the freeze calendar ends in the middle of an event", where=where)


def _busy(event: dict[str, tuple[str, str]], zone: tzinfo, where: str) -> Busy | None:
    summary = clean(event.get("SUMMARY", ("", "freeze"))[1].replace("\\,", ",").replace("\\;", ";"), 120)
    if event.get("STATUS", ("", ""))[1].strip().upper() == "CANCELLED":
        return None
    if "RRULE" in event or "RDATE" in event:
        raise Invalid(
            f"the freeze {summary!r} repeats, which is not read", where=where, fix="write each time as its own event"
        )
    if "DTSTART" not in event:
        raise Invalid(f"the freeze {summary!r} has no start", where=where)
    start, is_day = _moment(event["DTSTART"], zone, where)
    if "DTEND" in event:
        end = _moment(event["DTEND"], zone, where)[0]
    elif "DURATION" in event:
        end = start + _length(event["DURATION"][1], where)
    else:  # RFC 5545 3.6.1: a day without an end is one day, a moment without one is no time at all
        end = start + timedelta(days=1) if is_day else start
    if end < start:
        raise Invalid(f"the freeze {summary!r} ends before it starts", where=where)
    return Busy(start.timestamp(), end.timestamp(), summary)


def _moment(field: tuple[str, str], zone: tzinfo, where: str) -> tuple[datetime, bool]:
    parameters, value = field[0], field[1].strip()
    try:
        if len(value) == 8:
            day = date.fromisoformat(f"{value[:4]}-{value[4:6]}-{value[6:]}")
            return datetime(day.year, day.month, day.day, tzinfo=zone), True
        moment = datetime.strptime(value.rstrip("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007 - its zone follows
    except ValueError:
        raise Invalid(f"{clean(value, 40)!r} is no time of a calendar", where=where) from None
    if value.endswith("Z"):
        return moment.replace(tzinfo=UTC), False
    named = re.search(r";TZID=\"?([^\";:]+)", parameters, re.IGNORECASE)
    return moment.replace(tzinfo=zone_of(named[1], where) if named else zone), False


def zone_of(name: str, where: str) -> ZoneInfo:
    """The time zone called *name*. Raises Invalid."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown (a KeyError), a folder's name, a path out of the database
        raise Invalid(f"there is no time zone {clean(name, 60)!r}", where=where, fix="like Europe/Zurich") from None


def _length(value: str, where: str) -> timedelta:
    match = _DURATION.match(value.strip())
    if match is None:
        raise Invalid(f"{clean(value, 40)!r} is no duration of a calendar", where=where)
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
