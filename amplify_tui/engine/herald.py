"""Telling stakeholders by itself what their `about` asks for: holds, triggers, rollback. Best effort, never in the way.

What a playbook announces on purpose is a `notify` step, with receipts and corrections; this is the rest. It is sent
once, by the conductor that saw it happen, and is not repeated after a crash: a message that is lost delays nothing.
What waits for a person is told again every five minutes while nobody looks at the run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from amplify_tui.adapters.ports import AdapterError, Announcement, Done, Notifier
from amplify_tui.engine.world import LiveWorld
from amplify_tui.run import events as ev
from amplify_tui.run.events import EventData
from amplify_tui.run.reminders import ALARM_S, EVERY_S, overdue, waiting
from amplify_tui.run.state import State

SEND_S: Final = 15.0
FIRST_CONDUCTOR: Final = 2  # the epoch of the first one: who made the run had the lease before

_log = logging.getLogger(__name__)


def message_of(state: State, data: EventData) -> tuple[str, str] | None:
    """What an event is about, and its sentence; None for one that nobody has to hear of."""
    match data:
        case ev.HoldPlaced():
            return "hold", f"held: {data.reason}"
        case ev.StepStuck():
            return "problem", f"{data.step} is stuck: {data.detail}"
        case ev.TriggerFired():
            asks = "; it asks what to do" if data.mode == "ask" else ""
            return "trigger", f"trigger {data.trigger} fired: {data.evidence}{asks}"
        case ev.MitigationStarted():
            return "rollback", f"exposure is being taken away: {data.reason}"
        case ev.MitigationDone():
            return "restored", "exposure is off, verified"
        case ev.RollbackStarted():
            return "rollback", f"rolling back: {data.reason or 'a person decided so'}"
        case ev.RunClosed():
            words = data.outcome.replace("_", " ")
            return ("restored" if "rolled" in data.outcome else "done"), f"the run is closed: {words}"
        case _:
            return None


class Herald:
    """Sends messages in the background, one task at a time for each event."""

    def __init__(self, world: LiveWorld) -> None:
        self._world = world
        self._tasks: set[asyncio.Task[None]] = set()
        self._told_at: dict[str, float] = {}

    def told(self, state: State, events: Sequence[EventData]) -> None:
        """Send what these events mean to those who asked for it by name. A dry run tells nobody."""
        if state.mode == "dry":
            return
        for data in events:
            message = message_of(state, data)
            if message is None:
                continue
            about, words = message
            self._tell(state, about, words, f"{state.run}/{about}/{state.seq}")

    def begun(self, state: State) -> None:
        """Send that a run which is rolling back from its first event on has begun: nobody conducted it then."""
        if (state.reverses or state.is_derived) and state.conductor.epoch == FIRST_CONDUCTOR:
            self.told(state, (ev.RollbackStarted(scope="full", plan=(), reason=state.rollback_reason),))

    def remind(self, state: State, now: float, *, followed: bool) -> None:
        """Say again what has waited since it was last said: for a person five minutes, under `hold`; to be taken back
        one, under `rollback`.

        followed: somebody has the run before them; the minutes begin when the last one goes.
        """
        if state.mode == "dry":
            return
        asked, late = waiting(state), overdue(state)
        # A clock that was set back would keep it from being said until it is where it was.
        before = {name: min(at, now) for name, at in self._told_at.items()}
        self._told_at = {name: now if followed else before.get(name, now) for name in (*asked, *late)}
        for about, every, said in (("hold", EVERY_S, asked), ("rollback", ALARM_S, late)):
            for name, words in said.items():
                if now - self._told_at[name] >= every:
                    self._told_at[name] = now
                    self._tell(state, about, words, f"{state.run}/{about}/{name}/{now:.0f}")

    def _tell(self, state: State, about: str, words: str, idem: str) -> None:
        for name, stakeholder in self._world.playbook.stakeholders.items():
            if about in stakeholder.about:
                sending = self._send(state, name, about, words, f"{idem}/{name}")
                task = asyncio.create_task(sending, name=f"tell {name}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _send(self, state: State, name: str, about: str, words: str, idem: str) -> None:
        version = state.subject.version if state.subject else ""
        announcement = Announcement(
            event=about,
            run=state.run,
            subject=f"{state.plan.name} {version}: {about}",
            body=words,
            idem=idem,
        )
        try:
            notifier: Notifier = self._world.notifier(name)
            async with asyncio.timeout(SEND_S):
                outcome = await notifier.send(announcement)
        except (AdapterError, TimeoutError) as error:
            _log.warning("%s was not told of %s: %s", name, about, error)
            return
        if not isinstance(outcome, Done):
            _log.warning("%s was not told of %s: %s", name, about, outcome)

    async def close(self, within: float = SEND_S) -> None:
        """Give what is on its way so many seconds, then let it go."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=within)
            for task in late:
                task.cancel()
