"""A bad release and those that want to take over what it left: runs on a repository alone, with locks, quickly started.

The bad release is made once by a conductor, and copied for each case. Its conductors come from the nursery, so that one
can die at an exact append of a journal or step of a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from amplify_tui.cli import resume_cmd
from amplify_tui.engine.client import UnreachableError
from amplify_tui.engine.locks import Registrar, open_index
from amplify_tui.engine.proc import FileLock, kill
from amplify_tui.engine.replay import state_of
from amplify_tui.engine.reversing import reverse_run
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteJournal
from amplify_tui.engine.wire import Answer
from amplify_tui.playbook.document import load
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.state import State
from amplify_tui.steps.registry import specs
from tests.engine.crash_world import (
    PATIENCE,
    Bench,
    Runs,
    Watched,
    committed,
    eventually,
    kill_commands,
    plain_playbook,
    plain_repo,
    step,
)
from tests.reliability.nurse import Life, Nurse
from tests.reliability.nursery import Order

OLD_LOCKS, NEW_LOCKS = ("shop", "web"), ("shop", "api")
BOTH = ("api", "shop", "web")


class Takers:
    """A home with a bad release in it, and the drafts that want to supersede it."""

    def __init__(self, folder: Path, nurse: Nurse) -> None:
        self.folder = folder
        self.bench = Bench(folder / "bench")
        self.repo = plain_repo(folder / "repo")
        self.nurse = nurse
        self.lives: dict[str, Life] = {}
        self.did: dict[str, str] = {}
        self._homes = itertools.count()
        self.settle()

    def settle(self) -> None:
        """Go to a home that nobody knows yet: who is still about to start in the one before does nothing here."""
        self.home = self.folder / f"home-{next(self._homes)}"
        self.runs = Runs(self.home)
        os.environ["AMPLIFY_HOME"] = str(self.home)
        self.env = dict(os.environ)

    def draft(self, locks: tuple[str, ...] = NEW_LOCKS, supersedes: str = "", **more: Any) -> RunDir:
        """A run that has not started; its playbook is committed, so that nobody is asked."""
        work = step("work", "command", self.bench.command("work"))
        steps = [work, step("go", "confirm", {"ask": "Go on?"})]
        name = f"{len(list(self.bench.folder.glob('*.yaml')))}.yaml"
        text = plain_playbook(self.repo, steps, release={"locks": list(locks)})
        path = self.bench.folder / name
        path.write_text(text, encoding="utf-8")
        loaded = load(text.encode(), path=committed(path), registry=specs())
        assert loaded.document is not None, loaded.render()
        return self.runs.create(loaded.document, **{"sandbox": False, "supersedes": supersedes} | more)

    async def conduct(self, folder: RunDir, **more: Any) -> Life:
        """A conductor from the nursery, that listens; or that has died as it was told to."""
        life = await self.nurse.start(Order(number=0, folder=str(folder.path), env=self.env, **more))
        self.lives[folder.run] = life
        watched = Watched(folder)
        with contextlib.suppress(UnreachableError):
            await _listens(watched, life)
        await watched.client.close()
        return life

    async def bad(self, *, closed: bool = False, **more: Any) -> RunDir:
        """A release that did its work, and is held, or closed with all of that in place. It has no conductor."""
        folder = self.draft(OLD_LOCKS, **more)
        life = await self.conduct(folder)
        async with Watched(folder) as watched:
            await watched.start()
            await watched.seen("StepAwaiting", step="go")
            assert (await watched.do("Abort") if closed else await watched.do("Hold")).ok
        await self.kill(life)
        return folder

    async def resume(self, folder: RunDir) -> None:
        """As `amplify resume` does it; where a conductor lives that is all there is to do."""
        life = self.lives.get(folder.run)
        if life is not None and not life.ended.is_set():
            return
        if self.state(folder).phase != "closed":
            await self.conduct(folder)
            return
        said = await asyncio.to_thread(CliRunner().invoke, resume_cmd.command, [folder.run])
        assert said.exit_code == 0, said.output

    def keep(self, name: str) -> None:
        """The home as it is now, and what was done, are what a case can begin with."""
        shutil.copytree(self.home, self.folder / name)
        self.did[name] = (self.bench.folder / "work.did").read_text(encoding="utf-8")

    async def begin(self, name: str) -> None:
        """As it was kept under that name, whatever the case before has left."""
        await self.sweep()
        shutil.rmtree(self.home, ignore_errors=True)
        self.settle()
        shutil.copytree(self.folder / name, self.home)
        (self.bench.folder / "work.did").write_text(self.did[name], encoding="utf-8")

    async def kill(self, life: Life) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(life.pid, signal.SIGKILL)
        await life.ended.wait()

    async def start(self, folder: RunDir) -> Answer | None:
        """Say that the draft shall start; None where its conductor died meanwhile."""
        watched = Watched(folder)
        try:
            return await watched.do("Start")
        except UnreachableError:
            return None
        finally:
            await watched.client.close()

    async def died(self, life: Life) -> None:
        """Wait until that conductor has killed itself, as it was told to."""
        async with asyncio.timeout(PATIENCE):
            await life.ended.wait()
        assert life.status == -signal.SIGKILL

    def starting(self, folder: RunDir) -> asyncio.Task[Answer | None]:
        """`start`, while something happens to it."""
        return asyncio.create_task(self.start(folder), name="starting")

    async def stopped(self, life: Life) -> None:
        """Wait until that conductor has stopped itself, as it was told to."""
        argv = ["ps", "-o", "stat=", "-p", str(life.pid)]
        run = subprocess.run
        await eventually(
            lambda: run(argv, capture_output=True, text=True, check=False).stdout.startswith("T"), "it is stopped"
        )

    def state(self, folder: RunDir) -> State:
        return state_of(folder)

    def holders(self) -> dict[str, str]:
        """Which run holds which lock, as the index has it."""
        index = open_index(self.home)
        try:
            return {held.name: held.run for held in index.holders()}
        finally:
            index.close()

    def in_the_way(self, names: tuple[str, ...] = BOTH) -> list[str]:
        """What a third run is told that wants these locks; it gives back at once what it got."""
        third = RunDir.create(self.home, "third")
        try:
            journal = SqliteJournal.create(third.journal, "third", third.head.write)
            try:
                return [said for name in names for said in Registrar(third, journal).take("third", (name,))]
            finally:
                journal.close()
                index = open_index(self.home)
                index.release("third")
                index.close()
        finally:
            third.head.close()
            shutil.rmtree(third.path)

    async def sweep(self) -> None:
        for life in self.lives.values():
            await self.kill(life)
        for folder in RunDir.all(self.home):
            kill_commands(folder)
            lock = FileLock(folder.lock)
            while not lock.take():  # by a conductor that a draft gave to the earlier run
                holder = lock.holder()
                assert holder is None or holder.pid != os.getpid()
                if holder is not None:
                    kill(holder)
                await asyncio.sleep(0.01)
            lock.release()
        self.lives.clear()


async def _listens(watched: Watched, life: Life) -> None:
    while not life.ended.is_set():
        with contextlib.suppress(UnreachableError):
            await watched.client.connect()
            return
        await asyncio.sleep(0.01)


async def reverse(crew: Takers, closed: RunDir) -> RunDir | Refusal:
    """As `amplify rollback` of a closed run does it, until the run is there that reverses it."""
    return await asyncio.to_thread(reverse_run, crew.home, crew.state(closed), actor="captain", reason="broken")


@contextlib.asynccontextmanager
async def takers(folder: Path) -> AsyncIterator[Takers]:
    async with Nurse() as nurse:
        made = Takers(folder, nurse)
        try:
            yield made
        finally:
            await made.sweep()
