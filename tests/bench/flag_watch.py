"""Watching flags of a server that has 2,000: from somebody's change to the screen, and what it costs to wait for one."""

from __future__ import annotations

import contextlib
import random
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx

from tests.bench.first_paint import AMPLIFY
from tests.bench.flag_world import ENVIRONMENT, P, cpu, flag_server, idle_process, memory, watching
from tests.bench.measure import Table, Target, percentile
from tests.bench.terminal import Terminal
from tests.real.services import Unleash

FLAGS: Final = 2000
WATCHED: Final = 20
CHANGES: Final = 60
WINDOW: Final = 10.0  # seconds
WINDOWS: Final = 5
TICK: Final = "the server tells applications"
SCREEN: Final = "the cockpit shows it"
CORE: Final = "one core, all of it"


def tables() -> list[Table]:
    """Changes first: they warm up what then waits."""
    names = [f"bench-{number}" for number in range(FLAGS)]
    with (
        tempfile.TemporaryDirectory(prefix="amplify-bench-") as scratch,
        flag_server(names) as server,
        watching(server, names[:WATCHED], Path(scratch) / "some") as (run, conductor),
        watching(server, (), Path(scratch) / "none") as (_, without),
        Terminal((*AMPLIFY, "attach", run), {"AMPLIFY_HOME": f"{scratch}/some", "AMPLIFY_ACTOR": "sre"}) as cockpit,
    ):
        cockpit.when(lambda text: re.search(r"on +100 %", text))
        found = _changes(server, names[0], cockpit)
        return [*found, _cost(server, names[-1], cockpit, conductor, without)]


class Ramp:
    """Somebody else's hands on one flag."""

    def __init__(self, server: Unleash, flag: str) -> None:
        self._http = httpx.Client(base_url=server.url, headers={"Authorization": server.admin}, trust_env=False)
        base = f"{P}/features/{flag}/environments/{ENVIRONMENT}/strategies"
        self._path = f"{base}/{self._http.get(base).json()[0]['id']}"

    def to(self, percent: int) -> None:
        change = {"op": "replace", "path": "/parameters/rollout", "value": str(percent)}
        self._http.patch(self._path, json=[change]).raise_for_status()

    def close(self) -> None:
        self._http.close()


def _changes(server: Unleash, flag: str, cockpit: Terminal) -> list[Table]:
    """At varying phases of both pollers; the same change counts for both ways."""
    pause, taken = random.Random(7), {TICK: list[float](), SCREEN: list[float]()}
    with contextlib.closing(Ramp(server, flag)) as ramp:
        for turn in range(CHANGES):
            cockpit.settle(pause.uniform(0.2, 1.2))
            percent = 1 + turn
            told = Told(server, flag, percent)
            ramp.to(percent)
            changed = time.perf_counter()
            shown = cockpit.when(lambda text, wanted=percent: re.search(rf"on +{wanted} %", text))  # type: ignore[misc]
            taken[TICK].append(told.moment() - changed)
            taken[SCREEN].append(shown - changed)
    samples = {way: tuple(seconds) for way, seconds in taken.items()}
    slowest = {f"{way}, p99": (percentile(seconds, 0.99),) for way, seconds in samples.items()}
    note = (
        f"{FLAGS:,} flags on the server, {WATCHED} watched, each change by another hand. It counts from the answer to "
        "that hand. The server looks for changes once a second, and so does the conductor, each at its own beat."
    )
    return [
        Table("flag-change", "A change by another hand", samples, (Target(SCREEN, TICK, 3.0, "an aspiration"),), note),
        Table("flag-change-slowest", "The slowest of these changes", slowest),
    ]


class Told(threading.Thread):
    """Asks as an application does, but every few milliseconds, from now on: when was it told of the percentage?"""

    def __init__(self, server: Unleash, flag: str, percent: int) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._mark = f'"name":"{flag}"', f'"rollout":"{percent}"'
        self._at = 0.0
        self._begun = threading.Event()
        self.start()
        self._begun.wait(10)

    def moment(self) -> float:
        self.join(30)
        return self._at

    def run(self) -> None:
        headers = {"Authorization": self._server.client}
        name, share = self._mark
        with httpx.Client(base_url=self._server.url, headers=headers, trust_env=False) as http:
            while True:
                answer = http.get("/api/client/features", params={"namePrefix": "bench-0"}, headers=headers)
                at = time.perf_counter()
                found = answer.text.partition(name)[2].partition('"name":"bench')[0]
                self._begun.set()
                if share in found:
                    self._at = at
                    return
                time.sleep(0.005)


def _cost(server: Unleash, other: str, cockpit: Terminal, conductor: int, without: int) -> Table:
    """Seconds of a core in a window of time; all processes in the same windows."""
    idle = idle_process()
    watched = {
        "an idle Python process": idle.pid,
        "conductor that watches no flag": without,
        f"conductor that watches {WATCHED} flags": conductor,
        "cockpit on it": cockpit.pid,
    }
    taken: dict[str, list[float]] = {name: [] for name in (CORE, *watched)}
    busy = [f"{name}, a flag of the server changes each second" for name in list(watched)[2:]]
    taken |= {name: [] for name in busy}
    try:
        for turn in range(WINDOWS + 1):
            for name, seconds in _used(watched, cockpit).items():
                taken[name] += [seconds] if turn else []
        with _changing(server, other):
            for _ in range(2):
                used = _used(watched, cockpit)
                for name, quiet in zip(busy, list(watched)[2:], strict=True):
                    taken[name].append(used[quiet])
        held = ", ".join(f"{name} {memory(pid):.0f} MB" for name, pid in watched.items())
    finally:
        idle.terminate()
        idle.wait(10)
    quiet = list(watched)[2:]
    why = "under 2 % of a core where nothing changes"
    targets = tuple(Target(name, CORE, 0.02, why) for name in quiet)
    samples = {name: tuple(seconds) for name, seconds in taken.items()}
    shares = ", ".join(f"{name} {statistics.median(samples[name]) / WINDOW:.1%}" for name in watched)
    note = (
        f"Seconds of one core used in {WINDOW:.0f} s; {FLAGS:,} flags on the server. Where nothing changes: {shares}. "
        f"Resident memory: {held}."
    )
    return Table("flag-wait", "Waiting for a change", samples, targets, note)


def _used(watched: dict[str, int], cockpit: Terminal) -> dict[str, float]:
    before, begun = {name: cpu(pid) for name, pid in watched.items()}, time.perf_counter()
    cockpit.settle(WINDOW)
    return {CORE: time.perf_counter() - begun} | {name: cpu(pid) - before[name] for name, pid in watched.items()}


@contextlib.contextmanager
def _changing(server: Unleash, flag: str) -> Iterator[None]:
    """Somebody changes a flag that is none of ours once a second, for as long as the block lasts."""
    over = threading.Event()

    def work() -> None:
        with contextlib.closing(Ramp(server, flag)) as ramp:
            percent = 1
            while not over.wait(1.0):
                ramp.to(percent)
                percent = percent % 99 + 1

    hand = threading.Thread(target=work, daemon=True)
    hand.start()
    try:
        yield
    finally:
        over.set()
        hand.join(10)
