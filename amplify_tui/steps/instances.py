"""The instances of a service as the playbook names them, and the version each one reports, asked now."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from amplify_tui.adapters.poll import named
from amplify_tui.adapters.ports import Invalid
from amplify_tui.playbook.model import Instance, Playbook
from amplify_tui.steps.verb import World
from amplify_tui.verdict.model import InstanceReading


class Live(Struct, frozen=True, kw_only=True):
    """What one instance said just now. `version` None: it did not answer, or did not say; `note` says which."""

    version: str | None
    note: str = ""


def instances_of(service: str, playbook: Playbook) -> dict[str, Instance]:
    """id -> instance, in the order of the file, as the poller numbers them. Raises Invalid."""
    found = playbook.services.get(service)
    if found is None:
        raise Invalid(f"there is no service {service}", fix=f"known are {', '.join(playbook.services) or 'none'}")
    return named(service, found)


def names_of(id_: str, instance: Instance, before: str | None) -> dict[str, Any]:
    """`instance` as expressions see it."""
    parts = urlsplit(instance.url)
    return {
        "id": id_,
        "url": instance.url,
        "host": parts.hostname or "",
        "port": parts.port or (443 if parts.scheme == "https" else 80),
        "zone": instance.zone,
        "before": before,
    }


async def live(world: World, service: str, instance: str, *, fresh: float | None = None) -> Live:
    """What the instance says of its version, polled now.

    fresh: answers received before that moment do not count; without it the poll's own answer does.
    """
    await world.refresh()
    return seen(world, service, instance, fresh)


def seen(world: World, service: str, instance: str, fresh: float | None = None) -> Live:
    """The same from the latest reading, without a poll."""
    reading = _latest(world, service, instance)
    if reading is None:
        return Live(version=None, note=f"{instance} was never asked")
    if fresh is not None and reading.received_at < fresh:
        return Live(version=None, note=f"{instance} has not been asked since")
    if reading.status not in ("ok", "foreign") or reading.ok is None:
        return Live(version=None, note=f"{instance} does not answer{f' ({reading.note})' if reading.note else ''}")
    if not reading.version:
        return Live(version=None, note=f"{instance} does not say its version")
    return Live(version=reading.version)


def _latest(world: World, service: str, instance: str) -> InstanceReading | None:
    mine = (r for r in world.evidence().fleet if (r.service, r.instance) == (service, instance))
    return max(mine, key=lambda r: (r.received_at, r.data_at), default=None)
