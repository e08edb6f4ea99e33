"""Starts a command in two moves: a process that waits, then, once it is written down who that is, the command itself.

The process is there first, with its pid and its group, and reads one byte from a pipe before it becomes the command. If
whoever started it dies in between, the pipe closes and the process ends without having run anything. So a command that
nobody wrote down never ran.

| the starter | the waiting process |
| --- | --- |
| wrote the byte | becomes the command: same pid, same group, same start time |
| died, or closed the gate | ends with 125 |

Not a `preexec_fn`: it would hold up the starter itself, and is unsafe beside threads. Not /bin/sh: it adds to the
environment, and runs what is no program as a script.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

# Python ignores SIGPIPE and SIGXFSZ, and may add LC_CTYPE (PEP 538): the command must see nothing of that.
_WAITS: Final = """
import os, signal, sys
gate, fault, names, ctype = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split("="), sys.argv[4]
if os.read(gate, 1) != b"!":
    os._exit(125)
os.close(gate)
os.set_inheritable(fault, False)
for name in ("SIGPIPE", "SIGXFSZ", "SIGXFZ"):
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
env = {name: os.environ[name] for name in names if name in os.environ}
if "LC_CTYPE" in env:
    env["LC_CTYPE"] = ctype
try:
    os.execvpe(sys.argv[5], sys.argv[5:], env)
except OSError as error:
    os.write(fault, str(error.errno).encode())
os._exit(127)
"""


class Gated:
    """A process that waits to become a command. Either `open` it or `close` it."""

    def __init__(self, process: asyncio.subprocess.Process, gate: int, fault: int) -> None:
        self.process = process
        self._gate: int | None = gate
        self._fault: int | None = fault

    async def open(self) -> None:
        """Lets the command run. Raises OSError, as a start without a gate does, where it could not be run."""
        assert self._gate is not None
        assert self._fault is not None
        with suppress(BrokenPipeError):  # somebody killed it while it waited: its exit says so
            os.write(self._gate, b"!")
        fault, self._fault = self._fault, None
        self.close()
        said = await asyncio.to_thread(_rest, fault)
        if said:
            raise OSError(int(said), os.strerror(int(said)))

    def close(self) -> None:
        """Nothing more goes through: a process that still waits ends."""
        for descriptor in (self._gate, self._fault):
            if descriptor is not None:
                os.close(descriptor)
        self._gate = self._fault = None


async def start(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: int, out: IO[bytes], err: IO[bytes]
) -> Gated:
    """The process that will be *argv*, in a session of its own. Raises OSError or ValueError where there is none."""
    below, gate = os.pipe()
    fault, above = os.pipe()
    waits = [sys.executable, "-I", "-S", "-X", "utf8", "-c", _WAITS, str(below), str(above)]
    try:
        process = await asyncio.create_subprocess_exec(
            *waits,
            "=".join(env),
            env.get("LC_CTYPE", ""),
            *argv,
            cwd=cwd,
            env=env,
            stdin=stdin,
            stdout=out,
            stderr=err,
            start_new_session=True,
            pass_fds=(below, above),
        )
    except BaseException:
        os.close(gate)
        os.close(fault)
        raise
    finally:
        os.close(below)
        os.close(above)
    return Gated(process, gate, fault)


def _rest(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read()
