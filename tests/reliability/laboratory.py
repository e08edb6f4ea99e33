"""One sandbox for many runs at a time, each with a fault of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
from msgspec import Struct

from tests.engine.crash_world import pid_of, small_world
from tests.reliability.nurse import Nurse
from tests.reliability.place import Place, remote_of
from tests.reliability.trial import Result, Trial

AT_ONCE = 10

Work = Callable[[Trial], Awaitable[None]]


class Fault(Struct, frozen=True, kw_only=True):
    """One way to disturb one run. first: how its first conductor is started, then: the next ones. work: goes on beside the run, from its
    start. home: a folder that the run's home lies in instead of its place. check: what else is wrong at the end."""

    row: str
    name: str
    check: Callable[[Trial], Iterable[str]] = lambda _: ()
    first: dict[str, Any] = {}
    then: tuple[dict[str, Any], ...] = ()
    work: Work | None = None
    home: Path | None = None


class Laboratory:
    """Runs trials. `model` is the run without a fault, against which all others are judged."""

    def __init__(self, folder: Path, world: Any, nurse: Nurse, client: httpx.AsyncClient, at_once: int) -> None:
        self.folder = folder
        self.world = world
        self.nurse = nurse
        self.model: Result | None = None
        self._origin = remote_of(world, folder)
        self._client = client
        self._numbers = itertools.count(1)
        self._room = asyncio.Semaphore(at_once)

    async def rehearse(self) -> Result:
        """The run without a fault. Raises AssertionError where even that does not end as it should."""
        traced = Fault(row="none", name="no fault", first={"trace": "trace"})
        model = await self.trial(traced)
        assert model.is_good, model.wrong
        self.model = model
        return model

    async def trials(self, faults: Iterable[Fault], told: Callable[[Result], None] = lambda _: None) -> list[Result]:
        """All of them, some at a time."""

        async def one(fault: Fault) -> Result:
            async with self._room:
                result = await self.trial(fault)
            told(result)
            return result

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(fault)) for fault in faults]
        return [task.result() for task in tasks]

    async def trial(self, fault: Fault) -> Result:
        """One run with that fault."""
        number = next(self._numbers)
        folder = self.folder / str(number)
        folder.mkdir()
        place = Place(folder, number, self.world, self._origin, self._client)
        if fault.home is not None:
            place.home = fault.home / f"home-{number}"
            place.env["AMPLIFY_HOME"] = str(place.home)
        await place.open()
        first = fault.first | ({"trace": str(place.trace)} if "trace" in fault.first else {})
        trial = Trial(place, self.nurse, first, fault.then)
        wrong: tuple[str, ...] = ()
        try:
            await self._driven(trial, fault)
            wrong = tuple(fault.check(trial))
        except TimeoutError:
            wrong = (f"it did not end:\n{trial.watched.story()}",)
        finally:
            trial.end()
            await self._over(place)
        result = trial.result(f"{fault.row}: {fault.name}", model=self.model, met=trial.met())
        if wrong or not result.is_good:
            kept = Path(tempfile.gettempdir()) / "amplify-reliability" / str(number)
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(trial.folder.path, kept)
            wrong = (*result.wrong, *wrong, f"its journal: {kept}")
            return Result(**{f: getattr(result, f) for f in result.__struct_fields__} | {"wrong": wrong})
        shutil.rmtree(folder, ignore_errors=True)
        return result

    async def _over(self, place: Place) -> None:
        """What is on its way arrives; the flag goes, for each one that is there takes time from all that follow."""
        await place.target.quiet()
        place.close()
        flags = self.world.facts()["flags"]
        url = f"{flags['url']}/api/admin/projects/default/features/{place.flag}"
        await self._client.delete(url, headers={"Authorization": flags["admin_token"]})

    async def _driven(self, trial: Trial, fault: Fault) -> None:
        work = asyncio.create_task(fault.work(trial)) if fault.work is not None else None
        try:
            await trial.to_the_end()
        finally:
            if work is not None:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)


@contextlib.asynccontextmanager
async def laboratory(at_once: int = AT_ONCE) -> AsyncIterator[Laboratory]:
    """A sandbox, a nursery and a folder for as long as the block lasts."""
    with small_world() as world, tempfile.TemporaryDirectory(prefix="amp-", ignore_cleanup_errors=True) as folder:
        for idle in ("traffic", "services"):  # nobody asks them here, and they would take a core from the runs
            os.kill(pid_of(world, idle), signal.SIGSTOP)
        async with Nurse() as nurse, httpx.AsyncClient(timeout=30.0) as client:
            yield Laboratory(Path(folder), world, nurse, client, at_once)
