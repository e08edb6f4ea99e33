"""A real Unleash with many flags, and a conductor that watches some of them, for the benches of flags."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from amplify_tui.engine.create import conductor_argv, create_run
from amplify_tui.playbook.document import load
from amplify_tui.steps.registry import specs
from tests.bench.git_tags import git
from tests.real.services import Unleash, postgres, unleash

P: Final = "/api/admin/projects/default"
ENVIRONMENT: Final = "development"
AT_ONCE: Final = 8
LOT: Final = 200  # flags switched on in one call: each gets a strategy, and all of 2,000 take a minute


@contextmanager
def flag_server(flags: Sequence[str]) -> Iterator[Unleash]:
    """A server that has these flags, all of them on. Raises install.Unavailable."""
    with postgres() as database, unleash(database.create("flags")) as server:
        asyncio.run(_fill(server, flags))
        yield server


async def _fill(server: Unleash, flags: Sequence[str]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    async with admin(server) as http:

        async def make(name: str) -> None:
            async with gate:
                (await http.post(f"{P}/features", json={"name": name, "type": "release"})).raise_for_status()

        await asyncio.gather(*(make(name) for name in flags))
        for begin in range(0, len(flags), LOT):
            await switch(http, flags[begin : begin + LOT], "on")


def admin(server: Unleash) -> httpx.AsyncClient:
    """Somebody else's hands on the server."""
    return httpx.AsyncClient(
        base_url=server.url, headers={"Authorization": server.admin}, trust_env=False, timeout=60.0
    )


async def switch(http: httpx.AsyncClient, flags: Sequence[str], to: str) -> None:
    """The bulk call: all of them, or an error."""
    path = f"{P}/bulk_features/environments/{ENVIRONMENT}/{to}"
    (await http.post(path, json={"features": list(flags)})).raise_for_status()


@contextmanager
def watching(server: Unleash, flags: Sequence[str], home: Path) -> Iterator[tuple[str, int]]:
    """A run in its draft whose conductor watches *flags*; its id, and the conductor's process. Ends with the block."""
    home.mkdir()
    repo = home / "repo"
    subprocess.run(["git", "init", "-q", "-b", "main", str(repo)], check=True)
    for key, value in (("user.name", "bench"), ("user.email", "bench@example.com")):
        git(repo, "config", key, value)
    git(repo, "commit", "-q", "--allow-empty", "-m", "first")
    path = repo / "playbook.yaml"
    path.write_text(json.dumps(_playbook(server, repo, flags)))
    git(repo, "add", path.name)
    git(repo, "commit", "-q", "-m", "a playbook that may start")
    loaded = load(path.read_bytes(), path=str(path), registry=specs())
    if loaded.document is None:
        raise RuntimeError(loaded.render())
    folder = create_run(home, loaded.document, {}, actor="sre")
    env = os.environ | {"AMPLIFY_HOME": str(home), "UNLEASH_TOKEN": server.admin, "UNLEASH_CLIENT": server.client}
    with (folder.path / "bench.log").open("wb") as log:
        child = subprocess.Popen(conductor_argv(folder), env=env, stdout=log, stderr=log)
    try:
        while folder.conductor() is None:  # else a cockpit would start one of its own, without the tokens
            if child.poll() is not None:
                raise RuntimeError((folder.path / "bench.log").read_text())
            time.sleep(0.05)
        yield folder.run, child.pid
    finally:
        child.terminate()
        child.wait(10)


def _playbook(server: Unleash, repo: Path, flags: Sequence[str]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"id": "go", "confirm": {"ask": "Go?"}}]
    for number, name in enumerate(flags):
        steps.append({"id": f"flag{number}", "flag": {"name": name, "source": "flags", "enabled": True}})
    source = {
        "unleash": server.url,
        "token": "${{ secrets.UNLEASH_TOKEN }}",
        "client_token": "${{ secrets.UNLEASH_CLIENT }}",
    }
    return {
        "apiVersion": "amplify/v1",
        "kind": "Playbook",
        "name": "bench",
        "release": {"repo": str(repo), "ref": "main", "version": "1.0.0", "environment": ENVIRONMENT},
        "sources": {"flags": source},
        "stages": [{"id": "all", "steps": steps}],
    }


def idle_process() -> subprocess.Popen[bytes]:
    """A Python process whose loop wakes once a second and does nothing: what waiting costs."""
    text = "import asyncio\nasync def main():\n while True:\n  await asyncio.sleep(1)\nasyncio.run(main())"
    return subprocess.Popen([sys.executable, "-c", text])


def cpu(pid: int) -> float:
    """Seconds of a core that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Resident megabytes of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS:"))) / 1024
