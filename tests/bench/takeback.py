"""Taking back, from the command line: to the first write, to the last flag off, to verified; cold; a whole rollback.

All on the sandbox: real processes, real sockets, a journal on disk. `amplify mitigate` is a process of its own, as it is
for who types it. Times are the journal's own, counted from the moment before the process starts.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from amplify_tui.drill.plan import Shape
from amplify_tui.drill.world import World, start_world
from amplify_tui.engine.rundir import RunDir
from amplify_tui.run.shapes import ref_of
from tests.bench.measure import Table
from tests.engine.crash_world import (
    SMALL,
    Bench,
    Runs,
    Watched,
    amplify,
    checked,
    deploy_step,
    kill_conductor,
    pid_of,
    playbook,
    step,
    wired,
)

SIZES: Final = (1, 10, 100)
ROUNDS: Final = 3
OUT_S: Final = 240.0  # a hundred flags take the sandbox half a minute
FIRST, LAST, VERIFIED = "first write", "last flag off", "verified"
SINGLE: Final = "the slowest single call"
ACTS_AGAIN: Final = "the write that was cut off is known, or made again"
ACTS: Final = frozenset({"EffectProbed", "EffectDone", "EffectIntended"})
EIGHT: Final = (*SMALL[:2], Shape("checkout", 8, "2.9.4", 40, "/buy"))

Taken = dict[str, list[float]]


def flags_on(names: Sequence[str]) -> list[dict[str, Any]]:
    """A step for each flag, all at once, that makes it and gives it to everybody."""
    ramp = {"title": "ramp", "rollout": 100, "stickiness": "userId"}
    return [
        step(
            name,
            "flag",
            {
                "name": name,
                "source": "flags",
                "create": "release",
                "reuse": "allow",
                "enabled": True,
                "strategies": [ramp | {"group": name}],
            },
            needs=[],
        )
        for name in names
    ]


def text_of(world: World, names: Sequence[str], *more: dict[str, Any]) -> str:
    steps = [*more, *flags_on(names), step("go", "confirm", {"ask": "On?"}, needs=[*names, *(s["id"] for s in more)])]
    return playbook(world.facts(), steps)


async def released(watched: Watched) -> None:
    """The run at its question: all is out."""
    await watched.start()
    await watched.until(lambda state: state.steps[ref_of("go", "")].status == "awaiting", "all is out", within=OUT_S)


def since(watched: Watched, begun: float) -> dict[str, float]:
    """From *begun* to the first intent of an undo, the last flag that is off, and the proof."""
    events = [event for event in watched.events if event.at_s >= begun]
    intents = [e.at_s for e in events if e.type == "EffectIntended" and e.data.undoes]
    of = {e.data.effect: e.data.undoes for e in watched.of("EffectIntended")}
    offs = [e.at_s for e in events if e.type == "EffectDone" and of.get(e.data.effect, "").startswith("u1:")]
    done = [e.at_s for e in events if e.type == "MitigationDone"]
    return {FIRST: min(intents) - begun, LAST: max(offs) - begun, VERIFIED: done[-1] - begun}


async def mitigated(folder: RunDir, names: Sequence[str], *, cold: bool) -> dict[str, float]:
    async with Watched(folder) as watched:
        await released(watched)
        if cold:
            assert kill_conductor(folder)
        begun = time.time()
        said = await asyncio.to_thread(amplify, "mitigate", folder.run)
        assert said.returncode == 0, said.stderr
        await watched.seen("MitigationDone")
        return since(watched, begun)


def run_on(
    world: World, scratch: Path, text: Callable[[Bench], str], work: Callable[[RunDir], Any]
) -> dict[str, float]:
    """A run of its own on *world*, and what *work* measures with it."""
    scratch.mkdir()
    os.environ["AMPLIFY_HOME"] = str(scratch / "home")
    runs = Runs(scratch / "home")
    bench = Bench(scratch / "bench")
    folder = runs.create(checked(text(bench), bench.folder / "playbook.yaml"))

    async def all_of_it() -> dict[str, float]:
        await runs.conduct(folder)
        found: dict[str, float] = await work(folder)
        return found

    try:
        return asyncio.run(all_of_it())
    finally:
        runs.sweep()


async def slowest_call(world: World, names: Sequence[str]) -> float:
    """The slowest of single calls that switch the same flags off, ten at a time."""
    facts = world.facts()["flags"]
    limit = asyncio.Semaphore(10)
    headers = {"authorization": facts["admin_token"]}
    async with httpx.AsyncClient(base_url=facts["url"], headers=headers, trust_env=False, timeout=30) as http:

        async def off(name: str) -> float:
            async with limit:
                begun = time.perf_counter()
                path = f"/api/admin/projects/default/features/{name}/environments/production/off"
                (await http.post(path)).raise_for_status()
                return time.perf_counter() - begun

        return max(await asyncio.gather(*(off(name) for name in names)))


def _sizes(world: World, scratch: Path) -> list[Table]:
    tables = []
    for size in SIZES:
        taken: Taken = {SINGLE: [], FIRST: [], LAST: [], VERIFIED: []}
        for turn in range(ROUNDS):
            names = [f"f{size}_{turn}_{number}" for number in range(size)]
            place = scratch / f"{size}-{turn}"
            found = run_on(
                world,
                place,
                lambda _, names=names: text_of(world, names),
                lambda f, n=names: mitigated(f, n, cold=False),
            )  # type: ignore[misc]
            taken[SINGLE].append(asyncio.run(slowest_call(world, names)))
            for name, seconds in found.items():
                taken[name].append(seconds)
        samples = {name: tuple(seconds) for name, seconds in taken.items()}
        tables.append(
            Table(
                "takeback",
                f"`amplify mitigate` with {size} {'flag' if size == 1 else 'flags'}, conductor alive",
                samples,
            )
        )
    return tables


def _cold(world: World, scratch: Path) -> Table:
    taken: Taken = {FIRST: [], LAST: [], VERIFIED: []}
    for turn in range(ROUNDS):
        names = [f"cold_{turn}"]
        found = run_on(
            world,
            scratch / f"cold-{turn}",
            lambda _, n=names: text_of(world, n),
            lambda f, n=names: mitigated(f, n, cold=True),  # type: ignore[misc]
        )
        for name, seconds in found.items():
            taken[name].append(seconds)
    samples = {name: tuple(seconds) for name, seconds in taken.items()}
    return Table(
        "takeback", "`amplify mitigate` of a run without a conductor", samples, note="Wanted: 1.5 s to the first write."
    )


async def _recovered(folder: RunDir, world: World) -> dict[str, float]:
    """kill -9 with the write of `off` on its way; a new conductor finishes it."""
    async with Watched(folder) as watched:
        await released(watched)
        os.kill(pid_of(world, "flagserver"), signal.SIGSTOP)
        await watched.do("Mitigate")
        await watched.until(lambda s: any(e.undoes for e in s.effects.values()), "the intent of an undo")
        assert kill_conductor(folder)
        os.kill(pid_of(world, "flagserver"), signal.SIGCONT)
        begun = time.time()
        assert (await asyncio.to_thread(amplify, "resume", folder.run)).returncode == 0
        await watched.seen("MitigationDone")
        at = [event.at_s for event in watched.events if event.at_s >= begun and event.type in ACTS]
        done = [event.at_s for event in watched.of("MitigationDone")]
        return {ACTS_AGAIN: min(at) - begun, VERIFIED: done[-1] - begun}


def _recovery(world: World, scratch: Path) -> Table:
    taken: Taken = {ACTS_AGAIN: [], VERIFIED: []}
    for turn in range(ROUNDS):
        names = [f"killed_{turn}"]
        found = run_on(
            world, scratch / f"killed-{turn}", lambda _, n=names: text_of(world, n), lambda f: _recovered(f, world)
        )  # type: ignore[misc]
        for name, seconds in found.items():
            taken[name].append(seconds)
    samples = {name: tuple(seconds) for name, seconds in taken.items()}
    return Table("takeback", "From `kill -9` in the middle of a mitigation, by `amplify resume`", samples)


async def _rolled_back(folder: RunDir) -> dict[str, float]:
    async with Watched(folder) as watched:
        await released(watched)
        begun = time.time()
        said = await asyncio.to_thread(amplify, "rollback", folder.run, "--yes", "--reason", "a bench")
        assert said.returncode == 3, said.stderr
        assert await watched.closed() == "rolled_back"
        events = [event for event in watched.events if event.at_s >= begun]
        first = min(e.at_s for e in events if e.type == "EffectIntended")
        return {FIRST: first - begun, "all is back": events[-1].at_s - begun}


def _waves(bench: Bench) -> dict[str, Any]:
    return deploy_step(bench, waves=[2, 4, 8], bake="0s")


def _whole(scratch: Path) -> Table:
    taken: Taken = {FIRST: [], "all is back": []}
    with start_world(shapes=EIGHT) as world, wired(world):
        for turn in range(ROUNDS):
            names = [f"whole_{turn}_{number}" for number in range(3)]
            found = run_on(
                world, scratch / f"whole-{turn}", lambda b, n=names: text_of(world, n, _waves(b)), _rolled_back
            )  # type: ignore[misc]
            for name, seconds in found.items():
                taken[name].append(seconds)
    samples = {name: tuple(seconds) for name, seconds in taken.items()}
    note = "A deploy of the sandbox takes as long as its command and the restart of its instance."
    return Table("takeback", "A rollback of 8 instances in three waves and 3 flags", samples, note=note)


def tables() -> list[Table]:
    """Each round is a run of its own."""
    before = os.environ.get("AMPLIFY_HOME")
    with tempfile.TemporaryDirectory(prefix="amp-") as place:
        scratch = Path(place)
        with start_world(shapes=SMALL) as world, wired(world):
            found = [*_sizes(world, scratch), _cold(world, scratch), _recovery(world, scratch)]
        found.append(_whole(scratch))
    if before is None:
        os.environ.pop("AMPLIFY_HOME", None)
    else:
        os.environ["AMPLIFY_HOME"] = before
    return found
