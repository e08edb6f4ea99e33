"""window: waits until releases are allowed: days and hours of a time zone, without the freezes of a calendar.

All arithmetic is done on UTC moments made from local wall-clock times, so a day with 23 or 25 hours is one like the
others. A rollback never asks this verb.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import Invalid, NotFound
from amplify_tui.playbook.model import Base, Dur
from amplify_tui.run.shapes import Await
from amplify_tui.steps import ics
from amplify_tui.steps.quiet import Quiet
from amplify_tui.steps.verb import Context, Finished, Preparation

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON_DAYS: Final = 400
_HOURS: Final = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\Z")


class WindowFields(Base, frozen=True):
    tz: str
    days: tuple[Day, ...] = DAYS
    hours: str = "00:00-24:00"
    freeze: str = ""
    min_left: Dur = 0.0


class Opening(Struct, frozen=True):
    """A time in which releases are allowed. `end` None: it does not end within the horizon. `freeze`: what ends it."""

    start: float
    end: float | None
    freeze: str = ""


class Window(Quiet):
    name: ClassVar[str] = "window"
    Fields: ClassVar[type[WindowFields]] = WindowFields
    outputs: ClassVar[dict[str, str]] = {"until": "number", "freeze": "string"}

    async def prepare(self, fields: WindowFields, ctx: Context) -> Preparation:
        """Waits only while closed. The preview states the rule, not the moment: sign-offs are bound to it."""
        preview = f"{', '.join(fields.days)} {fields.hours} {fields.tz}"
        preview += f", without {fields.freeze}" if fields.freeze else ""
        now = ctx.now()
        opening = await self._next(fields, ctx, now)
        if opening is not None and opening.start <= now:
            return Preparation(preview=preview)
        detail = f"closed; no opening within {HORIZON_DAYS} days"
        if opening is not None:
            detail = f"opens {_local(opening.start, fields.tz)}"
        shut = Await(
            kind="window",
            detail=detail,
            opens_at=opening.start if opening else None,
            until=opening.end if opening else None,
        )
        return Preparation(awaits=(shut,), preview=preview)

    async def finish(self, fields: WindowFields, ctx: Context) -> Finished:
        now = ctx.now()
        opening = await self._next(fields, ctx, now)
        if opening is None or opening.start > now:
            return Finished(ok=False, reason="the window has closed again")
        return Finished(ok=True, outputs={"until": opening.end, "freeze": opening.freeze})

    async def _next(self, fields: WindowFields, ctx: Context, now: float) -> Opening | None:
        zone = ics.zone_of(fields.tz, "window.tz")
        frozen: list[ics.Busy] = []
        if fields.freeze:
            path = ctx.world.playbook_dir / fields.freeze
            frozen = ics.read(await asyncio.to_thread(_text_of, path), zone, str(path))
        return next_opening(fields, zone, frozen, now)


def next_opening(fields: WindowFields, zone: ZoneInfo, frozen: list[ics.Busy], now: float) -> Opening | None:
    """The opening that *now* lies in, or the next one; None where there is none within the horizon.

    An opening of which less than `min_left` would be left is none. Raises Invalid for hours that are none.
    """
    start_minute, end_minute = _minutes(fields.hours)
    today = datetime.fromtimestamp(now, zone).date()
    open_times: list[tuple[float, float]] = []
    for offset in range(-1, HORIZON_DAYS):
        day = today + timedelta(days=offset)
        if DAYS[day.weekday()] not in fields.days:
            continue
        start, end = _moment(day, start_minute, zone), _moment(day, end_minute, zone)
        if open_times and start <= open_times[-1][1]:  # days that touch are one opening
            open_times[-1] = (open_times[-1][0], end)
        else:
            open_times.append((start, end))
    horizon = _moment(today + timedelta(days=HORIZON_DAYS - 1), 24 * 60, zone)
    for start, end in _without(open_times, frozen):
        if end > now and end - max(start, now) >= fields.min_left:
            freeze = next((busy.summary or "without a name" for busy in frozen if busy.start == end), "")
            return Opening(start, None if end >= horizon else end, freeze)
    return None


def _without(open_times: list[tuple[float, float]], frozen: list[ics.Busy]) -> list[tuple[float, float]]:
    for busy in frozen:
        left: list[tuple[float, float]] = []
        for start, end in open_times:
            if busy.end <= start or end <= busy.start:
                left.append((start, end))
                continue
            left += [(start, busy.start)] if start < busy.start else []
            left += [(busy.end, end)] if busy.end < end else []
        open_times = left
    return open_times


def _minutes(hours: str) -> tuple[int, int]:
    match = _HOURS.match(hours.strip())
    if match is not None:
        first, first_minute, last, last_minute = (int(part) for part in match.groups())
        start, end = first * 60 + first_minute, last * 60 + last_minute
        if first_minute < 60 and last_minute < 60 and start < end <= 24 * 60:
            return start, end
    raise Invalid(f"{clean(hours, 40)!r} are no hours of a day", where="window.hours", fix="like 09:00-16:00")


def _moment(day: date, minute: int, zone: ZoneInfo) -> float:
    """The moment at which a wall clock of *zone* shows that minute; one that the clock skips is where it lands."""
    day += timedelta(days=minute // (24 * 60))
    minute %= 24 * 60
    return datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone).astimezone(UTC).timestamp()


def _local(moment: float, tz: str) -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(tz)).strftime("%a %d %b %H:%M ") + tz


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(ics.MAX_BYTES + 1).decode("utf-8", "replace")
    except OSError as problem:
        raise NotFound(
            f"the freeze calendar cannot be read: {problem.strerror}",
            where=str(path),
            fix="its path counts from the playbook's folder",
        ) from None
