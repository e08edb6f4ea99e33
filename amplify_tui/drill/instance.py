"""One instance of a service: its endpoints, its version, and the faults put into it. Nothing of the others."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from typing import Literal

from msgspec import Struct, field

from amplify_tui.drill.metrics import TEXT, VARIANTS, Metrics
from amplify_tui.drill.wire import Listener, Reply, Request

COHORT_OF = {"on": "treatment", "off": "control"}
FOREVER = 3600.0


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong, and for whom: one instance or all of a service, one cohort or both."""

    kind: Literal["errors", "latency", "stuck_version", "crash", "hang"]
    service: str = ""
    instance: str = ""
    cohort: Literal["treatment", "control", ""] = ""
    rate: float = 1.0  # errors: share of requests answered with 500
    add: float = 0.0  # latency: seconds
    p: float = 1.0  # latency: share of requests
    restart: float | None = None  # crash: seconds until it comes back by itself
    id: str = ""

    def strikes(self, variant: str) -> bool:
        return not self.cohort or COHORT_OF[variant] == self.cohort


class World(Struct):
    """What the instances of one process share."""

    schema: int
    gap: float  # seconds a restart takes
    faults: dict[str, Fault] = field(default_factory=dict)


class Instance:
    """A server on one port. `deploy` restarts it: connections reset, counters at zero, a new start time."""

    def __init__(self, name: str, service: str, version: str, sock: socket.socket, world: World, *, seed: int) -> None:
        self.name = name
        self.service = service
        self.version = version
        self.started = time.time()
        self.listener = Listener(self._answer, sock)
        self._world = world
        self._draw = random.Random(f"{seed}:{name}")
        self.metrics = Metrics(service, name)
        self._restarts = asyncio.Lock()

    @property
    def is_down(self) -> bool:
        """Gone, and not on its way back."""
        return not self.listener.is_up and not self._restarts.locked()

    def faults(self, kind: str) -> list[Fault]:
        return [
            fault
            for fault in self._world.faults.values()
            if fault.kind == kind and fault.instance in ("", self.name) and fault.service in ("", self.service)
        ]

    async def deploy(self, version: str) -> str:
        """Restart on *version* and answer what it then runs: a stuck instance comes back as it was."""
        async with self._restarts:
            self.listener.stop()
            await asyncio.sleep(self._world.gap)
            if not self.faults("stuck_version"):
                self.version = version
            self.started = time.time()
            self.metrics = Metrics(self.service, self.name)
            await self.listener.start()
            return self.version

    async def crash(self, restart: float | None) -> None:
        """Go away; come back after *restart* seconds, or with the next deploy."""
        self.listener.stop()
        if restart is not None:
            await asyncio.sleep(restart)
            if not self.listener.is_up:
                await self.deploy(self.version)

    async def _answer(self, request: Request) -> Reply:
        if self.faults("hang"):
            await asyncio.sleep(FOREVER)
        match request.path:
            case "/health":
                return Reply.json({"status": "ok"})
            case "/version":
                schema = {"schema": self._world.schema} if self.service == "checkout" else {}
                return Reply.json({"version": self.version, "started": self.started} | schema)
            case "/metrics":
                return Reply(self.metrics.text(self.started), content_type=TEXT)
            case "/buy" | "/price" | "/book":
                return await self._business(request)
        return Reply.json({"error": f"no such path: {request.path}"}, 404)

    async def _business(self, request: Request) -> Reply:
        variant = request.query.get("variant", "off")
        if variant not in VARIANTS:
            return Reply.json({"error": "variant is on or off"}, 400)
        begun = time.monotonic()
        metrics = self.metrics  # a restart while we think must not count here
        await asyncio.sleep(0.001 + min(0.05, self._draw.expovariate(400)))
        for fault in self.faults("latency"):
            if fault.strikes(variant) and self._draw.random() < fault.p:
                await asyncio.sleep(fault.add)
        failed = any(f.strikes(variant) and self._draw.random() < f.rate for f in self.faults("errors"))
        code = 500 if failed else 200
        metrics.observe(code, variant, time.monotonic() - begun)
        answer = (
            {"error": "the new path lost the order"} if failed else {"ok": True, "by": self.name, "variant": variant}
        )
        return Reply.json(answer, code)
