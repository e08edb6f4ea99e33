"""Runs a team's own command: in a group of its own, with a known environment, a time limit and all its output.

A command is an argv, never a line for a shell (`Shell` is the one, explicit exception, and values reach it
through the environment only). It may outlive the conductor: it prints into files, and its record
(pidfile.py) says who it is. One with a record does not begin before the record is on the disk (gate.py).

| situation | what happens to the command's group |
| --- | --- |
| it ends by itself | nothing; `left_running` says whether somebody stayed behind |
| its time is up | SIGTERM, `grace` seconds, SIGKILL |
| the caller is cancelled | the same, before the cancellation goes on |
| the conductor is killed | nothing: the record tells the next one |
| the conductor is killed before the record is written | the command never begins |
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from amplify_tui.adapters import gate, pidfile
from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.output import Collector, Follower, OnLine, Redact
from amplify_tui.adapters.ports import AdapterError, Conflict, Forbidden, Invalid, NotFound, Unreachable

GRACE: Final = 2.0
_POLL: Final = 0.05

# What a command may see of our environment. Everything else, above all tokens, is named in the playbook's
# `env:`.
_INHERITED: Final = frozenset(
    {
        "HOME",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "LANG",
        "LOGNAME",
        "NO_PROXY",
        "PATH",
        "SHELL",
        "SSH_AUTH_SOCK",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TMPDIR",
        "TZ",
        "USER",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
    }
)


class Shell(Struct, frozen=True):
    """A line for /bin/sh, written out as such in the playbook. It holds no values: they come by the environment."""

    text: str


class Finished(Struct, frozen=True, kw_only=True):
    """How a command ended.

    exit: its status, or minus the signal that ended it. text: the end of what it printed on both streams,
    cleaned. stdout: the beginning of its standard output alone, not cleaned, for a parser;
    `is_stdout_whole` says if that is all.
    """

    exit: int
    text: str
    stdout: str
    is_stdout_whole: bool
    timed_out: bool
    killed: bool
    left_running: bool
    duration: float


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """What a command's environment holds: the few of ours that it may see, and *extra* over them."""
    ours = os.environ.items()
    kept = {name: value for name, value in ours if name.upper() in _INHERITED or name.startswith("LC_")}
    return {**kept, **extra}


async def run(
    command: Sequence[str] | Shell,
    *,
    timeout: float,  # noqa: ASYNC109 - the command is ended by it, with a grace
    cwd: Path = Path(),
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    log: Path | None = None,
    record: Path | None = None,
    on_line: OnLine | None = None,
    redact: Redact = str,
    grace: float = GRACE,
) -> Finished:
    """Runs *command* to its end, whatever its status.

    log: a file for its cleaned lines ("! " before those of stderr); beside it `.out` and `.err` hold the
    raw output while it runs. record: where its pid is kept, and in the end its exit (pidfile.py). on_line gets each
    line as it comes, up to 1 MiB of them. redact is applied to everything that leaves here. Raises NotFound, Forbidden,
    Invalid, Conflict (the record is refused) or Unreachable (it cannot be written) where nothing was started.
    """
    argv = ["/bin/sh", "-c", command.text] if isinstance(command, Shell) else list(command)
    began = time.monotonic()
    with ExitStack() as files:
        out, err = (_raw_file(files, log, suffix) for suffix in ("out", "err"))
        written = files.enter_context(log.open("w", encoding="utf-8")) if log else None
        collector = Collector(written, on_line)
        followers = (Follower(out, "out", collector, redact), Follower(err, "err", collector, redact))
        start = _Start(argv, cwd, environment(env or {}), _source(files, stdin), out, err)
        process = await start.begin(gated=record is not None)
        attendance = _Attendance(process, followers, began + timeout, grace)
        try:
            if record is not None:
                await start.release(record, time.time() + timeout + grace)
            await attendance.until_ended()
        finally:
            start.close()
            await attendance.make_sure_it_ended()
            for follower in followers:
                follower.finish()
            collector.close()
            _forget(log)
        if record is not None and not attendance.timed_out:
            with suppress(OSError):  # a full disk takes nothing from what is known here
                pidfile.ended(record, _status(process))
    return _finished(process, attendance, followers[0], str(collector.tail), time.monotonic() - began)


def _finished(
    process: asyncio.subprocess.Process, attendance: _Attendance, stdout: Follower, text: str, duration: float
) -> Finished:
    return Finished(
        exit=_status(process),
        text=text,
        stdout=stdout.head,
        is_stdout_whole=stdout.is_head_whole,
        timed_out=attendance.timed_out,
        killed=attendance.killed,
        left_running=not attendance.timed_out and pidfile.signal_group(process.pid, 0),
        duration=duration,
    )


def left_output(log: Path, redact: Redact = str) -> str:
    """The end of what a command printed whose conductor died; its raw files are removed, its lines are in *log*.

    "" where there is none. Call it once the command is gone (`pidfile.wait_gone`).
    """
    if not any(_raw_path(log, stream).exists() for stream in ("out", "err")):
        return ""
    with log.open("a", encoding="utf-8") as written:
        collector = Collector(written, None)
        for stream, path in (("out", _raw_path(log, "out")), ("err", _raw_path(log, "err"))):
            if not path.exists():
                continue
            with path.open("r+b") as raw:
                Follower(raw, "err" if stream == "err" else "out", collector, redact).finish()
            path.unlink()
        collector.close()
        return str(collector.tail)


