"""What migrating a run to its playbook's file would change, before anybody orders it: in a shell and in the cockpit."""

from __future__ import annotations

import time

from amplify_tui.cli.errors import Failure
from amplify_tui.engine.rundir import home
from amplify_tui.run.commands import Migrate
from amplify_tui.run.migration import difference
from amplify_tui.run.select.possible import refusal_beforehand
from amplify_tui.run.select.words import safe
from amplify_tui.run.state import State
from amplify_tui.tui.client import Offer

SHORT = 4
MOST = 200


async def offer(state: State) -> Offer:
    """What another text would change, and why it would be refused as the run stands. Raises Failure: no such text.

    The file is read, and nothing else happens. Whether it may be is the door's word, as it would be for the order.
    """
    from amplify_tui.engine.proposal import Unread, propose  # the YAML reader: nobody else pays for it

    if state.phase not in ("draft", "forward"):
        raise Failure(
            "there is nothing to migrate", why="only a draft or a run that goes forward has steps to come", code=1
        )
    try:
        proposal = await propose(state, home())
    except Unread as error:
        raise Failure(
            "the run keeps its playbook", why=str(error), next_="mend the file: `amplify check` names every problem"
        ) from error
    sha = proposal.course.bundle.sha256
    if sha == state.bundle_sha:
        return Offer(sha256="", lines=("the file is as it was pinned",))
    order = Migrate(id="", actor="", via="cli", sha256=sha, proposal=proposal)
    refused = refusal_beforehand(state, order, time.time())
    lines = tuple(safe(line, MOST) for line in difference(state, proposal)) or ("only words and comments differ",)
    if proposal.trust is not None:
        lines += tuple(safe(f"not trusted: {doubt}; it takes a reason", MOST) for doubt in proposal.trust.doubts)
    return Offer(sha256=sha, lines=lines, refusal=str(refused) if refused is not None else "")


def told(state: State, found: Offer) -> str:
    """The offer as text, with the order that takes it."""
    if not found.sha256:
        return found.lines[0]
    head = f"pinned {state.bundle_sha[:SHORT]}, file is {found.sha256[:SHORT]}: {state.playbook}"
    last = (
        f"it would be refused: {found.refusal}"
        if found.refusal
        else f"nothing has changed yet; to go by it: amplify do {state.run} migrate {found.sha256}"
    )
    return "\n".join([safe(head, 400), *(f"  {line}" for line in found.lines), safe(last, 2000)])
