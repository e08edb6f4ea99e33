"""The conductor's process: `python -m amplify_tui.engine RUN_DIRECTORY [DEATH_PIPE_FD]`.

Exit status: 0 when the run is closed, 75 when another conductor has it, 1 when it cannot be driven (the log says why).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from amplify_tui.engine.journal import Fenced, JournalError, LeaseHeld
from amplify_tui.engine.lease import Keeper, acquire, hold
from amplify_tui.engine.proc import FileLock
from amplify_tui.engine.rundir import PlaceError, RunDir, private_umask
from amplify_tui.engine.server import SocketTakenError
from amplify_tui.engine.spawn import watch_parent
from amplify_tui.engine.sqlite_journal import SqliteJournal

REPLACED = 75

_log = logging.getLogger("amplify.conductor")


async def conduct(folder: RunDir, journal: SqliteJournal, death_pipe: int | None) -> None:
    """Take the lease, by takeover where its holder is dead, and drive the run."""
    if death_pipe is not None:
        watch_parent(death_pipe, parent=os.getppid())
    keeper = await _lease(folder, journal)
    from amplify_tui.engine.conductor import Conductor

    conductor = Conductor(folder, journal, keeper)
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: task.cancel() if task else None)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # a closed terminal is no reason to stop
    await conductor.run()


async def _lease(folder: RunDir, journal: SqliteJournal) -> Keeper:
    lock = FileLock(folder.lock)
    try:
        return acquire(journal, lock)
    except LeaseHeld:
        from amplify_tui.engine.succession import succeed

        await succeed(folder)
        return await hold(journal, lock)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]


def main() -> int:
    """Run the conductor of the directory in argv."""
    private_umask()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "httpcore", "UnleashClient", "apscheduler"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    folder = RunDir(Path(sys.argv[1]))
    death_pipe = int(sys.argv[2]) if len(sys.argv) > 2 else None
    try:
        journal = SqliteJournal.open_writer(folder.journal, folder.run, folder.head.write)
    except JournalError as error:
        _log.error("%s", error)
        return 1
    with contextlib.closing(journal):
        return _status_of(lambda: asyncio.run(conduct(folder, journal, death_pipe)))


def _status_of(work: Callable[[], None]) -> int:
    """The exit status that *work* comes to; what ended it is in the log, in words, with a traceback only for a bug."""
    try:
        work()
    except asyncio.CancelledError:
        return 0
    except (LeaseHeld, Fenced, SocketTakenError) as error:
        _log.warning("%s", error)
        return REPLACED
    except (JournalError, PlaceError, OSError) as error:
        _log.error("%s", error)
        return 1
    except BaseExceptionGroup as group:
        leaves = _leaves(group)
        if any(isinstance(leaf, Fenced) for leaf in leaves):
            _log.warning("another conductor took the run over")
            return REPLACED
        if not all(isinstance(leaf, (JournalError, OSError)) for leaf in leaves):
            raise
        for leaf in leaves:
            _log.error("%s", leaf)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
