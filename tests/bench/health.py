"""Asking 1,000 instances once a second: the CPU that our poller takes against aiohttp, on the same server.

aiohttp is no dependency of ours. Where it is not installed, the table is left out and says so.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from amplify_tui.adapters.poll import InstancePoller, Target
from amplify_tui.playbook.model import Health, VersionProbe
from amplify_tui.verdict.model import InstanceReading
from tests.bench import measure
from tests.bench.measure import Table, by_turns
from tests.real.install import Unavailable

INSTANCES: Final = 1000
SECONDS: Final = 8.0
WARM_S: Final = 2.0
ROUNDS: Final = 5
MOST: Final = 1.5
OURS: Final = "our poller"
THEIRS: Final = "aiohttp"
SERVER: Final = """
import asyncio
BODY = b'{"status": "ok", "version": "3.0.0"}'
ANSWER = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(BODY) + BODY
class Http(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.held = transport, b""
    def data_received(self, data):
        self.held += data
        while b"\\r\\n\\r\\n" in self.held:
            self.held = self.held.split(b"\\r\\n\\r\\n", 1)[1]
            self.transport.write(ANSWER)
async def main():
    server = await asyncio.get_running_loop().create_server(Http, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def server() -> Iterator[str]:
    """The address of a server in a process of its own: its work is nobody's CPU here."""
    running = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        yield f"http://127.0.0.1:{int(running.stdout.readline())}"
    finally:
        running.kill()
        running.communicate()


class Counted:
    """CPU seconds and answers of the measured time, which begins once every connection is open."""

    def __init__(self) -> None:
        self.answers = 0
        self.fewest = INSTANCES * int(SECONDS)

    async def over(self, polling: asyncio.Task[None]) -> float:
        await asyncio.sleep(WARM_S)
        begun, before = time.process_time(), self.answers
        await asyncio.sleep(SECONDS)
        taken = time.process_time() - begun
        self.fewest = min(self.fewest, self.answers - before)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        return taken


async def ours(url: str, counted: Counted) -> float:
    health, version = Health(path="/health", every=1.0), VersionProbe(path="/health", field="version")
    asked = [
        Target(service="shop", instance=f"shop-{number}", url=url, health=health, version=version)
        for number in range(INSTANCES)
    ]

    def heard(reading: InstanceReading) -> None:
        counted.answers += bool(reading.ok)

    return await counted.over(asyncio.create_task(InstancePoller(asked, heard).run()))


async def theirs(aiohttp: Any, url: str, counted: Counted) -> float:
    """The same pace, the same spread over a second, the answer read as JSON too."""

    async def keep(session: Any, number: int) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + number / INSTANCES
        while True:
            await asyncio.sleep(max(due - loop.time(), 0.0))
            async with session.get(f"{url}/health") as answer:
                assert (await answer.json())["version"] == "3.0.0"
            counted.answers += 1
            due += 1.0

    async def run() -> None:
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            await asyncio.gather(*(keep(session, number) for number in range(INSTANCES)))

    return await counted.over(asyncio.create_task(run()))


def tables() -> list[Table]:
    """CPU seconds of eight seconds. Raises Unavailable without aiohttp."""
    try:
        import aiohttp  # type: ignore[import-not-found]
    except ImportError as error:
        raise Unavailable("pip install aiohttp into this environment to compare with it") from error
    with server() as url:
        counted = {THEIRS: Counted(), OURS: Counted()}
        ways: dict[str, Callable[[], Awaitable[float]]] = {
            THEIRS: lambda: theirs(aiohttp, url, counted[THEIRS]),
            OURS: lambda: ours(url, counted[OURS]),
        }
        samples = by_turns({name: _once(way) for name, way in ways.items()}, ROUNDS)
    wanted = INSTANCES * int(SECONDS)
    fewest = ", ".join(f"{name} {one.fewest:,}" for name, one in counted.items())
    note = f"CPU seconds of {SECONDS:.0f} s; of {wanted:,} answers a round that had the fewest got: {fewest}."
    title = f"Asking {INSTANCES:,} instances once a second"
    return [Table("health", title, samples, (measure.Target(OURS, THEIRS, MOST),), note)]


def _once(way: Callable[[], Awaitable[float]]) -> Callable[[], float]:
    async def run() -> float:
        return await way()

    return lambda: asyncio.run(run())
