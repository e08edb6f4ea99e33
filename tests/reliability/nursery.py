"""Starts conductors in a hundredth of a second, and lets one die at an exact place: `python -m tests.reliability.nursery`.

A process that has imported everything forks for each order, a line of JSON on stdin. The child is the conductor as
`python -m amplify_tui.engine` runs it, in a session of its own, with two things beside: a journal that can end its own
process at a named append, and a wall clock that can be moved. What is said on stdout: `started N PID`, `ended PID STATUS`.
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import select
import signal
import ssl
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

_real_time, _real_time_ns = time.time, time.time_ns
_clock: mmap.mmap | None = None


def _moved() -> float:
    return float(struct.unpack("d", _clock[:8])[0]) if _clock is not None else 0.0


# Before anything of ours is imported, for some modules bind the function itself.
time.time = lambda: _real_time() + _moved()
time.time_ns = lambda: _real_time_ns() + int(_moved() * 1e9)

import msgspec  # noqa: E402

from amplify_tui.engine import __main__ as door  # noqa: E402
from amplify_tui.engine import create, locks, takers  # noqa: E402
from amplify_tui.engine.index import Holding, Index  # noqa: E402
from amplify_tui.engine.journal import Appended, Build, Head, Lease  # noqa: E402
from amplify_tui.engine.proc import FileLock  # noqa: E402
from amplify_tui.engine.replay import state_of  # noqa: E402
from amplify_tui.engine.reversing import reverse_run  # noqa: E402
from amplify_tui.engine.rundir import RunDir  # noqa: E402
from amplify_tui.engine.sqlite_journal import SqliteJournal  # noqa: E402
from amplify_tui.steps.registry import specs  # noqa: E402

Moment = Literal["before", "between", "after"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One conductor to start. at: the append at which it ends itself, as `trace` names it; "" for none.

    moment: inside the transaction; committed, and the head not yet written; or after both. with_: the signal it sends
    itself. trace: a file for the names of all appends. clock: a file with a double, the seconds that its wall clock is
    ahead. host: another name for its host, so that nobody takes it for a process of this one. alias: a name of this run's
    own, which appends are named without. locks: each step of a lock is a place too, before and after it. reverse: it is
    no conductor, but who makes the run that takes this closed one back.
    """

    number: int
    folder: str
    env: dict[str, str]
    at: str = ""
    moment: Moment = "after"
    with_: int = int(signal.SIGKILL)
    trace: str = ""
    clock: str = ""
    host: str = ""
    alias: str = ""
    locks: bool = False
    reverse: bool = False


LATE = ("anyio._backends._asyncio", "anyio.lowlevel", "git", "h2", "httpcore", "yggdrasil_engine.engine")
CHATTY = frozenset({"GateJudged", "BakeAccrued"})  # how often they come is a matter of time


class Doomed(SqliteJournal):
    """The journal, which counts its appends by what they tell, and ends this process at one of them."""

    order: ClassVar[Order]
    met: ClassVar[Counter[str]] = Counter()
    targets: ClassVar[dict[str, str]] = {}

    def append(
        self,
        lease: Lease,
        events: Sequence[Build],
        *,
        command: str | None = None,
        answer: Callable[[Head], bytes] | None = None,
    ) -> Appended:
        bodies: list[bytes] = []
        name = ""

        def spied(build: Build) -> Build:
            def body(seq: int, prev: str) -> bytes:
                nonlocal name
                bodies.append(build(seq, prev))
                if len(bodies) == len(events):
                    name = self._named(bodies)
                    self._meet(name, "before")
                return bodies[-1]

            return body

        witness, self._witness = self._witness, lambda head: self._witnessed(head, name, witness)
        try:
            done = super().append(lease, [spied(build) for build in events], command=command, answer=answer)
        finally:
            self._witness = witness
        self._meet(name, "after")
        return done

    def _witnessed(self, head: Head, name: str, witness: Callable[[Head], None] | None) -> None:
        self._meet(name, "between")
        if witness is not None:
            witness(head)

    @classmethod
    def _meet(cls, name: str, moment: Moment) -> None:
        if name and (name, moment) == (cls.order.at, cls.order.moment):
            os.kill(os.getpid(), cls.order.with_)

    def _named(self, bodies: Sequence[bytes]) -> str:
        """`EffectIntended tag v3.0.0`, or `... #2` where it is told a second time."""
        told = [msgspec.json.decode(body) for body in bodies]
        first = told[0]["data"]
        for one in told:
            if one["type"] == "EffectIntended":
                data = one["data"]
                back = f" (back {data['undoes']})" if data.get("undoes") else ""
                self.targets[data["effect"]] = f"{data['target']['kind']} {data['target']['id']}{back}"
        about = self.targets.get(first.get("effect", ""), "") or first.get("step", "") or first.get("check", "")
        about = about.replace(self.order.alias, "FLAG") if self.order.alias else about
        name = f"{'+'.join(one['type'] for one in told)} {about}".strip()
        return self._counted(name, is_chatty=CHATTY.issuperset(one["type"] for one in told))

    @classmethod
    def _counted(cls, name: str, *, is_chatty: bool = False) -> str:
        cls.met[name] += 1
        if cls.met[name] > 1:
            if is_chatty:
                return ""
            name = f"{name} #{cls.met[name]}"
        if cls.order.trace:
            with Path(cls.order.trace).open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")
        return name

    @classmethod
    @contextlib.contextmanager
    def step(cls, name: str) -> Iterator[None]:
        """What is done within is a place as well."""
        name = cls._counted(name)
        cls._meet(name, "before")
        yield
        cls._meet(name, "after")


