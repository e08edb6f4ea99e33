"""The flag server's memory: flags and the log of what happened to them.

In memory and single-threaded: every method is one transaction. No HTTP here, and no rules of
strategies (flagstrategies.py). Methods raise FlagError with the answer the caller should give, and change nothing then.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from amplify_tui.drill import flagrules
from amplify_tui.drill.flagevents import Actor, EventLog
from amplify_tui.drill.flagrules import FlagError, bad, required

PROJECT = "default"
ENVIRONMENTS = ("development", "production")
ORDER = {"development": 2, "production": 3}
_ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass
class Env:
    enabled: bool = False
    strategies: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Flag:
    name: str
    type: str
    description: str | None
    impression_data: bool
    created_at: str
    created_by: Actor
    stale: bool = False
    archived_at: str | None = None
    tags: list[dict[str, str]] = field(default_factory=list)
    envs: dict[str, Env] = field(default_factory=lambda: {name: Env() for name in ENVIRONMENTS})

    def meta(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": self.description,
            "type": self.type,
            "project": PROJECT,
            "stale": self.stale,
            "createdAt": self.created_at,
            "impressionData": self.impression_data,
            "archived": self.archived_at is not None,
        }


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ulid() -> str:
    """A ULID: 48 bits of milliseconds, 80 of chance; strategies sort by it."""
    number = int(time.time() * 1000) << 80 | secrets.randbits(80)
    return "".join(_ULID[number >> shift & 31] for shift in range(125, -1, -5))


class FlagStore:
    def __init__(self) -> None:
        self.flags: dict[str, Flag] = {}
        self.log = EventLog(lambda: iso(time.time()))
        self.known_segments: set[int] = set()

    def live(self) -> list[Flag]:
        return [flag for flag in self.flags.values() if flag.archived_at is None]

    def flag(self, name: str) -> Flag:
        """The flag, archived or not; raises 404."""
        found = self.flags.get(name)
        if found is None:
            raise FlagError(404, "NotFoundError", f'There\'s no feature named "{name}" in project "{PROJECT}".')
        return found

    def env(self, name: str, environment: str) -> tuple[Flag, Env]:
        flag = self.flag(name)
        if environment not in flag.envs:
            raise FlagError(404, "NotFoundError", f"Could not find environment {environment} for feature: {name}")
        return flag, flag.envs[environment]

    def check_name(self, name: str) -> None:
        """Raise 400 for a name that cannot be, 409 for one that is or was taken."""
        if not name or not all(c.isalnum() or c in "-._~" for c in name):
            raise bad(f'"name" must be URL friendly. You provided "{name}".')
        taken = self.flags.get(name)
        if taken is not None:
            article = "A flag" if taken.archived_at is None else "An archived flag"
            raise FlagError(409, "NameExistsError", f"{article} with that name already exists")

    def create(self, body: dict[str, Any], by: Actor) -> Flag:
        name = str(required(body, "name"))
        kind = flagrules.one_of(body.get("type", "release"), flagrules.TYPES, "type")
        self.check_name(name)
        flag = Flag(
            name, kind, body.get("description"), bool(body.get("impressionData")), iso(time.time()), created_by=by
        )
        self.flags[name] = flag
        self.log.add("feature-created", by, flag=name, data=flag.meta())
        return flag

    def change_meta(self, name: str, changed: dict[str, Any], by: Actor) -> Flag:
        """Take description, type, stale and impressionData of *changed*; what it omits stays."""
        flag, before = self.flag(name), self.flag(name).meta()
        flag.type = flagrules.one_of(changed.get("type", flag.type), flagrules.TYPES, "type")
        flag.description = changed.get("description", flag.description)
        flag.stale = bool(changed.get("stale", flag.stale))
        flag.impression_data = bool(changed.get("impressionData", flag.impression_data))
        self.log.add("feature-metadata-updated", by, flag=name, data=flag.meta(), pre=before)
        return flag

    def archive(self, name: str, by: Actor) -> None:
        self.flag(name).archived_at = iso(time.time())
        self.log.add("feature-archived", by, flag=name)

    def revive(self, name: str, by: Actor) -> None:
        flag = self.flag(name)
        flag.archived_at = None
        for env in flag.envs.values():
            env.enabled = False
        self.log.add("feature-revived", by, flag=name)

    def purge(self, name: str, by: Actor) -> None:
        """Forget an archived flag; a name that is not there, or lives, is no error."""
        flag = self.flags.get(name)
        if flag is not None and flag.archived_at is not None:
            del self.flags[name]
            self.log.add("feature-deleted", by, flag=name, pre=flag.meta() | {"archivedAt": flag.archived_at})

    def writable(self, name: str, environment: str) -> tuple[Flag, Env]:
        flag, env = self.env(name, environment)
        if flag.archived_at is not None:
            raise FlagError(400, "ArchivedFeatureError", "Cannot perform this operation on archived features")
        return flag, env
