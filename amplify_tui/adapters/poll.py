"""Polling health and version of many instances, each at its own pace, over kept connections (wire.py).

Each look gives one InstanceReading. `ok` is what the health path says, None where nobody answered; a version that could
not be read is None with the reason in `note`, never the one from before. Targets are spread over their interval, a slot
that was missed is skipped: no storm after a pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from time import time
from typing import Any

from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import AdapterError, Invalid
from amplify_tui.adapters.wire import Wire, WireAnswer
from amplify_tui.playbook.model import Discover, Health, Instance, SchemaRange, Service, Started, VersionProbe
from amplify_tui.verdict.model import InstanceReading

ANSWER_LIMIT = 256 * 1024  # of a health or version answer; nobody's is longer by intention
CANNOT = Invalid("this playbook's services are found by `discover`, and nobody asked it yet")


class Target(Struct, frozen=True, kw_only=True):
    """One instance of one service, and how it is asked."""

    service: str
    instance: str
    url: str
    health: Health = Health()
    version: VersionProbe = VersionProbe()
    schema: SchemaRange | None = None
    started: Started | None = None


def named(service: str, spec: Service) -> dict[str, Instance]:
    """id -> instance of a fixed list, in the order of the file; ids default to SERVICE-1, SERVICE-2 ...

    Raises Invalid for `discover`.
    """
    if isinstance(spec.instances, Discover):
        raise CANNOT
    given = [one if isinstance(one, Instance) else Instance(url=one) for one in spec.instances]
    return {one.id or f"{service}-{number}": one for number, one in enumerate(given, start=1)}


def targets(name: str, service: Service) -> list[Target]:
    """How each instance of a service is asked. Raises Invalid for `discover`."""
    return [
        Target(
            service=name,
            instance=unit,
            url=instance.url,
            health=service.health,
            version=service.version,
            schema=service.schema,
            started=service.started,
        )
        for unit, instance in named(name, service).items()
    ]


class InstanceProbe:
    """One instance with its connection. `look` never raises for the world's faults."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._wire: Wire | None = None
        self._data_at = 0.0

    async def look(self) -> InstanceReading:
        """Ask health, then version (one call where they are the same path); what both said."""
        target, health = self.target, self.target.health
        try:
            if self._wire is None:
                self._wire = Wire(target.url, limit=ANSWER_LIMIT)
            answer = await self._wire.get(health.path, health.timeout)
        except AdapterError as error:
            return self._reading(status="error", note=f"health: {error.what}")
        self._data_at, latency = answer.at, answer.latency
        ok = answer.status == health.expect.status
        notes = [] if ok else [_refused(answer, health)]
        if ok and latency > health.timeout / 2:
            notes.append(f"slow: health took {latency * 1000:.0f} ms of {health.timeout * 1000:.0f}")
        facts: dict[str, Any] = {}
        try:
            if target.version.path != health.path:
                answer = await self._wire.get(target.version.path, health.timeout)
            facts = _facts(answer, target)
        except AdapterError as error:
            notes.append(f"version: {error.what}")
        return self._reading(status="ok", note="; ".join(notes), ok=ok, latency=latency, **facts)

    def _reading(self, **known: Any) -> InstanceReading:
        target, now = self.target, time()
        return InstanceReading(
            service=target.service,
            instance=target.instance,
            url=target.url,
            data_at=self._data_at,
            received_at=now,
            **known,
        )

    async def aclose(self) -> None:
        if self._wire is not None:
            await self._wire.aclose()


class InstancePoller:
    """All instances of a run. `run` goes on until it is cancelled and closes its connections then."""

    def __init__(self, targets: Sequence[Target], on_reading: Callable[[InstanceReading], None]) -> None:
        self._probes = [InstanceProbe(target) for target in targets]
        self._on_reading = on_reading

    async def run(self) -> None:
        """Look at every instance at its own pace and hand each reading over, in the loop's own thread."""
        try:
            async with asyncio.TaskGroup() as group:
                for number, probe in enumerate(self._probes):
                    offset = number / len(self._probes) * probe.target.health.every
                    group.create_task(self._keep(probe, offset), name=f"poll {probe.target.instance}")
        finally:
            await self.aclose()

    async def _keep(self, probe: InstanceProbe, offset: float) -> None:
        loop = asyncio.get_running_loop()
        every = probe.target.health.every
        due = loop.time() + offset
        while True:
            await asyncio.sleep(max(due - loop.time(), 0.0))
            self._on_reading(await probe.look())
            due += every
            if (behind := loop.time() - due) > 0:
                due += every * (behind // every)

    async def once(self) -> list[InstanceReading]:
        """One look at every instance, all at once."""
        return list(await asyncio.gather(*(probe.look() for probe in self._probes)))

    async def aclose(self) -> None:
        for probe in self._probes:
            await probe.aclose()


def _refused(answer: WireAnswer, health: Health) -> str:
    if 300 <= answer.status < 400:
        return f"health: redirects to {clean(answer.location, 80) or 'nowhere'}; write the final path"
    return f"health: answers {answer.status}, expected {health.expect.status}"


def _facts(answer: WireAnswer, target: Target) -> dict[str, Any]:
    """Version, start and schema from a version answer. Raises Invalid where it tells no version."""
    if answer.status != 200:
        raise Invalid(f"answers {answer.status}")
    data = answer.json()
    version = _field(data, target.version.field)
    if not isinstance(version, str | int | float) or isinstance(version, bool) or version == "":
        raise Invalid(f"no field {target.version.field!r} in the answer")
    facts: dict[str, Any] = {"version": clean(str(version), 80)}
    if target.schema is not None and (schema := _field(data, target.schema.field)) is not None:
        facts["schema"] = clean(str(schema), 80)
    if target.started is not None:
        facts["started"] = _moment(_field(data, target.started.field))
    return facts


def _field(data: Any, path: str) -> Any:
    """The value at `a.b.c`; None where there is none. A key that holds dots itself is tried first."""
    if isinstance(data, dict) and path in data:
        return data[path]
    for name in path.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _moment(value: Any) -> float | None:
    """Unix seconds from a number (seconds) or an ISO 8601 text; None where it is neither."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None
