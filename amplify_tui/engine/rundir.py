"""Where everything of a run lies: AMPLIFY_HOME, a run's directory, its socket. No SQLite and no asyncio here.

    AMPLIFY_HOME/
      index.db                    index.py; can be rebuilt from what follows
      runs/<run id>/
        journal.db inbox.db       sqlite_journal.py, inbox.py
        head                      the last (seq, sha256), kept outside the journal's file
        conductor.json            the process that conducts, its socket, and which secrets it lacks
        lock                      its flock is held by the conductor: free means dead
        log  evidence/
        readings.jsonl              readings.py: what the signals said, for `backtest`
        <run id>.rollback.md        card_file.py: how to take it back by hand

Everything is 0700 or 0600. The socket lies elsewhere, for its path must be short.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from amplify_tui.engine.journal import EMPTY, Head
from amplify_tui.engine.proc import Mark

SOCKET_PATH_MAX: Final = 103  # bytes, macOS; Linux has 107
_log = logging.getLogger(__name__)
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HEAD_LINE: Final = re.compile(r"(\d{20}) ([0-9a-f]{64})\n")


class PlaceError(Exception):
    """A directory that Amplify needs cannot be used. `what` says which and why, `next` what to do.

    PlaceError
    ├── NoHome        there is no place for data
    ├── NoRun         no run of this name, or no possible name of a run
    └── NotPrivate    no directory for sockets that only this user can reach
    """

    def __init__(self, what: str, advice: str) -> None:
        self.what = what
        self.next = advice
        super().__init__(f"{what}. {advice}.")


class NoHome(PlaceError):
    """There is no place for data."""


class NoRun(PlaceError):
    """No run of this name, or no possible name of a run."""


class NotPrivate(PlaceError):
    """No directory for sockets that only this user can reach."""


class Conductor(Struct, frozen=True):
    """What conductor.json says: who conducts, and where it listens.

    uses: the names of the secrets that the run uses, as far as they are known. lacks: those without a value there.
    """

    mark: Mark
    socket: str
    uses: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


class HeadFile:
    """The outside witness of a journal: its last (seq, sha256), overwritten in place after each append.

    One write of 86 bytes into an existing file: it needs no new block, so it also works on a full disk. It is not
    synced: after a power cut it may be older than the journal, which is harmless; it never is newer than a commit.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def write(self, head: Head) -> None:
        """Remember `head`. The caller has compared the journal with the last one before its first append.

        Never raises for a disk: the event is committed already, and a caller that saw an error would not know it.
        """
        try:
            if self._fd is None:
                self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            os.pwrite(self._fd, f"{head.seq:020d} {head.sha}\n".encode("ascii"), 0)
        except OSError as error:
            _log.warning("%s could not be written (%s): a lost end of the journal may go unnoticed", self._path, error)

    def read(self) -> Head | None:
        """The remembered head; None when there is none, or it cannot be read (which proves nothing)."""
        try:
            found = _HEAD_LINE.match(self._path.read_text("ascii", "replace"))
        except FileNotFoundError:
            return None
        return Head(seq=int(found[1]), sha=found[2]) if found else None

    def close(self) -> None:
        """Close the file. Doing it twice is fine."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)


class RunDir:
    """The directory of one run. Making this object touches no disk; `create` and `find` do."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home = path.parent.parent
        self.run = path.name
        self.journal = path / "journal.db"
        self.inbox = path / "inbox.db"
        self.lock = path / "lock"
        self.log = path / "log"
        self.evidence = path / "evidence"
        self.readings = path / "readings.jsonl"
        self.card = path / f"{path.name}.rollback.md"
        self.head = HeadFile(path / "head")
        self._conductor = path / "conductor.json"

    @classmethod
    def create(cls, home_dir: Path, run: str) -> RunDir:
        """Make the directory of a new run. Raises NoRun for an impossible id and FileExistsError for a taken one."""
        made = cls(_runs(home_dir) / _checked(run))
        _private(made.path.parent)
        made.path.mkdir(mode=0o700)
        made.evidence.mkdir(mode=0o700)
        made.head.write(EMPTY)  # its block is taken now: a full disk cannot refuse it later
        made.head.close()
        return made

    @classmethod
    def find(cls, home_dir: Path, run: str) -> RunDir:
        """The directory of a run that exists. Raises NoRun."""
        found = cls(_runs(home_dir) / _checked(run))
        if not found.path.is_dir():
            raise NoRun(f"there is no run {run} under {home_dir}", "`amplify runs` lists the runs that are there")
        return found

    @classmethod
    def all(cls, home_dir: Path) -> Iterator[RunDir]:
        """Every run there is, sound or not, by name. No file of a run is opened."""
        folder = _runs(home_dir)
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            if entry.is_dir() and _RUN_ID.fullmatch(entry.name):
                yield cls(entry)

    def conductor(self) -> Conductor | None:
        """What the last conductor wrote about itself; None when none did. It may be dead: see proc.lives."""
        try:
            return msgspec.json.decode(self._conductor.read_bytes(), type=Conductor)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write_conductor(self, conductor: Conductor) -> None:
        """Say who conducts, atomically: a reader sees the old file or the new one."""
        draft = self._conductor.with_suffix(".tmp")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(msgspec.json.encode(conductor))
        draft.replace(self._conductor)

    def sockets(self) -> list[Path]:
        """Where to look for this run's conductor: the likely place last. Raises NotPrivate when there is none.

        What the conductor said is likelier than our own idea: a client of another login may have another TMPDIR.
        """
        said = self.conductor()
        if said is None:
            return [self.own_socket()]
        with contextlib.suppress(NotPrivate):
            own = self.own_socket()
            return [own, Path(said.socket)] if own != Path(said.socket) else [own]
        return [Path(said.socket)]

    def own_socket(self) -> Path:
        """Where a conductor started now would listen; the folder is made. Raises NotPrivate."""
        name = hashlib.sha256(os.fsencode(self.path.absolute())).hexdigest()[:16]
        return sockets_dir() / f"{name}.sock"


