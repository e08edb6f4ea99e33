"""The real services that tests run against, each a context manager on a free loopback port.

    with postgres() as pg, unleash(pg.create("flags")) as flags: ...
    python -m tests.real.services --fetch     fetches everything into the cache, starts nothing

They work as root and as anybody else, and a killed test run leaves none of them behind (Linux: the kernel ends them
with their parent; PR_SET_PDEATHSIG follows the *thread* that spawned them, so start them from the main thread). What
the machine cannot have raises install.Unavailable.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real.install import (
    NOBODY,
    Unavailable,
    node,
    node_sdk_tree,
    postgres_tree,
    prometheus_tree,
    unleash_tree,
)

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL cluster of our own, superuser `postgres`, no password, loopback only."""

    port: int
    bin: Path
    env: Mapping[str, str]

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def sql(self, text: str, database: str = "postgres") -> str:
        argv: list[str | Path] = [
            self.bin / "psql",
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            self.url(database),
            "-c",
            text,
        ]
        done = subprocess.run(argv, check=True, cwd="/", env=self.env, capture_output=True, text=True)
        return str(done.stdout).strip()

    def create(self, database: str, template: str = "template1") -> str:
        """A new database; its URL."""
        self.sql(f'create database "{database}" template "{template}"')
        return self.url(database)


@dataclass(frozen=True)
class Unleash:
    """A running Unleash with its tokens."""

    url: str
    pid: int
    admin: str = "*:*.adminsecret"
    client: str = "default:development.clientsecret"
    client_production: str = "default:production.clientsecret"

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While this lasts it accepts connections and does not answer."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@dataclass(frozen=True)
class Prometheus:
    url: str
    pid: int
    data: Path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def postgres() -> Iterator[Postgres]:
    bindir = postgres_tree() / "bin"
    root = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has at most 107 bytes
    user: dict[str, Any] = {}
    if os.geteuid() == 0:  # initdb and postgres refuse root
        os.chown(root, NOBODY, NOBODY)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LD_"))} | {"TZ": "UTC"}
    data = root / "data"
    try:
        initdb: list[str | Path] = [
            bindir / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(
            [*initdb, "--no-sync", "--no-instructions"],
            check=True, cwd="/", env=env, stdout=subprocess.DEVNULL, **user,
        )  # fmt: skip
        port = free_port()
        server = [bindir / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", root]
        for setting in ("fsync=off", "synchronous_commit=off", "full_page_writes=off"):
            server += ["-c", setting]

        def ready() -> bool:
            with suppress(OSError):
                lines = (data / "postmaster.pid").read_text().split("\n")
                return len(lines) > 7 and lines[7].strip() == "ready"
            return False

        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for its clients.
        with running(
            "postgres", server, ready, root / "log", end=signal.SIGINT, orphan=signal.SIGQUIT, env=env, **user
        ):
            yield Postgres(port, bindir, env)
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def unleash(database_url: str) -> Iterator[Unleash]:
    tree, port = unleash_tree(), free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith(("UNLEASH_", "DATABASE_", "NODE_", "INIT_"))}
    env |= {"UNLEASH_PORT": str(port), "UNLEASH_DB": database_url, "LOG_LEVEL": "warn", "NODE_ENV": "production"}
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="unleash-") as scratch:
        argv = [node(), "start.mjs"]
        with running("unleash", argv, answers(f"{url}/health"), Path(scratch) / "log", env=env, cwd=tree) as child:
            yield Unleash(url, child.pid)


@contextmanager
def prometheus(
    config: str, *, openmetrics: str = "", rules: str = "", web: str = "", retention: str = ""
) -> Iterator[Prometheus]:
    """Prometheus with *config* (YAML; `SELF` in it becomes its own address, `RULES` the file of *rules*).

    *openmetrics* back-fills its storage first: history without waiting for it. *web*: its own web.config.file (TLS and
    users); the URL is then https.
    """
    bindir = prometheus_tree()
    with tempfile.TemporaryDirectory(prefix="prom-") as scratch:
        root, port = Path(scratch), free_port()
        (root / "rules.yml").write_text(rules or "groups: []\n")
        told = config.replace("SELF", f"127.0.0.1:{port}").replace("RULES", str(root / "rules.yml"))
        (root / "config.yml").write_text(told)
        if openmetrics:
            (root / "history").write_text(openmetrics)
            backfill: list[str | Path] = [bindir / "promtool", "tsdb", "create-blocks-from", "openmetrics"]
            subprocess.run([*backfill, root / "history", root / "data"], check=True, capture_output=True)
        argv = [bindir / "prometheus", f"--config.file={root / 'config.yml'}", f"--storage.tsdb.path={root / 'data'}"]
        argv += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
        argv += [f"--storage.tsdb.retention.time={retention}"] if retention else []
        url, ready = f"http://127.0.0.1:{port}", answers(f"http://127.0.0.1:{port}/-/ready")
        if web:
            (root / "web.yml").write_text(web)
            argv.append(f"--web.config.file={root / 'web.yml'}")
            url, ready = f"https://127.0.0.1:{port}", listens(port)
        with running("prometheus", argv, ready, root / "log", env=dict(os.environ)) as child:
            yield Prometheus(url, child.pid, root / "data")


def answers(url: str) -> Callable[[], bool]:
    """A check whether *url* answers 200."""

    def check() -> bool:
        with suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
        return False

    return check


def listens(port: int) -> Callable[[], bool]:
    """A check whether anything listens there."""

    def check() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    return check


@contextmanager
def running(
    name: str,
    argv: list[Any],
    ready: Callable[[], bool],
    log: Path,
    *,
    env: Mapping[str, str],
    cwd: Path = Path("/"),
    end: int = signal.SIGTERM,
    orphan: int = signal.SIGKILL,
    **user: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """One child process, from the moment *ready* says so until the end of the block."""
    with log.open("wb") as out:
        child = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent(orphan), **user,  # noqa: PLW1509  (nothing else ties its life to ours)
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 90
        while not ready():
            if child.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"{name} did not start (exit {child.poll()}): {log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield child
        if child.poll() is not None:  # else its death shows only as refusals, in tests that are not at fault
            raise RuntimeError(f"{name} ended by itself with {child.returncode}: {log.read_text()[-2000:]}")
    finally:
        _stop(child, end)


def _stop(child: subprocess.Popen[bytes], end: int) -> None:
    if child.poll() is None:
        child.send_signal(end)
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _die_with_parent(sig: int) -> Callable[[], None]:
    """A preexec_fn; Python calls it after setuid, which matters: a change of user clears the kernel's setting."""
    parent = os.getpid()

    def hook() -> None:
        os.setsid()  # a Ctrl-C in the terminal goes to pytest alone, which ends its children in order
        if _libc is not None:
            _libc.prctl(1, int(sig), 0, 0, 0)  # PR_SET_PDEATHSIG
            if os.getppid() != parent:
                os._exit(1)

    return hook


def fetch() -> dict[str, str]:
    """Fill the cache; what each part is, or why it cannot be had."""
    found: dict[str, str] = {}
    parts = {
        "postgres": postgres_tree,
        "unleash": unleash_tree,
        "node sdk": node_sdk_tree,
        "prometheus": prometheus_tree,
    }
    for name, get in parts.items():
        try:
            found[name] = str(get())
        except Unavailable as why:
            found[name] = f"unavailable: {why}"
    return found


if __name__ == "__main__":
    if sys.argv[1:] != ["--fetch"]:
        raise SystemExit("usage: python -m tests.real.services --fetch")
    for part, where in fetch().items():
        print(f"{part}: {where}")
