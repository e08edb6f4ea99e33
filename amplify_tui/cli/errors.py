"""Errors as a user meets them: what, where, why, what next, on stderr. The traceback goes to a file that is named."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Final

import click

BUG: Final = 70
BAD_USAGE: Final = 2


class Failure(click.ClickException):
    """Something the user can do something about."""

    def __init__(self, what: str, *, where: str = "", why: str = "", next_: str = "", code: int = 1) -> None:
        super().__init__(what)
        self.where = where
        self.why = why
        self.next = next_
        self.code = code

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # a class variable in click
        return self.code

    def format_message(self) -> str:
        lines = [self.message]
        lines += [f"  where: {self.where}"] if self.where else []
        lines += [f"  why:   {self.why}"] if self.why else []
        lines += [f"  next:  {self.next}"] if self.next else []
        return "\n".join(lines)

    def show(self, file: object = None) -> None:
        click.echo(f"amplify: {self.format_message()}", err=True)


def known(error: BaseException) -> Failure | None:
    """The words for an error of ours that reached the edge."""
    from amplify_tui.adapters.ports import AdapterError
    from amplify_tui.drill.world import WorldError
    from amplify_tui.engine.client import UnreachableError
    from amplify_tui.engine.journal import JournalError
    from amplify_tui.engine.rundir import PlaceError
    from amplify_tui.engine.spawn import NotStartedError

    match error:
        case JournalError() | PlaceError():
            return Failure(error.what, next_=error.next)
        case AdapterError():
            return Failure(error.what, where=error.where, next_=error.fix)
        case UnreachableError():
            return Failure(str(error), next_="`amplify resume RUN` gives the run a new conductor")
        case WorldError():
            return Failure(str(error))
        case NotStartedError():
            return _not_started(str(error))
        case OSError():
            return Failure(error.strerror or str(error), where=str(error.filename or ""), next_="mend it and try again")
        case _:
            return None


def _not_started(text: str) -> Failure:
    """The end of the log without the lines of a traceback: its last line says what went wrong."""
    what, _, log = text.partition("; its log ")
    path, _, tail = log.partition(" ends with:\n")
    why = tail.strip().rpartition("\n")[2]
    return Failure(f"no conductor: {what}", where=path, why=why, next_="mend that, then `amplify resume RUN`")


def tell(error: Exception) -> int:
    """Say what went wrong; the exit status."""
    failure = known(error)
    if failure is not None:
        failure.show()
        return failure.exit_code
    path = _log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
        where = f"; the details are in {path}"
    except OSError:
        where = ""
    sys.stderr.write(f"amplify: a bug of ours stopped this command: {type(error).__name__}{where}\n")
    return BUG


def _log_path() -> Path:
    from amplify_tui.engine.rundir import PlaceError, home

    try:
        return home() / "errors.log"
    except PlaceError:
        import tempfile

        return Path(tempfile.gettempdir()) / "amplify-errors.log"
