"""The sandbox: a world of real processes on free loopback ports, in a folder of its own, that ends with its owner.

| process    | what it is                                                       | module        |
| ---------- | ---------------------------------------------------------------- | ------------- |
| services   | eight instances of three services, and their admin door          | services.py   |
| flagserver | the part of Unleash that Amplify and SDKs use                    | flagserver.py |
| traffic    | users, each evaluated by a real UnleashClient                    | traffic.py    |
| sink       | mail and webhooks, to be looked at                               | sink.py       |
| saboteur   | only with *inject*: puts a fault in once the first phase is over | saboteur.py   |
| janitor    | what remains of it a moment longer than its owner                | janitor.py    |
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec

from amplify_tui.drill import demo, janitor, plainhttp, repo
from amplify_tui.drill.lifeline import Lifeline
from amplify_tui.drill.plan import SHAPES, Plan, Shape

START_WITHIN = 60.0  # seconds; a healthy start needs about one, on a machine with other work many
LOG_TAIL = 2000
Injection = Literal["errors"]


class WorldError(Exception):
    """The world did not start: what failed, and the end of its log."""


class World:
    """A running sandbox. `close` (or the end of this process, however it comes) ends all of it."""

    def __init__(self, folder: Path, plan: Plan, *, keep: bool) -> None:
        self.folder = folder
        self.lifeline = Lifeline(folder)  # also for other processes that must end with this one
        self._plan = plan
        self._repo = repo.Repo(folder / "shop", folder / "shop.git", "")
        self._keep = keep
        if keep:
            (folder / janitor.KEEP).touch()

    def facts(self) -> dict[str, Any]:
        """Addresses and tokens, as the command reference has them."""
        return self._plan.facts(self._repo, demo.PLAYBOOK_IN_REPO)

    def fallen(self) -> str | None:
        """The name of a process of the world that has ended by itself, or None."""
        return self.lifeline.fallen()

    def start(self, inject: Injection | None, after_percent: float) -> None:
        """Start every process and come back when all of them answer. Raises WorldError, and then nothing is left."""
        try:
            self._spawn_all(inject, after_percent)
            self._build_repo()
            self._await_ready()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End every process and remove the folder (unless it is kept). May be called twice."""
        self._plan.close()
        self.lifeline.cut()
        if not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _spawn_all(self, inject: Injection | None, after_percent: float) -> None:
        keep = ["--keep"] if self._keep else []
        self.lifeline.spawn("janitor", ["--folder", str(self.folder), *keep])
        self._spawn("traffic", self._plan.traffic())  # first: it is the slowest to import
        self._spawn("flagserver", *self._plan.flagserver())
        for name, (config, sockets) in self._plan.services().items():
            self._spawn(name, config, sockets)
        self._spawn("sink", *self._plan.sink())
        if inject is not None:
            self._spawn("saboteur", self._plan.saboteur(after_percent))

    def _spawn(self, name: str, config: msgspec.Struct, sockets: Sequence[str] = ()) -> None:
        """Tokens go by a file in our own folder: an argv can be read by every user of the machine."""
        path = self.folder / f"{name.replace(':', '-')}.json"
        path.touch(mode=0o600)
        path.write_bytes(msgspec.json.encode(config))
        handed = self._plan.take(sockets)
        try:
            self.lifeline.spawn(name, ["--config", str(path)], fds=[sock.fileno() for sock in handed])
        finally:
            for sock in handed:
                sock.close()

    def _build_repo(self) -> None:
        files = {demo.PLAYBOOK_IN_REPO: demo.filled_playbook(self.facts())}
        try:
            self._repo = repo.build(self.folder, files)
        except subprocess.CalledProcessError as problem:
            raise WorldError(f"git: {problem.stderr.decode(errors='replace').strip()}") from problem
        here = self._repo.tree / "ops" / "world.json"
        here.touch(mode=0o600)
        here.write_bytes(msgspec.json.encode(self._plan.doors() | {"services": self._plan.instances()}))

    def _await_ready(self) -> None:
        instances = [one["url"] for group in self._plan.instances().values() for one in group]
        for url in (self._plan.url("flags"), self._plan.url("http"), *instances):
            self._ask(lambda at=url: plainhttp.call(f"{at}/health", timeout=START_WITHIN))  # type: ignore[misc]
        deadline = time.monotonic() + START_WITHIN
        while not self._has_traffic():
            if time.monotonic() > deadline:
                raise WorldError(f"no traffic within {START_WITHIN:.0f} s{self._tail('traffic')}")
            time.sleep(0.02)

    def _has_traffic(self) -> bool:
        doors = self._plan.doors()
        url = f"{doors['admin']['checkout-1']}/state"
        state = self._ask(lambda: plainhttp.call(url, token=doors["token"], timeout=START_WITHIN))
        return any(sum(one["served"].values()) for one in state["instances"] if one["service"] == "checkout")

    def _ask(self, question: Callable[[], Any]) -> Any:
        dead = self.fallen()
        if dead is None:
            try:
                return question()
            except OSError as problem:
                dead = self.fallen()
                if dead is None:
                    raise WorldError(f"the world does not answer: {problem}") from problem
        raise WorldError(f"{dead} ended while the world was starting{self._tail(dead)}")

    def _tail(self, name: str) -> str:
        log = self.folder / f"{name.replace(':', '-')}.log"
        text = log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:] if log.exists() else ""
        return f"\n{text}" if text else ""


def start_world(
    folder: Path | None = None, *, seed: int = 42, inject: Injection | None = None, after_percent: float = 10,
    keep: bool = False, shapes: Sequence[Shape] = SHAPES,
) -> World:  # fmt: skip
    """A world that answers: about a second. Blocks; call it from a thread where a loop is running.

    folder: where it lives; made when missing, must be empty; by default one under the system's temporary folder. It is
    removed with the world unless *keep*. after_percent: with *inject*, the first phase; the fault comes after it.
    Sweeps what earlier sandboxes left beside it. Raises WorldError, and FileExistsError where the folder is not empty.
    """
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix=janitor.PREFIX))
    else:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileExistsError(f"{folder} is not empty: a sandbox removes its folder when it ends")
    folder = folder.resolve()
    janitor.sweep(folder.parent)
    world = World(folder, Plan(seed, shapes), keep=keep)
    world.start(inject, after_percent)
    return world
