"""What applications tell the flag server of themselves: that they are there, and how often they asked for a flag.

A real server writes both down every few seconds, and forgets counts of flags that it does not know; here they show at
once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from datetime import datetime
from typing import Any

from amplify_tui.drill.flagrules import bad, required
from amplify_tui.drill.flagstore import PROJECT, iso

SYSTEM = "unleash_system_user"
Key = tuple[str, str, str, str]


class Usage:
    """Applications, their instances, and yes and no by flag, application, environment and hour."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._counts: dict[Key, dict[str, Any]] = {}
        self._applications: dict[str, dict[str, Any]] = {}
        self._instances: dict[tuple[str, str, str], dict[str, Any]] = {}

    def register(self, body: Any, environment: str) -> None:
        """Take a registration. Raises 400 for one that lacks what every SDK sends."""
        for key in ("appName", "interval", "started", "strategies"):
            required(_mapping(body, "/body"), key)
        self._saw(body, environment)

    def add(self, body: Any, environment: str, known: Container[str]) -> None:
        """Add the counts of *known* flags. Raises 400, and counts nothing, where the bucket is none."""
        app = str(required(_mapping(body, "/body"), "appName"))
        bucket = body.get("bucket")  # None where an application has other numbers to report than uses
        found = {} if bucket is None else _counts(bucket)
        self._saw(body, environment)
        for name, counts in found.items():
            if name not in known or not counts["yes"] + counts["no"]:
                continue
            key = (name, app, environment, hour_of(str(bucket["stop"])))
            kept = self._counts.setdefault(key, {"yes": 0, "no": 0, "variants": {}})
            kept["yes"] += counts["yes"]
            kept["no"] += counts["no"]
            for variant, count in counts["variants"].items():
                kept["variants"][variant] = kept["variants"].get(variant, 0) + count

    def _saw(self, body: dict[str, Any], environment: str) -> None:
        app, at = str(body["appName"]), iso(self._now())
        row = self._applications.setdefault(app, {"createdAt": at, "strategies": [], "environments": set()})
        row["updatedAt"] = at
        row["strategies"] = body.get("strategies", row["strategies"])
        row["environments"].add(environment)
        instance = self._instances.setdefault((app, environment, str(body.get("instanceId") or "default")), {})
        instance["lastSeen"] = at
        instance["sdkVersion"] = body.get("sdkVersion", instance.get("sdkVersion"))

    def applications(self) -> list[dict[str, Any]]:
        """Who was ever heard of, by name."""
        return [
            {
                "appName": app,
                "createdAt": row["createdAt"],
                "updatedAt": row["updatedAt"],
                "description": None,
                "strategies": row["strategies"],
                "createdBy": SYSTEM,
                "url": None,
                "color": None,
                "icon": None,
                "usage": [{"project": PROJECT, "environments": sorted(row["environments"])}],
            }
            for app, row in sorted(self._applications.items())
        ]

    def instances(self, app: str, environment: str) -> list[dict[str, Any]]:
        """The processes of an application, with their SDK and when they were last heard of."""
        return [
            {"instanceId": instance, "clientIp": "127.0.0.1"} | row
            for (name, place, instance), row in self._instances.items()
            if (name, place) == (app, environment)
        ]

    def raw(self, flag: str, hours: int = 24) -> list[dict[str, Any]]:
        """The counts of a flag within so many hours, this one among them."""
        oldest = hour_of(iso(self._now() - (hours - 1) * 3600.0))
        return [
            {"featureName": name, "appName": app, "environment": environment, "timestamp": hour} | counts
            for (name, app, environment, hour), counts in self._counts.items()
            if name == flag and hour >= oldest
        ]

    def last_hour(self, flag: str) -> list[dict[str, Any]]:
        sums: dict[str, dict[str, Any]] = {}
        for row in self.raw(flag):
            kept = sums.setdefault(
                row["environment"], {"environment": row["environment"], "timestamp": "", "yes": 0, "no": 0}
            )
            if row["timestamp"] > kept["timestamp"]:
                kept |= {"timestamp": row["timestamp"], "yes": 0, "no": 0}
            if row["timestamp"] == kept["timestamp"]:
                kept["yes"] += row["yes"]
                kept["no"] += row["no"]
        return list(sums.values())


def hour_of(instant: str) -> str:
    """The hour of an ISO instant; Python's SDK sends nanoseconds, which fromisoformat cannot read."""
    try:
        at = datetime.fromisoformat(instant[:19])
    except ValueError:
        raise bad(f'The `/body/bucket/stop` property must be a date. You sent "{instant}".') from None
    return f"{at:%Y-%m-%dT%H}:00:00.000Z"


def _counts(bucket: Any) -> dict[str, dict[str, Any]]:
    """The counts of a bucket by flag, whole. Raises 400."""
    for key in ("start", "stop", "toggles"):
        required(_mapping(bucket, "/body/bucket"), key)
    hour_of(str(bucket["stop"]))
    found = {}
    for name, counts in _mapping(bucket["toggles"], "/body/bucket/toggles").items():
        path = f"/body/bucket/toggles/{name}"
        given = _mapping(counts, path)
        variants = _mapping(given.get("variants") or {}, f"{path}/variants")
        found[name] = {key: _number(given.get(key, 0), f"{path}/{key}") for key in ("yes", "no")} | {
            "variants": {key: _number(value, f"{path}/variants/{key}") for key, value in variants.items()}
        }
    return found


def _mapping(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad(f"The `{path}` property must be object. You sent {value}.", path)
    return value


def _number(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad(f"The `{path}` property must be number. You sent {value}.", path)
    return value
