"""The users of the sandbox: a steady stream of requests, each after the flag was evaluated for its user.

The evaluation is the team's own way, a real UnleashClient that polls the flag server; the calls are raw and kept alive,
because 240 requests a second must leave a laptop's fan alone. Each worker paces one connection to one instance, so a
slow or dead instance slows its own callers and nobody else.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from amplify_tui.drill import lifeline
from amplify_tui.drill.wire import Connection

if TYPE_CHECKING:
    from UnleashClient import UnleashClient  # type: ignore[attr-defined]

USERS = 10_000
INSIDERS = ("u-internal-1", "u-internal-2")
INSIDER_SHARE = 0.02
WORKERS = 4  # connections to an instance: enough for its rate at four times its latency


class Lane(Struct, frozen=True, kw_only=True):
    """The requests of one instance."""

    port: int
    rps: float
    path: str
    flagged: bool  # whether the flag decides the variant


class Config(Struct, frozen=True, kw_only=True):
    url: str
    token: str
    flag: str
    environment: str
    seed: int
    lanes: tuple[Lane, ...]


def users(seed: int, lane: int) -> random.Random:
    """The draws of one lane: the same seed gives the same users in the same order."""
    return random.Random(f"{seed}:traffic:{lane}")


def next_user(draw: random.Random) -> str:
    if draw.random() < INSIDER_SHARE:
        return draw.choice(INSIDERS)
    return f"u-{draw.randrange(USERS):05d}"


async def walk(lane: Lane, draw: random.Random, client: UnleashClient, flag: str) -> None:
    """Call one instance at its pace, for ever. A missed beat is not caught up: users who could not come are gone."""
    loop, connection = asyncio.get_running_loop(), Connection(lane.port)
    period = WORKERS / lane.rps
    due = loop.time() + draw.random() * period
    while True:
        await asyncio.sleep(max(0.0, due - loop.time()))
        due = max(due + period, loop.time())
        user = next_user(draw)
        is_on = lane.flagged and client.is_enabled(flag, {"userId": user})
        await connection.get(f"{lane.path}?user={user}&variant={'on' if is_on else 'off'}")


async def run(config: Config, descriptor: int) -> None:
    """Call until the parent is gone."""
    from amplify_tui.drill.flagsdk import flag_client  # here: who only writes a Config need not pay for the SDK

    lifeline.obey(descriptor)
    client = flag_client(config.url, config.token, config.environment, "shop")
    await asyncio.to_thread(client.initialize_client)
    async with asyncio.TaskGroup() as tasks:
        for number, lane in enumerate(config.lanes):
            for worker in range(WORKERS):
                draw = users(config.seed, number * WORKERS + worker)
                tasks.create_task(walk(lane, draw, client, config.flag), name=f"{lane.path} {lane.port} {worker}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args()
    logging.getLogger("UnleashClient").setLevel(logging.ERROR)  # it says of each unknown flag that it is "not ready"
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    asyncio.run(run(msgspec.json.decode(options.config.read_bytes(), type=Config), options.lifeline))


if __name__ == "__main__":
    main()
