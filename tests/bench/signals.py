"""What a conductor costs that watches a phase by 50 signals, each asked every 5 s, beside one that has none."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from amplify_tui.drill.world import World
from amplify_tui.run.select.signals import points
from tests.bench.flag_world import cpu
from tests.bench.measure import Table
from tests.bench.reaction import Numbers, numbers
from tests.engine.crash_world import Runs, Watched, checked, flag_steps, playbook, small_world

SIGNALS: Final = 50
WINDOW: Final = 10.0
WINDOWS: Final = 5
CORE: Final = "one core, all of it"


def text_of(facts: dict[str, Any], url: str, count: int) -> str:
    """A ramp whose gate asks for each of *count* signals, each of a source of its own."""
    prepare, ramp = flag_steps(phases=(50, 100), bake="10m")
    names = [f"errors-{number}" for number in range(count)]
    ramp["rollout"]["gate"] = ["health", *names]
    ramp["rollout"]["max_wait"] = "1h"
    raw = json.loads(playbook(facts, [prepare, ramp]))
    raw["sources"] |= {name: {"http": url, "path": "/", "at": "at"} for name in names}
    shared = {"golden": "errors", "bad": "errors", "total": "requests", "every": "5s", "limit": {"above": "5%"}}
    raw["signals"] = {name: {**shared, "source": name, "window": "5s"} for name in names}
    return json.dumps(raw)


async def under_way(stack: AsyncExitStack, world: World, page: Numbers, place: Path, count: int) -> int:
    """The process of a conductor whose ramp has been entered and whose signals have been read."""
    runs = Runs(place / "home")
    folder = runs.create(checked(text_of(world.facts(), page.url, count), place / "playbook.yaml"))
    stack.callback(runs.sweep)
    await runs.conduct(folder)
    watched = await stack.enter_async_context(Watched(folder))
    await watched.start()
    await watched.seen("PhaseEntered", step="ramp", i=0)
    names = [f"errors-{number}" for number in range(count)]
    await watched.until(lambda _: all(points(watched.board, name, None) for name in names), "all are read")
    said = folder.conductor()
    assert said is not None
    return said.mark.pid


async def measured(scratch: Path) -> dict[str, tuple[float, ...]]:
    taken: dict[str, list[float]] = {CORE: []}
    for count in (0, SIGNALS):
        place = scratch / str(count)
        place.mkdir()
        os.environ["AMPLIFY_HOME"] = str(place / "home")
        async with AsyncExitStack() as stack:
            world, page = stack.enter_context(small_world()), stack.enter_context(numbers())
            pid = await under_way(stack, world, page, place, count)
            name = f"a conductor with {count or 'no'} signals"
            for turn in range(WINDOWS + 1):
                before = cpu(pid)
                await asyncio.sleep(WINDOW)
                if turn:
                    taken.setdefault(name, []).append(cpu(pid) - before)
    taken[CORE] = [WINDOW] * WINDOWS
    return {name: tuple(seconds) for name, seconds in taken.items()}


def tables() -> list[Table]:
    """Seconds of a core in ten seconds of a phase."""
    home = os.environ.get("AMPLIFY_HOME")
    try:
        with tempfile.TemporaryDirectory(prefix="amp-") as scratch:
            samples = asyncio.run(measured(Path(scratch)))
    finally:
        if home is None:
            os.environ.pop("AMPLIFY_HOME", None)
        else:
            os.environ["AMPLIFY_HOME"] = home
    note = f"Seconds of a core in {WINDOW:.0f} s. Nobody looks on but one follower."
    return [Table("signals", f"A conductor with {SIGNALS} signals at 5 s", samples, (), note)]
