"""The flag server's memory: flags, strategies, segments, events and counts, with Unleash's rules between them.

In memory and single-threaded: every method is one transaction. No HTTP here (flagserver.py, flagclient.py). Methods
raise FlagError with the answer the caller should give, and change nothing then.
"""

from __future__ import annotations

import copy
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from amplify_tui.drill import flagrules
from amplify_tui.drill.flagevents import Actor, EventLog
from amplify_tui.drill.flagrules import FlagError, bad, patched, required

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
        self.default_strategies: dict[str, dict[str, Any]] = {}
        self.known_segments: set[int] = set()

    # flags

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

    # on and off

    def turn_on(self, name: str, environment: str, by: Actor, *, activate: bool = False) -> None:
        """Enable; a flag without an active strategy is given one that is on for everybody (Unleash's trap)."""
        _flag, env = self._writable(name, environment)
        if env.enabled:
            return
        if activate:
            for strategy in env.strategies:
                self._replace(name, environment, strategy, strategy | {"disabled": False}, by)
        if all(strategy["disabled"] for strategy in env.strategies):
            self.add_strategy(name, environment, self._default(environment), by)
        env.enabled = True
        self.log.add("feature-environment-enabled", by, flag=name, environment=environment)

    def turn_off(self, name: str, environment: str, by: Actor) -> None:
        _flag, env = self._writable(name, environment)
        if env.enabled:
            env.enabled = False
            self.log.add("feature-environment-disabled", by, flag=name, environment=environment)

    def turn_all(self, names: list[str], environment: str, by: Actor, *, on: bool) -> None:
        """All or nothing: one unknown name and no flag changes."""
        for name in names:
            self._writable(name, environment)
        for name in names:
            (self.turn_on if on else self.turn_off)(name, environment, by)

    # strategies

    def strategy(self, name: str, environment: str, id: str, words: str = ": ") -> dict[str, Any]:
        _flag, env = self.env(name, environment)
        for strategy in env.strategies:
            if strategy["id"] == id:
                return strategy
        raise FlagError(404, "NotFoundError", f"Could not find strategy with id{words}{id}")

    def add_strategy(self, name: str, environment: str, body: dict[str, Any], by: Actor) -> dict[str, Any]:
        _flag, env = self.env(name, environment)
        if len(env.strategies) >= flagrules.MAX_STRATEGIES:
            limit = flagrules.MAX_STRATEGIES
            raise FlagError(400, "ExceedsLimitError", f"Failed to create strategy. You can't create more than {limit}")
        kind = flagrules.strategy_name(body)
        strategy = {
            "id": ulid(),
            "name": kind,
            "constraints": flagrules.constraints(body.get("constraints")),
            "parameters": flagrules.parameters(kind, name, body.get("parameters")),
            "variants": flagrules.variants(body.get("variants")),
            "segments": self._segments(body.get("segments", [])),
            "title": body.get("title"),
            "disabled": bool(body.get("disabled")),
            "sortOrder": body.get("sortOrder", max((s["sortOrder"] for s in env.strategies), default=-1) + 1),
        }
        env.strategies.append(strategy)
        self.log.add("feature-strategy-add", by, flag=name, environment=environment, data=strategy)
        return strategy

    def put_strategy(self, name: str, environment: str, id: str, body: dict[str, Any], by: Actor) -> dict[str, Any]:
        """Replace. Omitted constraints, variants and parameters are wiped; title, disabled and the rest are kept."""
        before = self.strategy(name, environment, id, "=")
        kind = flagrules.strategy_name(body)
        after = before | {
            "name": kind,
            "title": body.get("title", before["title"]),
            "disabled": bool(body.get("disabled", before["disabled"])),
            "constraints": flagrules.constraints(body.get("constraints")),
            "parameters": flagrules.parameters(kind, name, body.get("parameters")),
            "variants": flagrules.variants(body.get("variants")),
            "sortOrder": body.get("sortOrder", before["sortOrder"]),
            "segments": self._segments(body.get("segments", before["segments"])),
        }
        return self._replace(name, environment, before, after, by)

    def patch_strategy(
        self, name: str, environment: str, id: str, operations: list[dict[str, Any]], by: Actor
    ) -> dict[str, Any]:
        before = self.strategy(name, environment, id, "=")
        after = patched(before, operations)
        for key, value in after["parameters"].items():
            if not isinstance(value, str):
                path = f"/parameters/{key}"
                raise bad(f"The `{path}` property must be string. You sent {value}.", path)
        return self.put_strategy(name, environment, id, after, by)

    def delete_strategy(self, name: str, environment: str, id: str, by: Actor) -> None:
        _flag, env = self.env(name, environment)
        strategy = self.strategy(name, environment, id)
        if all(s is strategy or s["disabled"] for s in env.strategies):
            self.turn_off(name, environment, by)  # nobody is left to answer yes
        env.strategies.remove(strategy)
        self.log.add("feature-strategy-remove", by, flag=name, environment=environment, pre=strategy)

    def sort_strategies(self, name: str, environment: str, order: list[dict[str, Any]], by: Actor) -> None:
        _flag, env = self.env(name, environment)
        before = [strategy["id"] for strategy in env.strategies]
        for one in order:
            self.strategy(name, environment, str(one["id"]))["sortOrder"] = one["sortOrder"]
        env.strategies.sort(key=lambda strategy: int(strategy["sortOrder"]))
        after = [strategy["id"] for strategy in env.strategies]
        if after != before:
            ids = {"data": {"strategyIds": after}, "pre": {"strategyIds": before}}
            self.log.add("strategy-order-changed", by, flag=name, environment=environment, **ids)

    def _replace(
        self, name: str, environment: str, before: dict[str, Any], after: dict[str, Any], by: Actor
    ) -> dict[str, Any]:
        if after == before:
            return before  # a write that changes nothing leaves no event
        _flag, env = self.env(name, environment)
        env.strategies[env.strategies.index(before)] = after
        self.log.add("feature-strategy-update", by, flag=name, environment=environment, data=after, pre=before)
        if after["disabled"] and all(strategy["disabled"] for strategy in env.strategies):
            self.turn_off(name, environment, by)
        return after

    def _writable(self, name: str, environment: str) -> tuple[Flag, Env]:
        flag, env = self.env(name, environment)
        if flag.archived_at is not None:
            raise FlagError(400, "ArchivedFeatureError", "Cannot perform this operation on archived features")
        return flag, env

    def _default(self, environment: str) -> dict[str, Any]:
        return copy.deepcopy(self.default_strategies.get(environment, {"name": "flexibleRollout"}))

    def _segments(self, ids: list[int]) -> list[int]:
        for id in ids:
            if id not in self.known_segments:
                raise bad_segment(id)
        return list(ids)


def bad_segment(id: int) -> FlagError:
    return flagrules.bad_data(f"Could not find segment with id {id}")
