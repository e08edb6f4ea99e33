"""Unleash's audit trail as FlagChange values. Pure: pages of events come in as parsed JSON.

Event ids have gaps and appear out of order, so nothing here relies on "greater than the last": time and id decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from datetime import datetime
from typing import Any

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import FlagChange, Invalid

_LINKS = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def page(answer: Any) -> list[dict[str, Any]]:
    """The events of one answer. Raises Invalid where it is none."""
    try:
        return [dict(event) for event in answer["events"]]
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid("the flag server's answer holds no events") from error


def changes(
    pages: Iterable[list[dict[str, Any]]], *, key: str, env: str, since: float, segments: Set[int]
) -> list[FlagChange]:
    """The changes of one flag in one environment after *since*, oldest first, each once."""
    events = {event.get("id"): event for events in pages for event in events}
    found = [
        FlagChange(
            flag=key,
            at=at,
            by=clean(str(event.get("createdBy") or "unknown"), 80),
            what=words(event),
            kind=str(event.get("type") or ""),
        )
        for event in events.values()
        if (at := moment(event)) > since and _concerns(event, key, env, segments)
    ]
    return sorted(found, key=lambda change: change.at)


def moment(event: dict[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(event.get("createdAt"))).timestamp()
    except ValueError:
        return 0.0


def words(event: dict[str, Any]) -> str:
    """What happened, in the server's words without their markup: "updated x by updating strategy ramp ... to 20%"."""
    summary = str(event.get("summary") or event.get("label") or event.get("type") or "")
    return clean(_LINKS.sub(r"\1", summary).replace("**", ""), 200)


def _concerns(event: dict[str, Any], key: str, env: str, segments: Set[int]) -> bool:
    if event.get("type") == "segment-updated":
        return (event.get("data") or {}).get("id") in segments
    return event.get("featureName") == key and event.get("environment") in (None, "", env)
