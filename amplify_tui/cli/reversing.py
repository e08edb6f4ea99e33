"""Taking back a run that is closed, from the command line: what would go back, and the run that does it."""

from __future__ import annotations

import click

from amplify_tui.cli.common import give_conductor
from amplify_tui.cli.errors import Failure
from amplify_tui.engine.rundir import RunDir, home
from amplify_tui.run.shapes import WORDS_BAND, Refusal
from amplify_tui.run.state import State


def reverse(closed: State, *, reason: str, until_band: int = WORDS_BAND) -> RunDir:
    """The run that takes *closed* back, with a conductor. Raises Failure with what keeps it from beginning."""
    from amplify_tui.engine.create import default_actor
    from amplify_tui.engine.reversing import reverse_run

    found = reverse_run(home(), closed, actor=default_actor(), reason=reason, until_band=until_band)
    if isinstance(found, Refusal):
        raise Failure(found.what, why=found.why, next_=found.next)
    what = f"reverses run {closed.run}" if closed.run else "takes back what was derived"
    click.echo(f"run {found.run} {what}", err=True)
    give_conductor(found)
    return found
