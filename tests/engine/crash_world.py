"""A small world, a short playbook and a run on it: what the tests of crashes and of the command line share.

Nothing here is a double: the services, the flag server, the repository, the conductor and its client are the real ones.
A command of the playbook can be stopped before or after its act by a FIFO, so that a crash hits an exact point, and it
writes down its idempotency key each time it acts: the target's own record of what was done.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from amplify_tui.adapters import pidfile
from amplify_tui.drill import plainhttp
from amplify_tui.drill.demo import demo_env
from amplify_tui.drill.lifeline import processes
from amplify_tui.drill.plan import Shape
from amplify_tui.drill.world import World, start_world
from amplify_tui.engine import proc
from amplify_tui.engine.client import NewEvents, RunClient, UnreachableError
from amplify_tui.engine.create import create_run, start_conductor
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.wire import Answer
from amplify_tui.playbook.document import Document, load
from amplify_tui.run.envelope import Envelope, decode
from amplify_tui.run.evolve import evolve
from amplify_tui.run.state import State
from amplify_tui.steps.registry import specs

Said = subprocess.CompletedProcess[str]
PATIENCE = 60.0  # seconds until a wait is given up; a healthy one takes a few
SMALL = (
    Shape("ledger", 1, "2.3.4", 1, "/book"),
    Shape("pricing", 1, "5.1.0", 1, "/price"),
    Shape("checkout", 2, "2.9.4", 40, "/buy"),
)
ACT = """#!/bin/sh
# act PLACE NAME [COMMAND...]: notes its key of idempotency, then runs COMMAND; stops where a FIFO says so
place=$1; name=$2; shift 2
stop() { if [ -p "$place/$name.$1" ]; then : > "$place/$name.$1.here"; cat "$place/$name.$1" > /dev/null; fi; }
stop before
echo "$AMPLIFY_IDEM" >> "$place/$name.did"
[ $# -eq 0 ] || "$@" || exit $?
stop after
"""


@contextlib.contextmanager
def small_world() -> Iterator[World]:
    """Three services (only checkout's two instances are used), a flag server, a repository with its remote.

    Its secrets are in the environment meanwhile.
    """
    with start_world(shapes=SMALL) as world, wired(world):
        yield world


@contextlib.contextmanager
def wired(world: World) -> Iterator[None]:
    """The world's secrets are in the environment as long as the block lasts."""
    before = dict(os.environ)
    os.environ.update(demo_env(world.facts()))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Bench:
    """Commands that note what they did, and stop where they are told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.act = folder / "act"
        self.act.write_text(ACT, encoding="utf-8")
        self.act.chmod(0o755)

    def argv(self, name: str, *command: str) -> list[str]:
        return [str(self.act), str(self.folder), name, *command]

    def did(self, name: str) -> list[str]:
        """The idempotency keys under which NAME acted."""
        path = self.folder / f"{name}.did"
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def block(self, name: str, where: str) -> None:
        """From now on NAME stops `before` or `after` its act."""
        os.mkfifo(self.folder / f"{name}.{where}")

    async def reached(self, name: str, where: str) -> None:
        """Wait until NAME stands at its stop."""
        await eventually((self.folder / f"{name}.{where}.here").exists, f"{name} stops {where} its act")

    def let_go(self, name: str, where: str) -> None:
        """No stop any more; who stands there goes on."""
        fifo = self.folder / f"{name}.{where}"
        with contextlib.suppress(OSError):  # ENXIO: nobody stands there any more
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        fifo.unlink()

    def command(self, name: str, *, undo: bool = True, probe: bool = True, **more: Any) -> dict[str, Any]:
        """The fields of a `command` step that acts, can be asked whether it did, and is undone."""
        fields: dict[str, Any] = {"argv": self.argv(name), "undo": "none"}
        if undo:
            fields["undo"] = {"argv": self.argv(f"undo_{name}")}
        if probe:
            fields["probe"] = {"argv": ["test", "-s", str(self.folder / f"{name}.did")]}
        return fields | more


def step(name: str, verb: str, fields: Any, **more: Any) -> dict[str, Any]:
    return {"id": name, verb: fields, **more}


def deploy_step(bench: Bench, **more: Any) -> dict[str, Any]:
    """Both instances in two waves, watched for a second each."""
    ops = ["ops/deploy", "--host", "${{ instance.id }}", "--version"]
    fields = {
        "service": "checkout",
        "waves": [1, 2],
        "deploy": {"argv": bench.argv("deploy", *ops, "${{ release.version }}")},
        "revert": {"argv": bench.argv("revert", *ops, "${{ instance.before }}")},
        "settle": "200ms",
        "bake": "1s",
        "gate": ["health", "fleet"],
        "max_wait": "60s",
    }
    return step("deploy", "rollout", fields | more)


def flag_steps(phases: tuple[float, ...] = (50, 100), bake: str = "1s") -> list[dict[str, Any]]:
    prepare = {
        "name": "checkout-v3",
        "source": "flags",
        "create": "release",
        "reuse": "if_off",
        "enabled": False,
        "strategies": [{"title": "ramp", "rollout": 0, "stickiness": "userId", "group": "checkout-v3"}],
    }
    ramp = {
        "flag": "checkout-v3",
        "source": "flags",
        "strategy": "ramp",
        "phases": list(phases),
        "bake": bake,
        "settle": "200ms",
        "gate": ["health"],
        "max_wait": "60s",
    }
    return [step("prepare", "flag", prepare), step("ramp", "rollout", ramp)]


def tag_step() -> dict[str, Any]:
    fields = {"name": "v${{ release.version }}", "at": "${{ release.sha }}", "message": "Release", "push": "origin"}
    return step("tag", "tag", fields)


def playbook(facts: dict[str, Any], steps: list[dict[str, Any]], **more: Any) -> str:
    """A playbook of one stage on this world, as JSON, which is YAML."""
    release = {"repo": facts["repo"], "ref": "main", "version": "${{ inputs.version }}", "environment": "production"}
    whole: dict[str, Any] = {
        "apiVersion": "amplify/v1",
        "kind": "Playbook",
        "name": "crash",
        "inputs": {"version": {"type": "semver", "default": "3.0.0"}},
        "release": release | more.pop("release", {}),
        "services": {
            "checkout": {
                "instances": [one["url"] for one in facts["services"]["checkout"]],
                "health": {"every": "300ms", "timeout": "1s"},
                "started": {"field": "started"},
            }
        },
        "sources": {
            "flags": {
                "unleash": facts["flags"]["url"],
                "token": "${{ secrets.UNLEASH_TOKEN }}",
                "client_token": "${{ secrets.UNLEASH_CLIENT }}",
                "poll": "1s",
            }
        },
        "stages": [{"id": "all", "steps": steps}],
    }
    return json.dumps(whole | more, indent=1)


def checked(text: str, path: Path) -> Document:
    """The document of a text written to *path*; fails the test with its problems where it has any."""
    path.write_text(text, encoding="utf-8")
    loaded = load(text.encode(), path=str(path), registry=specs())
    assert loaded.document is not None, loaded.render()
    return loaded.document


class Watched:
    """A run as a client sees it: every event from the first on, over the socket, from one conductor to the next."""

    def __init__(self, folder: RunDir) -> None:
        self.folder = folder
        self.state = State()
        self.events: list[Envelope] = []
        self.board: dict[str, Any] = {}
        self.client = RunClient(folder.path, within=20.0)
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read(), name="follower of the test")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self.client.close()

    async def _read(self) -> None:
        async with contextlib.aclosing(RunClient(self.folder.path).follow()) as updates:
            async for update in updates:
                if isinstance(update, NewEvents):
                    for body in update.bodies:
                        event = decode(body)
                        self.events.append(event)
                        self.state = evolve(self.state, event)
                elif hasattr(update, "values"):
                    self.board |= update.values
                self._changed.set()

    async def until(self, look: Callable[[State], object], what: str, *, within: float = PATIENCE) -> None:
        """Wait until the state is so; no sleep, the follower's own wake."""
        try:
            async with asyncio.timeout(within):
                while not look(self.state):
                    self._changed.clear()
                    await self._changed.wait()
                    assert self._reading is not None
                    assert not self._reading.done(), self._reading
        except TimeoutError:
            raise AssertionError(f"never: {what}\n{self.story()}") from None

    async def moved(self, within: float) -> None:
        """Wait for something new, at most that many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._changed.wait()
        self._changed.clear()

    async def seen(self, kind: str, **where: Any) -> Envelope:
        """The first event of that type with these fields."""

        def find() -> Envelope | None:
            fits = (e for e in self.events if e.type == kind)
            return next((e for e in fits if all(getattr(e.data, k) == v for k, v in where.items())), None)

        await self.until(lambda _: find(), f"{kind} {where}")
        found = find()
        assert found is not None
        return found

    async def closed(self) -> str:
        """Wait for the end of the run: its outcome."""
        await self.until(lambda s: s.phase == "closed", "the run is closed")
        return self.state.outcome or ""

    def order(self, command: str, **fields: Any) -> dict[str, Any]:
        return {"command": command, "id": secrets.token_hex(8), "actor": "captain", "via": "cli"} | fields

    async def do(self, command: str, **fields: Any) -> Answer:
        return await self.client.do(self.order(command, **fields))

    async def start(self) -> None:
        answer = await self.do("Start")
        assert answer.ok, answer.refusal

    def of(self, kind: str) -> list[Envelope]:
        return [e for e in self.events if e.type == kind]

    def story(self) -> str:
        """What happened, for a failed wait; and the end of the conductor's log."""
        lines = [f"{e.seq:3} {e.epoch} {e.type} {str(e.data)[:200]}" for e in self.events[-25:]]
        log = self.folder.log.read_text(encoding="utf-8", errors="replace")[-3000:] if self.folder.log.exists() else ""
        return "\n".join([*lines, log])


class Runs:
    """Makes runs under a home of their own, and leaves no conductor behind."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folders: list[RunDir] = []

    def create(self, document: Document, **more: Any) -> RunDir:
        folder = create_run(self.home, document, {}, actor="captain", **{"sandbox": True} | more)
        self.folders.append(folder)
        return folder

    async def conduct(self, folder: RunDir) -> None:
        """Give the run a conductor, and wait until it answers."""
        start_conductor(folder)
        await answering(folder)

    def sweep(self) -> None:
        for folder in self.folders:
            kill_commands(folder)
            kill_conductor(folder)


async def answering(folder: RunDir) -> None:
    client = RunClient(folder.path)
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await client.connect()
                    return
                except UnreachableError:
                    await asyncio.sleep(0.02)
    finally:
        await client.close()


def kill_conductor(folder: RunDir) -> bool:
    """SIGKILL, and wait until it is gone; False where none lived."""
    said = folder.conductor()
    if said is None or not proc.kill(said.mark):
        return False
    deadline = time.monotonic() + PATIENCE
    while proc.lives(said.mark):
        assert time.monotonic() < deadline, "a process survives SIGKILL"
        time.sleep(0.005)
    return True


def resume(folder: RunDir) -> None:
    """As a person does it."""
    argv = [sys.executable, "-m", "amplify_tui", "resume", folder.run]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    assert "Traceback" not in said.stderr


def kill_commands(folder: RunDir) -> None:
    """SIGKILL the commands of the run that still run."""
    for record in (folder.evidence / "log").glob("*.pid"):
        running = pidfile.still_running(record)
        if running is not None:
            pidfile.signal_group(running.pid, signal.SIGKILL)


async def eventually(look: Callable[[], object], what: str, *, within: float = PATIENCE) -> None:
    """Wait for something outside the run, at most a minute."""
    deadline = time.monotonic() + within
    while not look():
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(0.02)


def flag_events(world: World, flag: str = "checkout-v3") -> list[dict[str, Any]]:
    """What the flag server says was done to a flag, oldest first."""
    facts = world.facts()["flags"]
    found = plainhttp.call(f"{facts['url']}/api/admin/search/events?limit=1000", token=facts["admin_token"])
    return [e for e in reversed(found["events"]) if e.get("featureName") == flag]


def flag_now(world: World, flag: str = "checkout-v3") -> tuple[bool, list[float]]:
    """Whether it is on, and the percentage of each strategy."""
    facts = world.facts()["flags"]
    base = f"{facts['url']}/api/admin/projects/default/features/{flag}/environments/production"
    found = plainhttp.call(base, token=facts["admin_token"])
    return found["enabled"], [float(s["parameters"]["rollout"]) for s in found["strategies"]]


def switch_on(world: World, flag: str = "checkout-v3") -> None:
    """Somebody else switches the flag on at the server."""
    facts = world.facts()["flags"]
    path = f"/api/admin/projects/default/features/{flag}/environments/production/on"
    plainhttp.call(facts["url"] + path, method="POST", token=facts["admin_token"])


def versions(world: World) -> list[str]:
    return [plainhttp.call(one["url"] + "/version")["version"] for one in world.facts()["services"]["checkout"]]


def remote_tags(world: World) -> list[str]:
    said = subprocess.run(
        ["git", "-C", world.facts()["remote"], "tag", "-l"], capture_output=True, text=True, check=True
    )
    return said.stdout.split()


def leaks(home: Path, forms: set[str]) -> list[str]:
    """Files under *home* that hold one of the forms."""
    found = []
    for path in (p for p in home.rglob("*") if p.is_file()):
        raw = path.read_bytes()
        found += [f"{path.name}: {form}" for form in forms if form.encode() in raw]
    return found


def pid_of(world: World, name: str) -> int:
    return dict(processes(world.folder))[name]


def git(folder: Path, *args: str) -> str:
    env = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    said = subprocess.run(["git", *args], cwd=folder, env=env, capture_output=True, text=True, check=True, timeout=30)
    return said.stdout.strip()


def plain_repo(folder: Path) -> Path:
    """A repository with one commit and no remote: enough for a playbook of commands and questions."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.email", "sandbox@example.com")
    git(folder, "config", "user.name", "Sandbox")
    (folder / "README").write_text("shop\n", encoding="utf-8")
    git(folder, "add", "README")
    git(folder, "commit", "-q", "-m", "begin")
    return folder


def committed(path: Path) -> str:
    """The file in a commit of its own folder's repository, as a playbook is that anybody may start. Its path."""
    folder = path.parent
    if not (folder / ".git").exists():
        git(folder, "init", "-q", "-b", "main")
        git(folder, "config", "user.email", "sandbox@example.com")
        git(folder, "config", "user.name", "Sandbox")
    git(folder, "add", "--", path.name)
    git(folder, "commit", "-q", "--allow-empty", "-m", "a playbook")
    return str(path)


def plain_playbook(repo: Path, steps: list[dict[str, Any]], **more: Any) -> str:
    """A playbook that needs nothing but a repository."""
    release = {"repo": str(repo), "version": "${{ inputs.version }}", "environment": "production"}
    whole = {
        "apiVersion": "amplify/v1",
        "kind": "Playbook",
        "name": "plain",
        "inputs": {"version": {"type": "semver", "default": "3.0.0"}},
        "release": release | more.pop("release", {}),
        "stages": [{"id": "all", "steps": steps}],
    }
    return json.dumps(whole | more, indent=1)


def amplify(
    *args: str, cwd: Path | None = None, stdin: str = "", **env: str | None
) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, without a terminal. A variable given as None is not there."""
    merged = {**os.environ, "AMPLIFY_ACTOR": "captain", **env}
    said = subprocess.run(
        [sys.executable, "-m", "amplify_tui", *args],
        capture_output=True,
        text=True,
        input=stdin,
        cwd=cwd,
        env={name: value for name, value in merged.items() if value is not None},
        timeout=100,
        check=False,
    )
    assert "Traceback" not in said.stderr + said.stdout, said.stderr
    assert "bug of ours" not in said.stderr, said.stderr
    return said


def assert_clear(said: Said, *words: str, code: int | None = None) -> None:
    """A failure in words: what, and what next."""
    assert said.returncode != 0, said.stdout
    assert code is None or said.returncode == code, (said.returncode, said.stderr)
    assert said.stderr.startswith("amplify: "), said.stderr
    for word in words:
        assert word in said.stderr, (word, said.stderr)
