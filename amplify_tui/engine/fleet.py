"""The health and version of every instance, onto the board; and the dependency map that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amplify_tui.adapters.poll import InstancePoller, Target, targets
from amplify_tui.engine.board import Board
from amplify_tui.playbook.model import Playbook
from amplify_tui.playbook.ranges import satisfies
from amplify_tui.verdict.model import InstanceReading


class Fleet:
    """Polls all services of a playbook, each at its own pace."""

    def __init__(self, playbook: Playbook, board: Board) -> None:
        self._playbook = playbook
        self._board = board
        self._targets: list[Target] = [t for name, s in playbook.services.items() for t in targets(name, s)]
        self._graph: Mapping[str, Any] = {}

    async def run(self) -> None:
        """Poll until cancelled."""
        if self._targets:
            await InstancePoller(self._targets, self._post).run()

    async def look(self) -> None:
        """Ask every instance once, now."""
        poller = InstancePoller(self._targets, self._post)
        try:
            for reading in await poller.once():
                self._post(reading)
        finally:
            await poller.aclose()

    def _post(self, reading: InstanceReading) -> None:
        self._board.instance(reading)
        graph = self._dependencies()
        if graph != self._graph:
            self._graph = graph
            self._board.post("graph", graph)

    def _dependencies(self) -> dict[str, Any]:
        """Versions that answer, and whether each satisfies who needs it; null where nobody knows."""
        services: dict[str, Any] = {}
        for name, service in self._playbook.services.items():
            services[name] = {
                "versions": self._versions(name),
                "requires": {
                    needed: {"range": wanted, "ok": _all_satisfy(self._versions(needed), wanted)}
                    for needed, wanted in service.requires.items()
                },
            }
        return {"services": services, "order": list(self._playbook.services)}

    def _versions(self, service: str) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for target in self._targets:
            if target.service == service:
                reading = self._board.latest(service, target.instance)
                found[target.instance] = reading.version if reading else None
        return found


def _all_satisfy(versions: Mapping[str, str | None], wanted: str) -> bool | None:
    known = [v for v in versions.values() if v]
    try:
        if any(not satisfies(v, wanted) for v in known):
            return False
    except ValueError:
        return None
    return True if known and len(known) == len(versions) else None