class DoomedIndex(Index):
    """The shared index, at whose locks this process can end itself."""

    def take(self, names: Sequence[str], **more: Any) -> list[Holding]:
        with Doomed.step("lock take"):
            return super().take(names, **more)

    def hand_over(self, run: str, *, to: str) -> None:
        with Doomed.step("lock hand_over"):
            super().hand_over(run, to=to)

    def release(self, run: str) -> None:
        with Doomed.step("lock release"):
            super().release(run)


def _conduct(order: Order, lifeline: int) -> int:
    global _clock  # noqa: PLW0603  # the function that reads it is everybody's time.time
    os.setsid()
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    folder = Path(order.folder)
    null, log = os.open(os.devnull, os.O_RDONLY), os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for to, fd in enumerate((null, log, log)):
        os.dup2(fd, to)
    os.environ.clear()
    os.environ.update(order.env)
    if order.clock:
        with Path(order.clock).open("r+b") as file:
            _clock = mmap.mmap(file.fileno(), 8)
    if order.host:
        import socket

        socket.gethostname = lambda: order.host
        tempfile.tempdir = None  # the folder for its socket is its own too, by TMPDIR
        # An flock is not seen from another host.
        door.FileLock = lambda path: FileLock(path.with_name(f"{path.name}-{order.host}"))  # type: ignore[misc,assignment]
    Doomed.order = order
    for module in (door, takers, create):
        module.SqliteJournal = Doomed  # type: ignore[attr-defined]  # the same journal, that can end its process
    if order.locks:
        locks.Index = DoomedIndex  # type: ignore[misc]
    if order.reverse:
        reverse_run(folder.parent.parent, state_of(RunDir(folder)), actor="captain", reason="a rehearsal")
        return 0
    sys.argv = ["conductor", order.folder, str(lifeline)]
    return door.main()


def _warm() -> None:
    """Import what a conductor imports late, and read the certificates once: nothing here speaks TLS."""
    import importlib
    import pkgutil

    import amplify_tui

    specs()
    for part in ("engine", "steps", "adapters", "run", "verdict", "report", "playbook"):
        package = importlib.import_module(f"amplify_tui.{part}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                with contextlib.suppress(ImportError):
                    importlib.import_module(found.name)
    for name in LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    ssl.create_default_context = functools.cache(ssl.create_default_context)
    assert amplify_tui


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def main() -> int:
    """Serve orders until stdin ends; then every child that is left is killed."""
    _warm()
    children: set[int] = set()
    lifeline, held = os.pipe()  # ends the children with us, however we end
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _say("ready")
    waiting = b""
    while True:
        readable, _, _ = select.select([0, wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 512)
        while children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            children.discard(pid)
            _say(f"ended {pid} {os.waitstatus_to_exitcode(status)}")
        if 0 not in readable:
            continue
        read = os.read(0, 65536)
        if not read:
            break
        *lines, waiting = (waiting + read).split(b"\n")
        for line in lines:
            order = msgspec.json.decode(line, type=Order)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                for fd in (wake_read, wake_write, held):
                    os.close(fd)
                os._exit(_conduct(order, lifeline))
            children.add(pid)
            _say(f"started {order.number} {pid}")
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
