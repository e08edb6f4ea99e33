"""Segments and SDK tokens of the flag server: what flags refer to, and who may ask."""

from __future__ import annotations

import secrets
import time
from typing import Any, Literal

from msgspec import Struct

from amplify_tui.drill import flagrules
from amplify_tui.drill.flagconstraints import constraints
from amplify_tui.drill.flagevents import Actor
from amplify_tui.drill.flagrules import FlagError, required
from amplify_tui.drill.flagstore import ENVIRONMENTS, PROJECT, FlagStore, iso


class Token(Struct, frozen=True, kw_only=True):
    """A secret and what it is for; `name` and `user` are what events say of it."""

    secret: str
    type: Literal["admin", "client", "frontend"]
    environment: str = "*"
    name: str = "admin"
    user: int = -42  # Unleash's id of the shared admin token

    @property
    def actor(self) -> Actor:
        return Actor(self.name, self.user)

    def shown(self) -> dict[str, Any]:
        return {
            "tokenName": self.name,
            "environment": self.environment,
            "projects": [PROJECT],
            "secret": self.secret,
            "type": self.type,
            "alias": None,
            "project": PROJECT,
            "createdAt": iso(time.time()),
        }


class ServerConfig(Struct, frozen=True, kw_only=True):
    """What the flag server starts with: its socket and the tokens it knows."""

    fd: int
    tokens: tuple[Token, ...]


class Tokens:
    def __init__(self, known: tuple[Token, ...]) -> None:
        self._known = {token.secret: token for token in known}

    def find(self, header: str) -> Token | None:
        """The token of an Authorization header, with or without `Bearer`."""
        return self._known.get(header.removeprefix("Bearer ").strip())

    def create(self, body: dict[str, Any]) -> Token:
        kind = str(required(body, "type")).lower()
        environment = str(body.get("environment", ENVIRONMENTS[0]))
        if kind not in ("client", "backend", "frontend"):
            raise flagrules.bad(f'The `/body/type` property must match pattern. You sent "{kind}".', "/body/type")
        if environment not in ENVIRONMENTS:
            raise flagrules.bad_data(f"Environment={environment} does not exist")
        token = Token(
            secret=f"{PROJECT}:{environment}.{secrets.token_hex(28)}",
            type="frontend" if kind == "frontend" else "client",
            environment=environment,
            name=str(required(body, "tokenName")),
        )
        self._known[token.secret] = token
        return token

    def all(self) -> list[Token]:
        return list(self._known.values())


class Segments:
    def __init__(self, store: FlagStore) -> None:
        self._store = store
        self._all: dict[int, dict[str, Any]] = {}
        self._last = 0

    def create(self, body: dict[str, Any], by: Actor) -> dict[str, Any]:
        name = str(required(body, "name"))
        if any(segment["name"] == name for segment in self._all.values()):
            raise FlagError(409, "NameExistsError", "Segment name already exists")
        self._last += 1
        segment = {
            "id": self._last,
            "name": name,
            "description": body.get("description"),
            "constraints": constraints(body.get("constraints")),
            "createdBy": by.name,
            "createdAt": iso(time.time()),
        }
        self._all[self._last] = segment
        self._store.known_segments.add(self._last)
        self._store.log.add("segment-created", by, data=segment, project=None)
        return segment

    def get(self, key: int) -> dict[str, Any]:
        if key not in self._all:
            raise FlagError(404, "NotFoundError", f"Could not find segment with id {key}")
        return self._all[key]

    def update(self, key: int, body: dict[str, Any], by: Actor) -> None:
        before = self.get(key)
        after = before | {
            "name": str(required(body, "name")),
            "constraints": constraints(body.get("constraints")),
            "description": body.get("description", before["description"]),
        }
        if after != before:
            self._all[key] = after
            self._store.log.add("segment-updated", by, data=after, pre=before, project=None)

    def delete(self, key: int, by: Actor) -> bool:
        """False where a strategy still uses it."""
        segment = self.get(key)
        if self.used_by(key):
            return False
        del self._all[key]
        self._store.known_segments.discard(key)
        self._store.log.add("segment-deleted", by, pre=segment, project=None)
        return True

    def used_by(self, key: int) -> list[dict[str, Any]]:
        return [
            {
                "id": strategy["id"],
                "projectId": PROJECT,
                "featureName": flag.name,
                "strategyName": strategy["name"],
                "environment": name,
            }
            for flag in self._store.flags.values()
            for name, env in flag.envs.items()
            for strategy in env.strategies
            if key in strategy["segments"]
        ]

    def all(self) -> list[dict[str, Any]]:
        return list(self._all.values())
