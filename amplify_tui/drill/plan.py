"""What a sandbox is made of before anything runs: sockets, tokens, and the configuration of each process.

The sockets are opened here and handed on, so that every address is known before any process runs: they start together,
no port is taken twice, and who connects early waits instead of failing.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amplify_tui.drill import saboteur, services, sink, traffic
from amplify_tui.drill.flagsegments import ServerConfig, Token
from amplify_tui.drill.repo import Repo
from amplify_tui.drill.wire import HOST, listening

FLAG = "checkout-v3"
ENVIRONMENT = "production"


@dataclass(frozen=True, slots=True)
class Shape:
    """A service of the world. Its instances share one process, unless each is to be killed or stopped by itself."""

    name: str
    instances: int
    version: str
    rps: float  # of all instances together
    path: str
    process_each: bool = False

    def seats(self) -> list[str]:
        return [f"{self.name}-{number}" for number in range(1, self.instances + 1)]


SHAPES = (
    Shape("ledger", 2, "2.3.4", 16, "/book"),
    Shape("pricing", 2, "5.1.0", 24, "/price"),
    Shape("checkout", 4, "2.9.4", 208, "/buy"),
)
FAULT = {"kind": "errors", "service": "checkout", "cohort": "treatment", "rate": 0.6, "id": "injected"}


class Plan:
    """Addresses, tokens and configurations of one world."""

    def __init__(self, seed: int, shapes: Sequence[Shape] = SHAPES) -> None:
        self._seed = seed
        self._shapes = tuple(shapes)
        self._groups = self._seats_by_process()
        doors = [f"door:{process}" for process in self._groups]
        names = ["flags", "http", "smtp", *doors, *(seat for shape in shapes for seat in shape.seats())]
        self._sockets = {name: listening() for name in names}
        self._ports: dict[str, int] = {name: sock.getsockname()[1] for name, sock in self._sockets.items()}
        self._door_token = secrets.token_hex(20)
        self.admin_token = f"user:{secrets.token_hex(20)}"
        self.outsider_token = f"user:{secrets.token_hex(20)}"  # a second person: drift comes from them
        self._clients = {name: f"default:{name}.{secrets.token_hex(20)}" for name in ("production", "development")}

    def facts(self, repo: Repo, playbook: str) -> dict[str, Any]:
        """The JSON of `amplify sandbox`; `inject` is for drills and scores, never for the engine."""
        token = self._clients[ENVIRONMENT]
        return {
            "repo": str(repo.tree),
            "remote": str(repo.remote),
            "flags": {"url": self.url("flags"), "admin_token": self.admin_token, "client_token": token},
            "services": self.instances(),
            "sink": {"http": self.url("http"), "smtp": f"{HOST}:{self._ports['smtp']}"},
            "playbook": str(repo.tree / playbook),
            "inject": self.doors() | {"outsider_token": self.outsider_token},
        }

    # addresses

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self._ports[name]}"

    def instances(self) -> dict[str, list[dict[str, str]]]:
        return {shape.name: [{"id": seat, "url": self.url(seat)} for seat in shape.seats()] for shape in self._shapes}

    def doors(self) -> dict[str, Any]:
        """The admin door behind each instance, and the token that opens all of them."""
        doors = {seat: self.url(f"door:{process}") for process, seats in self._groups.items() for seat in seats}
        return {"admin": doors, "token": self._door_token}

    def take(self, names: Sequence[str]) -> list[socket.socket]:
        """Sockets to hand to a child; close them once it has them, else its port outlives it."""
        return [self._sockets.pop(name) for name in names]

    def close(self) -> None:
        """Give up the sockets that no child took."""
        for sock in self._sockets.values():
            sock.close()

    # configurations: each with the names of the sockets it needs

    def flagserver(self) -> tuple[ServerConfig, list[str]]:
        clients = (
            Token(secret=secret, type="client", environment=name, name=f"shop-{name}")
            for name, secret in self._clients.items()
        )
        tokens = (
            Token(secret=self.admin_token, type="admin", name="amplify", user=2),
            Token(secret=self.outsider_token, type="admin", name="outside@example.com", user=3),
            *clients,
        )
        return ServerConfig(fd=self._fd("flags"), tokens=tokens), ["flags"]

    def services(self) -> dict[str, tuple[services.Config, list[str]]]:
        """By process."""
        versions = {seat: shape for shape in self._shapes for seat in shape.seats()}
        planned = {}
        for process, names in self._groups.items():
            seats = tuple(
                services.Seat(name=name, service=versions[name].name, version=versions[name].version, fd=self._fd(name))
                for name in names
            )
            door = f"door:{process}"
            config = services.Config(token=self._door_token, admin_fd=self._fd(door), seed=self._seed, seats=seats)
            planned[process] = (config, [door, *names])
        return planned

    def sink(self) -> tuple[sink.Config, list[str]]:
        return sink.Config(http_fd=self._fd("http"), smtp_fd=self._fd("smtp")), ["http", "smtp"]

    def traffic(self) -> traffic.Config:
        lanes = tuple(
            traffic.Lane(
                port=self._ports[seat],
                rps=shape.rps / shape.instances,
                path=shape.path,
                flagged=shape.name == "checkout",
            )
            for shape in self._shapes
            for seat in shape.seats()
        )
        return traffic.Config(
            url=self.url("flags"),
            token=self._clients[ENVIRONMENT],
            flag=FLAG,
            environment=ENVIRONMENT,
            seed=self._seed,
            lanes=lanes,
        )

    def saboteur(self, after_percent: float) -> saboteur.Config:
        return saboteur.Config(
            flags=self.url("flags"),
            flags_token=self.outsider_token,
            flag=FLAG,
            environment=ENVIRONMENT,
            after_percent=after_percent,
            doors=tuple(sorted(set(self.doors()["admin"].values()))),
            door_token=self._door_token,
            fault=FAULT,
        )

    def _seats_by_process(self) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for shape in self._shapes:
            for seat in shape.seats():
                groups.setdefault(f"services:{seat}" if shape.process_each else "services", []).append(seat)
        return groups

    def _fd(self, name: str) -> int:
        return self._sockets[name].fileno()