class _Attendance:
    """Watches one running command until it has ended, and ends it when its time is up."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        followers: Sequence[Follower],
        deadline: float,
        grace: float,
    ) -> None:
        self._process = process
        self._followers = followers
        self._deadline = deadline
        self._grace = grace
        self.timed_out = False
        self.killed = False

    async def until_ended(self) -> None:
        """Returns once the command has ended; after a timeout once its whole group has."""
        ended = asyncio.create_task(self._process.wait(), name="wait for a command")
        try:
            while not ended.done():
                await asyncio.wait({ended}, timeout=_POLL)
                self._look()
            while self.timed_out and not self.killed and pidfile.signal_group(self._process.pid, 0):
                await asyncio.sleep(_POLL)
                self._look()
        finally:
            ended.cancel()

    async def make_sure_it_ended(self) -> None:
        """No orphan, however we leave: a cancelled caller, a callback that raised. Does nothing after a good end."""
        if self._process.returncode is not None:
            if self.timed_out:
                pidfile.signal_group(self._process.pid, signal.SIGKILL)
            return
        pidfile.signal_group(self._process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(self._grace):
                await self._process.wait()
        except TimeoutError:
            self.killed = True
        finally:
            pidfile.signal_group(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    def _look(self) -> None:
        for follower in self._followers:
            follower.poll()
        now = time.monotonic()
        if not self.timed_out and now >= self._deadline and self._process.returncode is None:
            self.timed_out = True
            pidfile.signal_group(self._process.pid, signal.SIGTERM)
        elif self.timed_out and not self.killed and now >= self._deadline + self._grace:
            self.killed = True
            pidfile.signal_group(self._process.pid, signal.SIGKILL)


class _Start:
    """The start of one command: at once, or at a gate that opens when its record is written."""

    def __init__(
        self, argv: list[str], cwd: Path, env: dict[str, str], stdin: int, out: IO[bytes], err: IO[bytes]
    ) -> None:
        self._name = _checked(argv, cwd)
        self._argv, self._cwd, self._env = argv, cwd, env
        self._stdin, self._out, self._err = stdin, out, err
        self._gated: gate.Gated | None = None

    async def begin(self, *, gated: bool) -> asyncio.subprocess.Process:
        """The process; a gated one runs nothing before `release`. Raises AdapterError."""
        with self._in_words():
            if gated:
                self._gated = await gate.start(
                    self._argv, cwd=self._cwd, env=self._env, stdin=self._stdin, out=self._out, err=self._err
                )
                return self._gated.process
            return await asyncio.create_subprocess_exec(
                *self._argv,
                cwd=self._cwd,
                env=self._env,
                stdin=self._stdin,
                stdout=self._out,
                stderr=self._err,
                start_new_session=True,
            )

    async def release(self, record: Path, deadline: float) -> None:
        """Writes the record, then lets the command run. Raises AdapterError: nothing ran."""
        assert self._gated is not None
        try:
            pidfile.remember(record, self._gated.process.pid, deadline)
        except FileExistsError as refused:
            fix = "another conductor went on without it"
            raise Conflict(f"{self._name} was given up before it was started", fix=fix) from refused
        except OSError as full:
            why = os.strerror(full.errno) if full.errno else "no record"
            raise Unreachable(f"{self._name} is not started: its record cannot be written: {why}") from full
        with self._in_words():
            await self._gated.open()

    def close(self) -> None:
        """Whoever still waits at the gate goes home."""
        if self._gated is not None:
            self._gated.close()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        name = self._name
        try:
            yield
        except FileNotFoundError as missing:
            raise NotFound(
                f"there is no program {name!r}", where=str(self._cwd), fix="check argv and PATH"
            ) from missing
        except PermissionError as refused:
            raise Forbidden(f"{name!r} may not be run", where=str(self._cwd), fix=f"chmod +x {name}") from refused
        except (OSError, ValueError) as broken:  # not an executable format, an argument too long or with a NUL
            raise _unstartable(name, broken) from broken


def _checked(argv: list[str], cwd: Path) -> str:
    """The program's name, to speak of; raises where there is none, or no directory to run it in."""
    if not argv or not argv[0]:
        raise Invalid("there is no command to run", fix="argv needs at least a program")
    if not cwd.is_dir():
        raise NotFound("there is no such directory to run in", where=str(cwd), fix="check cwd")
    return clean(argv[0], 120)


def _unstartable(name: str, broken: Exception) -> AdapterError:
    why = os.strerror(broken.errno) if isinstance(broken, OSError) and broken.errno else str(broken)
    return Invalid(f"{name!r} could not be started: {why}", fix="a script needs a #! line")


def _status(process: asyncio.subprocess.Process) -> int:
    if process.returncode is None:
        raise AssertionError("a command is only reported once it has ended")
    return process.returncode


def _raw_path(log: Path, suffix: str) -> Path:
    return log.with_name(f"{log.name}.{suffix}")


def _raw_file(files: ExitStack, log: Path | None, suffix: str) -> IO[bytes]:
    """A file that only its owner may read, open for appending (see `Follower.poll` on why)."""
    raw: IO[bytes]
    if log is None:
        raw = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    else:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
        raw = files.enter_context(os.fdopen(os.open(_raw_path(log, suffix), flags, 0o600), "w+b"))
    fcntl.fcntl(raw, fcntl.F_SETFL, fcntl.fcntl(raw, fcntl.F_GETFL) | os.O_APPEND)
    return raw


def _source(files: ExitStack, text: str | None) -> int:
    """What the command reads: nothing, or a file. A pipe could block on a command that does not read."""
    if text is None:
        return asyncio.subprocess.DEVNULL
    source = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    source.write(text.encode("utf-8", "replace"))
    source.seek(0)
    return source.fileno()


def _forget(log: Path | None) -> None:
    if log is not None:
        _raw_path(log, "out").unlink(missing_ok=True)
        _raw_path(log, "err").unlink(missing_ok=True)
