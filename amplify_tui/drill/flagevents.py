"""The flag server's audit log: who changed what, before and after, and the revision each environment is at."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LABELS = {
    "feature-created": "Flag created",
    "feature-archived": "Flag archived",
    "feature-revived": "Flag revived",
    "feature-deleted": "Flag deleted",
    "feature-metadata-updated": "Flag metadata updated",
    "feature-tagged": "Flag tagged",
    "feature-untagged": "Flag untagged",
    "feature-environment-enabled": "Flag enabled",
    "feature-environment-disabled": "Flag disabled",
    "feature-strategy-add": "Flag strategy added",
    "feature-strategy-update": "Flag strategy updated",
    "feature-strategy-remove": "Flag strategy removed",
    "segment-created": "Segment created",
    "segment-updated": "Segment updated",
    "segment-deleted": "Segment deleted",
    "api-token-created": "API token created",
}
PAGE = 50  # what an absent, and what a too large limit gives
MOST = 1000


@dataclass(frozen=True, slots=True)
class Actor:
    name: str
    id: int


class EventLog:
    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now
        self._events: list[dict[str, Any]] = []
        self._revisions: dict[str, int] = {}
        self._shared = 0

    def add(
        self, kind: str, by: Actor, *, flag: str | None = None, environment: str | None = None,
        data: Any = None, pre: Any = None, project: str | None = "default",
    ) -> None:  # fmt: skip
        number = len(self._events) + 1
        self._events.append(
            {
                "id": number,
                "type": kind,
                "createdBy": by.name,
                "createdAt": self._now(),
                "createdByUserId": by.id,
                "data": copy.deepcopy(data),
                "preData": copy.deepcopy(pre),
                "tags": [],
                "featureName": flag,
                "project": project,
                "environment": environment,
                "label": LABELS.get(kind, kind),
                "summary": f"**{by.name}** {LABELS.get(kind, kind).lower()}" + (f" **{flag}**" if flag else ""),
            }
        )
        if kind == "api-token-created":
            return  # changes no flag
        if environment is None:
            self._shared = number
        else:
            self._revisions[environment] = number

    def revision(self, environment: str) -> int:
        """The id of the last event that may concern *environment*."""
        return max(self._shared, self._revisions.get(environment, 0))

    def search(self, query: dict[str, str]) -> dict[str, Any]:
        """A page, newest first, filtered by `IS:` terms as the admin API does."""
        keys = {
            "feature": "featureName",
            "environment": "environment",
            "type": "type",
            "project": "project",
            "createdBy": "createdByUserId",
        }
        wanted = {keys[key]: value.removeprefix("IS:") for key, value in query.items() if key in keys}
        since, until = query.get("from", "").removeprefix("IS:"), query.get("to", "").removeprefix("IS:")
        found = [
            event
            for event in reversed(self._events)
            if all(str(event[key]) == value for key, value in wanted.items())
            and event["createdAt"][:10] >= since
            and (not until or event["createdAt"][:10] <= until)
        ]
        limit = int(query.get("limit", PAGE))
        offset = int(query.get("offset", 0))
        page = found[offset : offset + (limit if 0 < limit <= MOST else PAGE)]
        return {"events": page, "total": len(found)}
