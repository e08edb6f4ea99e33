"""Puts a fault into the running world at the right moment: `amplify demo --inject errors`.

Outside the engine on purpose: it watches the flag server as any other reader, and acts through the services' admin
door. The run that is being tested sees nothing but its consequences.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from amplify_tui.drill import lifeline, plainhttp

EVERY = 0.3  # seconds between two looks


class Config(Struct, frozen=True, kw_only=True):
    flags: str  # URL of the flag server
    flags_token: str
    flag: str
    environment: str
    after_percent: float  # the first phase: the fault comes with anything above
    doors: tuple[str, ...]
    door_token: str
    fault: dict[str, Any]


def exposure(environment: dict[str, Any]) -> float:
    """The widest active rollout to everybody, in percent; strategies with constraints do not count."""
    if not environment["enabled"]:
        return 0.0
    rollouts = [
        float(strategy["parameters"].get("rollout", 100))
        for strategy in environment["strategies"]
        if not strategy["disabled"] and not strategy["constraints"]
    ]
    return max(rollouts, default=0.0)


async def wait_for_phase(config: Config) -> None:
    """Come back once more than the first phase is exposed. A flag server that is away is asked again."""
    path = f"/api/admin/projects/default/features/{config.flag}/environments/{config.environment}"
    while True:
        found = await asyncio.to_thread(
            plainhttp.call, config.flags + path, token=config.flags_token, missing_is_none=True
        )
        if found is not None and exposure(found) > config.after_percent:
            return
        await asyncio.sleep(EVERY)


async def run(config: Config, descriptor: int) -> None:
    lifeline.obey(descriptor)
    await wait_for_phase(config)
    for door in config.doors:
        await asyncio.to_thread(plainhttp.call, f"{door}/faults", "POST", config.fault, token=config.door_token)
    await asyncio.Event().wait()  # an ended child looks like a broken world


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(run(msgspec.json.decode(options.config.read_bytes(), type=Config), options.lifeline))


if __name__ == "__main__":
    main()
