"""From the first bad reading to exposure 0: a service of the sandbox turns bad, a trigger fires, the flag goes off.

The clock starts when the reading reaches the board (how long a source takes to notice is its own lag and pace), and
stops at the moment that the flag server wrote the change.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from amplify_tui.run.envelope import Envelope
from amplify_tui.run.select.signals import Point, points
from tests.bench.measure import Table, percentile
from tests.engine.crash_world import Runs, Watched, checked, flag_events, flag_now, flag_steps, playbook, small_world

ROUNDS: Final = 20
EVERY: Final = "1s"


class Numbers:
    """A service's numbers, as JSON on a port of this machine."""

    def __init__(self) -> None:
        self.bad = 0.0
        self.url = ""

    def page(self) -> bytes:
        return json.dumps({"at": time.time(), "errors": self.bad, "requests": 100.0}).encode()


@contextmanager
def numbers() -> Iterator[Numbers]:
    found = Numbers()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = found.page()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as served:
        found.url = f"http://127.0.0.1:{served.server_address[1]}"
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield found
        served.shutdown()


def text_of(facts: dict[str, Any], url: str) -> str:
    """A ramp that is watched for errors; the trigger takes exposure away by itself."""
    raw = json.loads(playbook(facts, flag_steps(phases=(50, 100), bake="10m")))
    raw["sources"]["page"] = {"http": url, "path": "/", "at": "at"}
    raw["signals"] = {
        "errors": {
            "golden": "errors",
            "source": "page",
            "bad": "errors",
            "total": "requests",
            "every": EVERY,
            "window": EVERY,
        }
    }
    raw["rollback"] = {"when": [{"signal": "errors", "above": "5%", "for": "0s", "mode": "auto"}]}
    return json.dumps(raw)


async def reaction(scratch: Path) -> dict[str, float]:
    """Seconds from the bad reading to the trigger, to the flag off, and to its being read back."""
    with small_world() as world, numbers() as page:
        runs = Runs(scratch / "home")
        folder = runs.create(checked(text_of(world.facts(), page.url), scratch / "playbook.yaml"))
        try:
            await runs.conduct(folder)
            async with Watched(folder) as watched:
                await watched.start()
                await watched.seen("PhaseEntered", step="ramp", i=0)
                entered = watched.of("PhaseEntered")[-1].at_s
                await watched.until(lambda _: _newest(watched) > entered + 3.0, "readings of the phase")
                page.bad = 50.0
                fired = await watched.seen("TriggerFired")
                await watched.until(lambda _: not flag_now(world)[0], "the flag is off")
                known = await watched.seen("MitigationStarted")

                def undone() -> list[Envelope]:
                    return [event for event in watched.of("EffectDone") if event.seq > known.seq]

                await watched.until(lambda _: undone(), "read back")
                done = undone()[0]

                def bad() -> list[Point]:
                    return [one for one in points(watched.board, "errors", None) if one.value]

                await watched.until(lambda _: bad(), "the follower has heard of the reading")
                heard = bad()[0].heard
        finally:
            runs.sweep()
        wrote = max(datetime.fromisoformat(str(one["createdAt"])).timestamp() for one in flag_events(world))
    return {
        "the trigger fires": fired.at_s - heard,
        "the flag is off": wrote - heard,
        "read back": done.at_s - heard,
    }


def _newest(watched: Watched) -> float:
    """When the newest reading came."""
    return max((one.heard for one in points(watched.board, "errors", None)), default=0.0)


def tables() -> list[Table]:
    """Each round is a world and a run of its own."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="amp-") as scratch:
        home = os.environ.get("AMPLIFY_HOME")
        for number in range(ROUNDS):
            place = Path(scratch) / str(number)
            place.mkdir()
            os.environ["AMPLIFY_HOME"] = str(place / "home")
            for name, seconds in asyncio.run(reaction(place)).items():
                found.setdefault(name, []).append(seconds)
        if home is None:
            del os.environ["AMPLIFY_HOME"]
        else:
            os.environ["AMPLIFY_HOME"] = home
    samples = {name: tuple(seconds) for name, seconds in found.items()}
    slowest = ", ".join(f"{name} {percentile(seconds, 0.99):.2f} s" for name, seconds in samples.items())
    note = f"The slowest hundredth: {slowest}. The service is asked each {EVERY}."
    return [Table("reaction", "From a bad reading to exposure 0", samples, (), note)]
