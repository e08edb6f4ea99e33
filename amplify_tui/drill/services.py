"""The services' process: its instances, and the admin door through which deploys, migrations and faults come.

The door is a port of its own with a token. What stands behind it is the sandbox's ground truth: nothing of the engine
may read it, drills and scores do.

    GET    /state               every instance, what it served, the faults that are in
    POST   /deploy              {"instance", "version"}  restarts the instance on it, answers when it is up again
    POST   /migrate             {"to"}                   sets the schema that checkout reports
    POST   /faults              a Fault; answers {"id"}
    DELETE /faults/ID           lifts it
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import socket
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from amplify_tui.drill import lifeline
from amplify_tui.drill.instance import Fault, Instance, World
from amplify_tui.drill.wire import Listener, Reply, Request


class Seat(Struct, frozen=True, kw_only=True):
    """Where one instance goes."""

    name: str
    service: str
    version: str
    fd: int


class Config(Struct, frozen=True, kw_only=True):
    token: str
    admin_fd: int
    seed: int
    seats: tuple[Seat, ...]
    schema: int = 42
    gap: float = 0.15


class Deploy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    instance: str
    version: str


class Migrate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    to: int


class Admin:
    """The door. Every request needs `authorization: TOKEN`."""

    def __init__(self, config: Config, tasks: asyncio.TaskGroup) -> None:
        self._config = config
        self._tasks = tasks
        self._world = World(schema=config.schema, gap=config.gap)
        self._given = 0
        self.instances = {
            seat.name: Instance(seat.name, seat.service, seat.version, _adopt(seat.fd), self._world, seed=config.seed)
            for seat in config.seats
        }

    async def answer(self, request: Request) -> Reply:
        if not hmac.compare_digest(request.headers.get("authorization", ""), self._config.token):
            return Reply.json({"error": "the admin door needs its token"}, 401)
        match request.method, request.path.split("/")[1:]:
            case "GET", ["state"]:
                return Reply.json(self._state())
            case "POST", ["deploy"]:
                return await self._deploy(msgspec.json.decode(request.body, type=Deploy))
            case "POST", ["migrate"]:
                self._world.schema = msgspec.json.decode(request.body, type=Migrate).to
                return Reply.json({"schema": self._world.schema})
            case "POST", ["faults"]:
                return self._put(msgspec.json.decode(request.body, type=Fault))
            case "DELETE", ["faults", key]:
                lifted = self._world.faults.pop(key, None)
                await self._recover()
                return Reply.json({"lifted": lifted is not None}, 200 if lifted else 404)
        return Reply.json({"error": f"no such door: {request.method} {request.path}"}, 404)

    def _state(self) -> dict[str, Any]:
        return {
            "schema": self._world.schema,
            "faults": list(self._world.faults.values()),
            "instances": [
                {
                    "id": one.name,
                    "service": one.service,
                    "version": one.version,
                    "started": one.started,
                    "up": one.listener.is_up,
                    "served": one.metrics.served(),
                }
                for one in self.instances.values()
            ],
        }

    async def _deploy(self, order: Deploy) -> Reply:
        instance = self.instances.get(order.instance)
        if instance is None:
            return Reply.json({"error": f"no instance {order.instance!r}; there are {sorted(self.instances)}"}, 404)
        running = await instance.deploy(order.version)
        return Reply.json({"instance": instance.name, "asked": order.version, "version": running})

    async def _recover(self) -> None:
        """Bring back what was taken down and has no fault left that holds it down."""
        for one in self.instances.values():
            if one.is_down and not one.faults("crash"):
                await one.deploy(one.version)

    def _put(self, fault: Fault) -> Reply:
        self._given += 1
        named = msgspec.structs.replace(fault, id=fault.id or f"fault-{self._given}")
        self._world.faults[named.id] = named
        if fault.kind == "crash":
            for one in self.instances.values():
                if named in one.faults("crash"):
                    self._tasks.create_task(one.crash(fault.restart), name=f"crash {one.name}")
        return Reply.json({"id": named.id}, 201)


def _adopt(descriptor: int) -> socket.socket:
    sock = socket.socket(fileno=descriptor)
    sock.setblocking(False)
    return sock


async def serve(config: Config, descriptor: int) -> None:
    """Serve until the parent is gone."""
    lifeline.obey(descriptor)
    async with asyncio.TaskGroup() as tasks:
        admin = Admin(config, tasks)
        for instance in admin.instances.values():
            await instance.listener.start()
        await Listener(admin.answer, _adopt(config.admin_fd)).start()
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(serve(msgspec.json.decode(options.config.read_bytes(), type=Config), options.lifeline))


if __name__ == "__main__":
    main()
