"""Small things that the engine's tests share: bodies of events, waiting with a deadline, real child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from amplify_tui.adapters.ports import MetricSource, NotFound
from amplify_tui.engine.journal import Build, Lease

ROOT = Path(__file__).parents[2]
DEADLINE = 20.0


def event(lease: Lease, kind: str = "NoteAdded", pad: int = 0) -> Build:
    """A builder of one envelope, as the conductor makes them."""

    def build(seq: int, prev: str) -> bytes:
        envelope = {"seq": seq, "run": lease.run, "epoch": lease.epoch, "type": kind, "prev": prev, "pad": "x" * pad}
        return msgspec.json.encode(envelope, order="sorted")

    return build


def kinds(bodies: list[bytes]) -> list[str]:
    """The types of these events."""
    return [msgspec.json.decode(body)["type"] for body in bodies]


def eventually(is_true: Callable[[], bool], what: str) -> None:
    """Wait until `is_true`, at most 20 s."""
    until = time.monotonic() + DEADLINE
    while not is_true():
        assert time.monotonic() < until, f"waited {DEADLINE} s for: {what}"
        time.sleep(0.01)


async def soon(is_true: Callable[[], bool], what: str) -> None:
    """As `eventually`, while the loop runs on."""
    async with asyncio.timeout(DEADLINE):
        while not is_true():
            await asyncio.sleep(0.005)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder whose path is short enough for sockets, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="amp-") as folder:
        yield Path(folder)


@contextmanager
def script(text: str, *argv: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A Python process that runs `text`; killed at the end, whatever state it is in."""
    process = subprocess.Popen(
        [sys.executable, "-c", text, *map(str, argv)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.wait(DEADLINE)
        if process.stdout is not None:
            process.stdout.close()


def said(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints; empty when it ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def only(source: MetricSource | None) -> Callable[[str], MetricSource]:
    """The one source that a playbook names."""

    def metrics(name: str) -> MetricSource:
        if source is None:
            raise NotFound(f"there is no source {name}")
        return source

    return metrics
