"""Strategies, and what turning a flag on and off does to them: where Unleash's traps are.

Part of the flag server's memory (flagstore.py): every method is one transaction, and raises FlagError having changed
nothing.
"""

from __future__ import annotations

import copy
from typing import Any

from amplify_tui.drill import flagrules
from amplify_tui.drill.flagconstraints import constraints
from amplify_tui.drill.flagevents import Actor
from amplify_tui.drill.flagrules import FlagError, bad, patched
from amplify_tui.drill.flagstore import FlagStore, ulid
from amplify_tui.drill.flagvariants import variants


class Strategies:
    def __init__(self, store: FlagStore) -> None:
        self._store = store
        self.defaults: dict[str, dict[str, Any]] = {}  # by environment: what `on` gives a flag that has none

    def turn_on(self, name: str, environment: str, by: Actor, *, activate: bool = False) -> None:
        """Enable; a flag without an active strategy is given one that is on for everybody (Unleash's trap)."""
        _flag, env = self._store.writable(name, environment)
        if env.enabled:
            return
        if activate:
            for strategy in env.strategies:
                self._replace(name, environment, strategy, strategy | {"disabled": False}, by)
        if all(strategy["disabled"] for strategy in env.strategies):
            self.add(name, environment, self._default(environment), by)
        env.enabled = True
        self._store.log.add("feature-environment-enabled", by, flag=name, environment=environment)

    def turn_off(self, name: str, environment: str, by: Actor) -> None:
        _flag, env = self._store.writable(name, environment)
        if env.enabled:
            env.enabled = False
            self._store.log.add("feature-environment-disabled", by, flag=name, environment=environment)

    def turn_all(self, names: list[str], environment: str, by: Actor, *, on: bool) -> None:
        """All or nothing: one unknown name and no flag changes."""
        for name in names:
            self._store.writable(name, environment)
        for name in names:
            (self.turn_on if on else self.turn_off)(name, environment, by)

    def get(self, name: str, environment: str, key: str, words: str = ": ") -> dict[str, Any]:
        _flag, env = self._store.env(name, environment)
        for strategy in env.strategies:
            if strategy["id"] == key:
                return strategy
        raise FlagError(404, "NotFoundError", f"Could not find strategy with id{words}{key}")

    def add(self, name: str, environment: str, body: dict[str, Any], by: Actor) -> dict[str, Any]:
        _flag, env = self._store.env(name, environment)
        if len(env.strategies) >= flagrules.MAX_STRATEGIES:
            limit = flagrules.MAX_STRATEGIES
            raise FlagError(400, "ExceedsLimitError", f"Failed to create strategy. You can't create more than {limit}")
        kind = flagrules.strategy_name(body)
        strategy = {
            "id": ulid(),
            "name": kind,
            "constraints": constraints(body.get("constraints")),
            "parameters": flagrules.parameters(kind, name, body.get("parameters")),
            "variants": variants(body.get("variants")),
            "segments": self._segments(body.get("segments", [])),
            "title": body.get("title"),
            "disabled": bool(body.get("disabled")),
            "sortOrder": body.get("sortOrder", max((s["sortOrder"] for s in env.strategies), default=-1) + 1),
        }
        env.strategies.append(strategy)
        self._store.log.add("feature-strategy-add", by, flag=name, environment=environment, data=strategy)
        return strategy

    def put(self, name: str, environment: str, key: str, body: dict[str, Any], by: Actor) -> dict[str, Any]:
        """Replace. Omitted constraints, variants and parameters are wiped; title, disabled and the rest are kept."""
        before = self.get(name, environment, key, "=")
        kind = flagrules.strategy_name(body)
        after = before | {
            "name": kind,
            "title": body.get("title", before["title"]),
            "disabled": bool(body.get("disabled", before["disabled"])),
            "constraints": constraints(body.get("constraints")),
            "parameters": flagrules.parameters(kind, name, body.get("parameters")),
            "variants": variants(body.get("variants")),
            "sortOrder": body.get("sortOrder", before["sortOrder"]),
            "segments": self._segments(body.get("segments", before["segments"])),
        }
        return self._replace(name, environment, before, after, by)

    def patch(
        self, name: str, environment: str, key: str, operations: list[dict[str, Any]], by: Actor
    ) -> dict[str, Any]:
        before = self.get(name, environment, key, "=")
        after = patched(before, operations)
        for parameter, value in after["parameters"].items():
            if not isinstance(value, str):
                path = f"/parameters/{parameter}"
                raise bad(f"The `{path}` property must be string. You sent {value}.", path)
        return self.put(name, environment, key, after, by)

    def delete(self, name: str, environment: str, key: str, by: Actor) -> None:
        _flag, env = self._store.env(name, environment)
        strategy = self.get(name, environment, key)
        if all(s is strategy or s["disabled"] for s in env.strategies):
            self.turn_off(name, environment, by)  # nobody is left to answer yes
        env.strategies.remove(strategy)
        self._store.log.add("feature-strategy-remove", by, flag=name, environment=environment, pre=strategy)

    def sort(self, name: str, environment: str, order: list[dict[str, Any]], by: Actor) -> None:
        _flag, env = self._store.env(name, environment)
        before = [strategy["id"] for strategy in env.strategies]
        for one in order:
            self.get(name, environment, str(one["id"]))["sortOrder"] = one["sortOrder"]
        env.strategies.sort(key=lambda strategy: int(strategy["sortOrder"]))
        after = [strategy["id"] for strategy in env.strategies]
        if after != before:
            data, pre = {"strategyIds": after}, {"strategyIds": before}
            self._store.log.add("strategy-order-changed", by, flag=name, environment=environment, data=data, pre=pre)

    def _replace(
        self, name: str, environment: str, before: dict[str, Any], after: dict[str, Any], by: Actor
    ) -> dict[str, Any]:
        if after == before:
            return before  # a write that changes nothing leaves no event
        _flag, env = self._store.env(name, environment)
        env.strategies[env.strategies.index(before)] = after
        self._store.log.add("feature-strategy-update", by, flag=name, environment=environment, data=after, pre=before)
        if after["disabled"] and all(strategy["disabled"] for strategy in env.strategies):
            self.turn_off(name, environment, by)
        return after

    def _default(self, environment: str) -> dict[str, Any]:
        return copy.deepcopy(self.defaults.get(environment, {"name": "flexibleRollout"}))

    def _segments(self, keys: list[int]) -> list[int]:
        for key in keys:
            if key not in self._store.known_segments:
                raise flagrules.bad_data(f"Could not find segment with id {key}")
        return list(keys)
