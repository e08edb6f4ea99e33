"""Unleash's audit trail: as FlagChange values, and what others did between our own writes. Pure, no I/O.

Pages of events come in as parsed JSON. Event ids have gaps and appear out of order, so nothing here relies on "greater
than the last"; how the server's clock stands against ours is unleash/trail.py's to know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from typing import Any, Final, TypeAlias

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.flags.state import identity
from amplify_tui.adapters.ports import FlagChange, Invalid
from amplify_tui.adapters.unleash.ops import Op

Event: TypeAlias = dict[str, Any]

_LINKS = re.compile(r"\[([^\]]*)\]\([^)]*\)")
# What changes who gets a flag. Descriptions, tags and stars of others are none of a release's business.
EXPOSING: Final = (
    "feature-strategy",
    "feature-environment",
    "feature-created",
    "feature-archived",
    "feature-revived",
    "feature-deleted",
    "feature-depend",
    "feature-project",
    "feature-variant",
)


def page(answer: Any) -> list[Event]:
    """The events of one answer, each with its id as a number. Raises Invalid where it is none."""
    try:
        return [{**event, "id": int(event["id"])} for event in answer["events"]]
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid("the flag server's answer holds no events") from error


def changes(
    pages: Iterable[list[Event]], *, key: str, env: str, since: float, segments: Set[int], ahead: float = 0.0
) -> list[FlagChange]:
    """The changes of one flag in one environment after *since*, oldest first, each once.

    ahead: seconds that the clock of the server is ahead of the one of *since*; the changes are told by the latter.
    """
    events = {event.get("id"): event for events in pages for event in events}
    found = [
        FlagChange(
            flag=key,
            at=at,
            by=author(event),
            what=words(event),
            kind=str(event.get("type") or ""),
        )
        for event in events.values()
        if (at := moment(event) - ahead) > since and _concerns(event, key, env, segments)
    ]
    return sorted(found, key=lambda change: change.at)


def others(events: Iterable[Event], ops: Sequence[Op], *, env: str, me: int | None) -> tuple[str, ...]:
    """What others did to the flag's exposure among *events*, in words; each of our *ops* explains one event at most.

    events: those since before the first of *ops*. me: whose events ours are, where that is known: two who do the same
    are told apart by it alone.
    """
    left = [event for event in events if exposes(event, env)]
    ours: list[tuple[Op, Event]] = []
    for op in ops:
        if (found := _explained(op, left, me)) is not None:
            left.remove(found)
            ours.append((op, found))
    # What the server did by itself because of a call of ours stands in the same transaction as that.
    groups = {event.get("groupId") for _, event in ours} - {None}
    return tuple(_told(event, ours) for event in left if event.get("groupId") not in groups)


def exposes(event: Event, env: str) -> bool:
    """Whether it is about who gets the flag in *env*."""
    return str(event.get("type")).startswith(EXPOSING) and event.get("environment") in (None, "", env)


def _explained(op: Op, events: list[Event], me: int | None) -> Event | None:
    """The event that *op* led to: by what it says, else by whose it is and what it is about."""
    alike = [event for event in events if event.get("type") == op.event]
    mine = [event for event in alike if me is None or event.get("createdByUserId") == me]
    for found in (*mine, *alike):
        if _says(op, found):
            return found
    return next((found for found in mine if _same_strategy(op, found)), None)


def _says(op: Op, event: Event) -> bool:
    if op.becomes is None:
        return _same_strategy(op, event)
    data = event.get("data")
    is_same = isinstance(data, dict) and "name" in data and identity(data) == identity(op.becomes)
    return is_same and _same_strategy(op, event)


def _same_strategy(op: Op, event: Event) -> bool:
    """Whether both are about one strategy; always where *op* is about none that had an id."""
    wanted = (op.was or {}).get("id")
    about = event.get("data") or event.get("preData") or {}
    return wanted is None or about.get("id") == wanted


def _told(event: Event, ours: Sequence[tuple[Op, Event]]) -> str:
    """One foreign event in words. Two updates of a strategy from the same state: the server kept one of them only."""
    said = f"{author(event)}: {words(event)}"
    before = event.get("preData")
    for op, mine in ours:
        if before and op.was is not None and mine.get("preData") == before and event.get("type") == mine.get("type"):
            return f"{said} (at the same moment as this write: the server kept only one of the two)"
    return said


def author(event: Event) -> str:
    return clean(str(event.get("createdBy") or "unknown"), 80)


def moment(event: Event) -> float:
    try:
        return datetime.fromisoformat(str(event.get("createdAt"))).timestamp()
    except ValueError:
        return 0.0


def words(event: Event) -> str:
    """What happened, in the server's words without their markup: "updated x by updating strategy ramp ... to 20%"."""
    summary = str(event.get("summary") or event.get("label") or event.get("type") or "")
    return clean(_LINKS.sub(r"\1", summary).replace("**", ""), 200)


def _concerns(event: Event, key: str, env: str, segments: Set[int]) -> bool:
    if event.get("type") == "segment-updated":
        return (event.get("data") or {}).get("id") in segments
    return event.get("featureName") == key and event.get("environment") in (None, "", env)
