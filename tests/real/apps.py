"""Real applications: a process of its own with an official SDK, which polls each second and reports its counts.

    async with application(sdk, url, token, "production", "shop") as shop:
        [[first, second]] = await shop.ask(["new-checkout"], [{"userId": "1"}, {"userId": "2"}])

Each is driven by lines of JSON on its standard input, and ends with it: a killed test run leaves none behind.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.real.install import node, node_sdk_tree

ROOT: Final = Path(__file__).resolve().parents[2]
ANSWERS_WITHIN: Final = 30.0
LONGEST: Final = 1 << 24  # bytes of one answer

Context = Mapping[str, Any]
Sdk = Callable[[], tuple[list[str], Path]]
"""The argv of an application with this SDK, and the folder to start it in. Raises install.Unavailable."""


def python_sdk() -> tuple[list[str], Path]:
    return [sys.executable, "-m", "tests.real.python_app"], ROOT


def node_sdk() -> tuple[list[str], Path]:
    return [str(node()), "app.mjs"], node_sdk_tree()


SDKS: Final[dict[str, Sdk]] = {"python": python_sdk, "node": node_sdk}


class Application:
    """One running application. `problem` is what its SDK complained of at the start."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.problem = ""

    async def ask(self, flags: Sequence[str], users: Sequence[Context]) -> list[list[bool]]:
        """For each flag, for each user: whether it is on. Each answer counts as one use."""
        found: list[list[bool]] = await self.line({"flags": flags, "users": users, "variants": False})
        return found

    async def variants(self, flags: Sequence[str], users: Sequence[Context]) -> list[list[list[Any]]]:
        """For each flag, for each user: name, enabled, whether the flag is on, payload. Counts as one use each."""
        found: list[list[list[Any]]] = await self.line({"flags": flags, "users": users, "variants": True})
        return found

    async def until(self, flag: str, user: Context, *, on: bool, within: float) -> None:
        """Ask until the answer is this one. Raises TimeoutError; counts as uses."""
        async with asyncio.timeout(within):
            while await self.ask([flag], [user]) != [[on]]:
                await asyncio.sleep(0.05)

    async def line(self, said: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(said).encode() + b"\n")
        async with asyncio.timeout(ANSWERS_WITHIN):
            answer = await self._process.stdout.readline()
        assert answer, "the application ended; what it said stands above"
        return json.loads(answer)


@asynccontextmanager
async def application(sdk: Sdk, url: str, token: str, environment: str, name: str) -> AsyncIterator[Application]:
    """An application that has asked for its flags once; it sends its last counts when the block ends."""
    argv, folder = sdk()
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LONGEST
    )
    app = Application(process)
    try:
        wanted = {"url": url, "token": token, "environment": environment, "app": name, "instance": f"{name}-1"}
        app.problem = (await app.line(wanted))["problem"]
        yield app
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(ANSWERS_WITHIN):
            await process.wait()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
