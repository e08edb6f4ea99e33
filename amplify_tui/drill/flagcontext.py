"""The context fields of the flag server: what rules may ask for. Applications may send others all the same."""

from __future__ import annotations

import time
from typing import Any, Final

from amplify_tui.drill.flagevents import Actor
from amplify_tui.drill.flagrules import FlagError, required
from amplify_tui.drill.flagstore import FlagStore, iso

BUILT_IN: Final = ("environment", "userId", "appName", "currentTime", "sessionId")


class ContextFields:
    def __init__(self, store: FlagStore) -> None:
        self._store = store
        self._all = {name: _field({"name": name}, at) for at, name in enumerate(BUILT_IN)}

    def all(self) -> list[dict[str, Any]]:
        return list(self._all.values())

    def get(self, name: str) -> dict[str, Any]:
        if name not in self._all:
            raise FlagError(404, "NotFoundError", f"Could not find context field with name {name}")
        return self._all[name]

    def create(self, body: dict[str, Any], by: Actor) -> dict[str, Any]:
        name = str(required(body, "name"))
        if name in self._all:
            raise FlagError(409, "NameExistsError", "A context field with that name already exist")
        self._all[name] = _field(body, len(self._all))
        self._store.log.add("context-field-created", by, data=self._all[name], project=None)
        return self._all[name]


def _field(body: dict[str, Any], order: int) -> dict[str, Any]:
    return {
        "name": body["name"],
        "description": body.get("description", ""),
        "stickiness": bool(body.get("stickiness")),
        "sortOrder": order,
        "legalValues": list(body.get("legalValues") or ()),
        "createdAt": iso(time.time()),
    }
