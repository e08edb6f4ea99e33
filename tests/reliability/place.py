"""What one run of the laboratory works on: its own repository, targets and playbook. The flag server is shared."""

from __future__ import annotations

import json
import os
import shutil
import struct
from pathlib import Path
from typing import Any

import httpx

from amplify_tui.drill.demo import demo_env
from amplify_tui.drill.world import World
from amplify_tui.engine.create import create_run
from amplify_tui.engine.rundir import RunDir
from tests.engine.crash_world import Bench, checked, git, step
from tests.reliability.target import Target

BEFORE, AFTER = "2.9.4", "3.0.0"
KILLS = """#!/bin/sh
[ -e "$PLACE/kill-$1" ] && { rm "$PLACE/kill-$1"; kill -9 "$(cat "$PLACE/pid")"; }
"""


def remote_of(world: World, folder: Path) -> Path:
    """A bare copy of the sandbox's remote, of which each run takes its own."""
    there = folder / "origin.git"
    git(folder, "clone", "-q", "--bare", world.facts()["remote"], str(there))
    return there


class Place:
    """The targets of one run, each with its own record of what was done to it."""

    def __init__(self, folder: Path, number: int, world: World, origin: Path, client: httpx.AsyncClient) -> None:
        self.folder = folder
        self.flag = f"reliable-{number}"
        self.home = folder / "home"
        self.bench = Bench(folder)
        self.remote = folder / "remote.git"
        self.repo = folder / "shop"
        self.clock = folder / "clock"
        self.trace = folder / "trace"
        self._world = world
        facts = world.facts()
        self.target = Target(folder, facts["flags"]["url"], self.flag, client)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("AMPLIFY_")}
        self.env |= demo_env(facts) | {"AMPLIFY_HOME": str(self.home), "GIT_TERMINAL_PROMPT": "0"}
        # Nothing here speaks TLS, and reading a whole bundle of certificates is most of what a short run takes.
        (folder / "no-certificates").mkdir()
        self.env |= {"SSL_CERT_DIR": str(folder / "no-certificates")}
        shutil.copytree(origin, self.remote)
        git(folder, "clone", "-q", str(self.remote), str(self.repo))
        git(self.repo, "config", "user.email", "sandbox@example.com")
        git(self.repo, "config", "user.name", "Sandbox")
        for one in (1, 2):
            self.runs_at(one).write_text(BEFORE, encoding="utf-8")
        # Whom a phase reaches is computed over 10,000 users where none are named.
        (folder / "users.csv").write_text("userId\n" + "\n".join(f"u{n}" for n in range(20)), encoding="utf-8")
        self.move_clock(0.0)
        self._dangers()

    async def open(self) -> None:
        await self.target.open()
        self.env["HOOK"] = f"{self.target.url}/hook"

    def close(self) -> None:
        self.target.close()

    def move_clock(self, seconds: float) -> None:
        """From now on the conductors' wall clock is ahead by so much."""
        self.clock.write_bytes(struct.pack("d", seconds)) if not self.clock.exists() else self._poke(seconds)

    def _poke(self, seconds: float) -> None:
        with self.clock.open("r+b") as file:  # the same pages that they have mapped
            file.write(struct.pack("d", seconds))

    def runs_at(self, instance: int) -> Path:
        return self.folder / f"at-{instance}"

    def _dangers(self) -> None:
        """Commands, and the remote's hooks, that kill the conductor when a file says so, and go on."""
        text = self.bench.act.read_text(encoding="utf-8")
        said = (
            'kills() { [ -e "$place/kill-$name.$1" ] && rm "$place/kill-$name.$1" && kill -9 "$(cat "$place/pid")"; }\n'
        )
        odd = '[ -e "$place/odd-$name" ] && { odd=$(cat "$place/odd-$name"); rm "$place/odd-$name"; eval "$odd"; }\n'
        text = text.replace("stop before\n", f"{said}{odd}kills before; stop before\n")
        self.bench.act.write_text(text.replace("stop after\n", "stop after; kills after; exit 0\n"), encoding="utf-8")
        for name in ("pre-receive", "post-receive"):
            hook = self.remote / "hooks" / name
            note = 'cat >> "$PLACE/pushed"\n' if name == "post-receive" else ""
            hook.write_text(
                KILLS.replace("$PLACE", str(self.folder)).replace("$1", name)
                + note.replace("$PLACE", str(self.folder))
                + "exit 0\n",
                encoding="utf-8",
            )
            hook.chmod(0o755)

    def odd(self, command: str, shell: str) -> None:
        """The next time that COMMAND runs it begins with this line; `$@` is what it is to do."""
        (self.folder / f"odd-{command}").write_text(shell, encoding="utf-8")

    def cut_pushes(self) -> None:
        """The next push lands, and the remote ends before it has said so."""
        hook = self.remote / "hooks" / "post-receive"
        text = hook.read_text(encoding="utf-8").replace("exit 0\n", "")
        once = f'[ -e "{self.folder}/cut" ] || {{ touch "{self.folder}/cut"; kill -9 $PPID; }}\nexit 0\n'
        hook.write_text(text + once, encoding="utf-8")

    def doom(self, what: str) -> None:
        """The next time that WHAT comes by, the conductor is killed."""
        (self.folder / f"kill-{what}").touch()

    def create(self) -> RunDir:
        """The run, as a draft."""
        document = checked(self.playbook(), self.folder / "playbook.yaml")
        return create_run(self.home, document, {}, actor="captain", sandbox=True)

    def playbook(self) -> str:
        url, facts = self.target.url, self._world.facts()
        call = {
            "method": "POST",
            "url": f"{url}/call",
            "json": {},
            "idempotency_header": "Idempotency-Key",
            "probe": {"url": f"{url}/call"},
            "undo": {"method": "DELETE", "url": f"{url}/call"},
        }
        ramp = {"title": "ramp", "rollout": 0, "stickiness": "userId", "group": self.flag}
        prepare = {
            "name": self.flag,
            "source": "flags",
            "create": "release",
            "reuse": "if_off",
            "enabled": False,
            "strategies": [ramp],
        }
        phases = {
            "flag": self.flag,
            "source": "flags",
            "strategy": "ramp",
            "phases": [50, 100],
            "bake": "500ms",
            "settle": "100ms",
            "gate": ["health"],
            "max_wait": "300s",
        }
        tag = {"name": "v3.0.0", "at": "${{ release.sha }}", "message": "Release", "push": "origin"}
        whole = {
            "apiVersion": "amplify/v1",
            "kind": "Playbook",
            "name": "reliable",
            "release": {"repo": str(self.repo), "ref": "main", "version": AFTER, "environment": "production"},
            "services": {
                "checkout": {
                    "instances": [f"{url}/i/1", f"{url}/i/2"],
                    "health": {"every": "500ms", "timeout": "2s"},
                    "started": {"field": "started"},
                }
            },
            "sources": {
                "flags": {
                    "unleash": url,
                    "token": "${{ secrets.UNLEASH_TOKEN }}",
                    "client_token": "${{ secrets.UNLEASH_CLIENT }}",
                    "poll": "5s",
                    "population": "users.csv",
                    "project": facts["flags"].get("project", "default"),
                }
            },
            "stakeholders": {"support": {"via": "webhook", "url": "${{ secrets.HOOK }}", "hosts": ["127.0.0.1"]}},
            "stages": [
                {
                    "id": "all",
                    "steps": [
                        step("work", "command", self.bench.command("work")),
                        step("call", "http", call, timeout="5s"),
                        step("tell", "notify", {"to": ["support"], "subject": "It starts", "body": "now"}),
                        step("deploy", "rollout", self._deploy(), timeout="6s"),
                        step("prepare", "flag", prepare),
                        step("ramp", "rollout", phases),
                        step("tag", "tag", tag),
                        step("go", "confirm", {"ask": "On?"}),
                    ],
                }
            ],
        }
        return json.dumps(whole, indent=1)

    def _deploy(self) -> dict[str, Any]:
        sets = ["sh", "-c", 'echo "$2" > "$0/at-${1#checkout-}"', str(self.folder), "${{ instance.id }}"]
        return {
            "service": "checkout",
            "waves": [1, 2],
            "deploy": {"argv": self.bench.argv("deploy", *sets, AFTER)},
            "revert": {"argv": self.bench.argv("revert", *sets, "${{ instance.before }}")},
            "settle": "100ms",
            "bake": "500ms",
            "gate": ["health", "fleet"],
            "max_wait": "300s",
        }

    def acts(self) -> list[str]:
        """What was done to every target, by their own records, in no order. A second time is another entry."""
        done = [name.partition(" #")[0] for name in self.target.carried_out]
        for name in ("work", "deploy", "revert", "undo_work"):
            done += [f"{name} {key.partition('/')[2]}" for key in self.bench.did(name)]
        pushed = self.folder / "pushed"
        if pushed.exists():
            done += [f"push {line.split()[2]}" for line in pushed.read_text(encoding="utf-8").splitlines()]
        return done
