"""The parent-death pipe: how every process of the sandbox learns that the one that started it is gone.

Stdlib only, because the janitor must live where nothing else does. The parent holds the write end and nobody inherits
it; a child gets the read end and ends itself at its end of file. That is portable, works across sessions, and has one
hole, a stopped child, which the janitor closes: it kills what the list of pids still names, then empties the folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

PROC = Path("/proc")  # Linux; elsewhere there is ps
PIDS = "pids.jsonl"  # one line a child: {"name", "pid", "start"}; "owner" is the process that holds the write end


class Lifeline:
    """The parent's half: spawns children that end when this process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read_end, self._write_end = os.pipe()  # neither is inheritable; pass_fds hands on the read end alone
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        record(folder, "owner", os.getpid())

    def spawn(self, name: str, args: Sequence[str], *, fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
        """Start `python -m amplify_tui.drill.NAME` (or `NAME` up to a ':') in a session of its own.

        Its standard streams go to `NAME.log` in the folder: a child that shares a terminal dies or stalls with it.
        """
        module = name.partition(":")[0]
        argv = [sys.executable, "-m", f"amplify_tui.drill.{module}", "--lifeline", str(self.read_end), *args]
        with (self.folder / f"{name.replace(':', '-')}.log").open("ab") as log:
            child = self.popen(argv, log=log, fds=fds)
        self._children[name] = child
        record(self.folder, name, child.pid)
        return child

    def popen(self, argv: Sequence[str], *, log: IO[bytes], fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
        """Start any command with the read end passed on; what it runs must `obey` that descriptor."""
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[self.read_end, *fds],
            cwd=self.folder,
        )

    def fallen(self) -> str | None:
        """The name of a child that has ended although nobody asked it to, or None."""
        return next((name for name, child in self._children.items() if child.poll() is not None), None)

    def cut(self, timeout: float = 4.0) -> None:
        """Close the pipe and wait for every child: the same end as a kill -9 of this process. May be called twice."""
        if self._write_end < 0:
            return
        os.close(self._write_end)
        os.close(self.read_end)
        self._write_end = -1
        deadline = time.monotonic() + timeout
        for child in self._children.values():
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def obey(descriptor: int) -> None:
    """Child, on its running event loop: leave at once when the parent's end of the pipe is closed.

    `os._exit`, since nothing of a sandbox is worth saving and an orderly end could hang on the dead.
    """
    os.set_inheritable(descriptor, False)
    os.set_blocking(descriptor, False)

    def look() -> None:
        if os.read(descriptor, 1) == b"":
            os._exit(0)

    asyncio.get_running_loop().add_reader(descriptor, look)


def record(folder: Path, name: str, pid: int) -> None:
    """Append a process to the folder's list, with its start time: a pid alone may belong to a stranger later."""
    line = json.dumps({"name": name, "pid": pid, "start": start_time(pid)})
    with (folder / PIDS).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def start_time(pid: int) -> str:
    """When *pid* started, in the words of the system, or '' where no such process runs (a zombie does not)."""
    if (PROC / "self" / "stat").exists():
        try:
            stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8")
        except OSError:
            return ""
        fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces
        return "" if fields[0] == "Z" else fields[19]
    shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = shown.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


def processes(folder: Path) -> list[tuple[str, int]]:
    """Name and pid of the folder's processes that still run, the owner among them."""
    try:
        lines = (folder / PIDS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    entries = [json.loads(line) for line in lines if line.endswith("}")]  # a killed writer leaves half a line
    return [(e["name"], e["pid"]) for e in entries if e["start"] and start_time(e["pid"]) == e["start"]]


def kill_left(folder: Path, *, spare: int) -> list[str]:
    """SIGKILL the folder's processes other than its owner and *spare*; the names of those it had to kill."""
    killed = []
    for name, pid in processes(folder):
        if name != "owner" and pid != spare:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed.append(name)
    return killed
