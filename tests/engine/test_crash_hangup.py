"""The ssh session drops in the middle of a ramp that nobody watches any more, and then the errors come."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import pexpect
import pytest

from amplify_tui.drill.world import World
from amplify_tui.engine.rundir import RunDir
from amplify_tui.report.show import report_text
from tests.bench.reaction import numbers
from tests.engine.crash_world import Runs, Watched, checked, committed, eventually, flag_now, flag_steps, playbook

WITHIN = 40.0  # seconds until nobody is exposed: failures.md 2, a promise about what users suffer


def document(world: World, url: str, path: Path) -> None:
    """A ramp that stands at 25 % and is watched for errors; the trigger takes exposure away by itself."""
    raw = json.loads(playbook(world.facts(), flag_steps(phases=(25, 100), bake="10m")))
    raw["sources"]["page"] = {"http": url, "path": "/", "at": "at"}
    golden = {"golden": "errors", "source": "page", "bad": "errors", "total": "requests"}
    raw["signals"] = {"errors": golden | {"every": "1s", "window": "1s"}}
    raw["rollback"] = {"when": [{"signal": "errors", "above": "5%", "for": "3s", "mode": "auto"}]}
    checked(json.dumps(raw), path)
    committed(path)


@pytest.mark.parametrize("view", ["cockpit", "headless"])
async def test_a_session_that_drops_at_25_percent_takes_nothing_from_an_automatic_mitigation(
    world: World, runs: Runs, tmp_path: Path, view: str
) -> None:
    path = tmp_path / "playbook.yaml"
    with numbers() as page:
        document(world, page.url, path)
        args = ["run", str(path), *(["--headless", "--wait"] if view == "headless" else [])]
        env = os.environ | {"TERM": "xterm-256color", "AMPLIFY_ACTOR": "captain"}
        child = pexpect.spawn(sys.executable, ["-m", "amplify_tui", *args], env=env, dimensions=(40, 120), timeout=30)
        try:
            await eventually(lambda: [r for r in RunDir.all(runs.home) if r.conductor()], "a run with a conductor")
            folder = next(RunDir.all(runs.home))
            runs.folders.append(folder)
            async with Watched(folder) as watched:
                await watched.until(lambda s: s.phase != "none", "the draft")
                if view == "cockpit":
                    await eventually(lambda: child.read_nonblocking(65536, 1), "the cockpit paints")
                    await watched.start()
                await watched.seen("PhaseEntered", step="ramp", i=0)
                assert flag_now(world) == (True, [25.0])
                conductor = watched.state.conductor.pid
                with contextlib.suppress(pexpect.ExceptionPexpect):  # it waits only 0.1 s for the end of its child
                    child.close(force=False)
                os.kill(conductor, signal.SIGHUP)  # as a login manager does that ends a user's processes
                await eventually(lambda: not child.isalive(), "the terminal's own process ends")
                page.bad = 50.0
                fired = await watched.seen("TriggerFired")
                begun = await watched.seen("MitigationStarted")
                done = await watched.seen("MitigationDone")
        finally:
            child.close(force=True)
    assert flag_now(world)[0] is False
    assert watched.state.exposed_now == 0.0
    assert watched.state.conductor.pid == conductor
    assert (fired.actor, fired.via, begun.via) == ("conductor", "trigger", "trigger")
    assert {e.actor for e in watched.events if e.seq >= fired.seq} == {"conductor"}
    assert done.at_s - fired.at_s < WITHIN
    assert watched.state.is_held
    assert "errors" in report_text(watched.state)
