"""Before a command without a run asks what a playbook names: does anybody vouch for it, and what would it reach."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import click

from amplify_tui.engine.rundir import home
from amplify_tui.engine.trust import look_at
from amplify_tui.playbook.document import Document
from amplify_tui.run.decide.trust import unasked
from amplify_tui.run.select.words import safe
from amplify_tui.run.shapes import Refusal, Trust
from amplify_tui.run.trust import reach_lines


def refused(document: Document, inputs: Mapping[str, Any], *, untrusted: bool) -> Refusal | None:
    """Why nothing may be asked of what *document* names; all that it would reach is then shown on stderr.

    None where it may. Nothing but git and the runs of this home is looked at. A sandbox has no exception: only a run
    knows that it is one.
    """
    trust = _looked_at(document, inputs)
    refusal = unasked(trust, untrusted=untrusted)
    if refusal is not None:
        for line in ("all that it names:", *reach_lines(trust.reach)):
            click.echo(f"  {safe(line, 1000)}", err=True)
    return refusal


def doubted(document: Document, inputs: Mapping[str, Any]) -> None:
    """Say on stderr that nobody vouches for *document*, where it is so, and go on: a brake waits for no commit."""
    if (refusal := unasked(_looked_at(document, inputs), untrusted=False)) is not None:
        click.echo(f"careful: {safe(refusal.why, 1000)}", err=True)


def _looked_at(document: Document, inputs: Mapping[str, Any]) -> Trust:
    given = {name: inputs.get(name, spec.default) for name, spec in document.inputs.items()}
    names = {"inputs": {name: value for name, value in given.items() if value is not None}}
    return asyncio.run(look_at(document, names, home()))