def home() -> Path:
    """AMPLIFY_HOME, or the platform's folder for user data; made with mode 0700. Raises NoHome."""
    said = os.environ.get("AMPLIFY_HOME", "")
    if said:
        path = Path(said)
        if said.startswith("~"):
            raise NoHome(f"AMPLIFY_HOME is {said!r}, and nobody expanded the ~", "Write the whole path")
    elif os.environ.get("HOME") == "":
        raise NoHome("HOME is empty", "Set HOME, or set AMPLIFY_HOME to the folder where runs shall be kept")
    else:
        import platformdirs

        path = Path(platformdirs.user_data_dir("amplify", appauthor=False))
    if not path.is_absolute():
        wrong = f"AMPLIFY_HOME is {said!r}, which is" if said else f"this user has no home directory: {path} is"
        raise NoHome(f"{wrong} not an absolute path", "Set AMPLIFY_HOME to an absolute path, such as /var/lib/amplify")
    try:
        _private(path)
    except OSError as error:
        raise NoHome(
            f"{path} cannot be used for data: {error.strerror}", "Set AMPLIFY_HOME to a folder that you may write"
        ) from error
    return path


def sockets_dir() -> Path:
    """A short folder, owned by this user with mode 0700, made if need be. Raises NotPrivate.

    The temporary folder comes first: logind removes XDG_RUNTIME_DIR at the user's last logout, and the conductor has
    to outlive that. XDG_RUNTIME_DIR serves where somebody else sits on our name, or TMPDIR is too long.
    """
    import tempfile

    problems: list[str] = []
    candidates = [Path(tempfile.gettempdir()) / f"amplify-{os.getuid()}"]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        candidates.append(Path(runtime) / "amplify")
    for folder in candidates:
        problem = _unfit_for_sockets(folder)
        if problem is None:
            return folder
        problems.append(f"{folder} {problem}")
    raise NotPrivate(
        f"no folder for sockets: {'; '.join(problems)}", "Set TMPDIR to a short folder that only you may write"
    )


def _unfit_for_sockets(folder: Path) -> str | None:
    """Why `folder` cannot hold sockets, after trying to make it; None when it can."""
    longest = len(os.fsencode(folder)) + len("/0123456789abcdef.sock")
    if longest > SOCKET_PATH_MAX:
        return f"makes a socket's path {longest} bytes long, {SOCKET_PATH_MAX} are possible"
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError as error:
        return f"cannot be made: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode):
        return "is not a folder (or is a symbolic link)"
    if found.st_uid != os.getuid():
        return f"belongs to user {found.st_uid}"
    if found.st_mode & 0o077:
        return f"has mode {stat.S_IMODE(found.st_mode):04o}, not 0700"
    return None


def private_umask() -> None:
    """Make every file of this process private from now on: the first act of a conductor."""
    os.umask(0o077)


def _runs(home_dir: Path) -> Path:
    return home_dir / "runs"


def _private(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)


def _checked(run: str) -> str:
    if not _RUN_ID.fullmatch(run):
        raise NoRun(f"{run!r} is no name of a run", "A run's name has letters, digits, '.', '_' and '-', up to 100")
    return run
