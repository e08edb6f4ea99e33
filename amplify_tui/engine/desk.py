"""The conductor's desk: people's commands come in here, and go to `decide` with what only the conductor can add.

It adds the evidence of this moment to a command that is judged by it, the facts of the world to a Start, and what the
playbook's file says now to a Migrate.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import msgspec

from amplify_tui.adapters.ports import Invalid
from amplify_tui.engine import superseding, takers
from amplify_tui.engine.facts import (
    Facts,
    checks_of,
    locks_of,
    on_blind_of,
    plan_of,
    plan_problems,
    service_facts,
)
from amplify_tui.engine.journal import Fenced, Journal, JournalError
from amplify_tui.engine.proposal import Unread, propose
from amplify_tui.engine.wire import Answer, Refusal
from amplify_tui.engine.wire import encode as encode_wire
from amplify_tui.run import commands as c
from amplify_tui.run.decide import decide
from amplify_tui.run.events import EventData, RunStarted
from amplify_tui.run.shapes import Refusal as Said
from amplify_tui.run.state import State
from amplify_tui.steps.terms import triggers_of

if TYPE_CHECKING:
    from amplify_tui.engine.conductor import Conductor

Events = tuple[EventData, ...]


class Desk:
    """Answers the clients of one conductor (the `Handler` of its server)."""

    def __init__(self, run: Conductor, journal: Journal) -> None:
        self._run = run
        self._journal = journal
        self._starting = asyncio.Lock()  # from the locks to the start: who gives the draft up waits for that

    async def do(self, command: dict[str, Any]) -> Answer:
        """Carry out a person's command, or say why not."""
        try:
            order = c.decode_person(encode_wire(command))
        except c.BadCommand as error:
            return Answer(
                ok=False,
                seq=self._run.state.seq,
                refusal=Refusal("not a command", str(error), "see `amplify do --help`"),
            )
        known = self._run.scribe.known(order.id)
        if known is not None:
            return known
        try:
            async with contextlib.AsyncExitStack() as held:
                return self._run.scribe.answer(await self._completed(order, held))
        except Fenced:
            raise
        except JournalError as error:
            return Answer(
                ok=False, seq=self._run.state.seq, refusal=Refusal("nothing was done", error.what, error.next)
            )

    async def _completed(self, order: c.Person, held: contextlib.AsyncExitStack) -> c.Person:
        """What only the conductor can add: the evidence of this moment, the facts of a start, the playbook's file.

        held: what is kept until the order is answered.
        """
        match order:
            case c.Advance() | c.Override():
                return msgspec.structs.replace(order, evidence=self._run.board.evidence())
            case c.Start() if self._run.state.phase == "draft":
                return await self._start_facts(order, held)
            case c.Abort():
                await held.enter_async_context(self._starting)
                return order
            case c.Migrate():
                return await self._migration(order)
            case c.HandOver():
                mine = self._run.secrets
                return msgspec.structs.replace(order, uses=mine.uses, lacks=mine.lacks)
            case _:
                return order

    async def _start_facts(self, order: c.Start, held: contextlib.AsyncExitStack) -> c.Start:
        await self._run.look(again=True)
        if self._run.facts is None or self._run.problem:
            return msgspec.structs.replace(order, problems=(self._run.problem or "the playbook is not resolved yet",))
        facts = self._run.facts
        problems = plan_problems(self._run.state.plan)
        order = await self._earlier(order)
        assert self._run.watchers is not None
        try:
            decided = decide(self._run.state, self._with(order, facts, ()), time.time())
            if isinstance(decided, Said):
                return self._with(order, facts, ())  # refused whatever the services say, so they are not asked
        except Invalid as error:
            return msgspec.structs.replace(order, problems=(str(error),))
        self._run.watchers.start()
        await self._run.watchers.fleet_seen()
        await held.enter_async_context(self._starting)
        if self._run.state.phase != "draft":
            return order
        held.callback(self._unless_started)
        # Every sandbox is a world of its own: two demos share names, and nothing else.
        locks = () if self._run.state.sandbox else locks_of(facts.playbook, facts.names)
        if order.earlier is not None:
            return await self._taken_over(order, facts, locks, decided, problems)
        problems = problems or self._run.registrar.take(self._run.state.run, locks)
        if problems:
            return msgspec.structs.replace(order, problems=tuple(problems))
        return self._with(order, facts, locks)

    def _unless_started(self) -> None:
        if self._run.state.phase == "draft":
            self._run.registrar.put_right(self._run.state)

    async def _earlier(self, order: c.Start) -> c.Start:
        """The order with the run that is to be superseded, whatever its sender said of one."""
        earlier = None
        if name := self._run.state.supersedes:
            earlier = await asyncio.to_thread(takers.earlier_of, self._run.folder.home, name)
        return msgspec.structs.replace(order, earlier=earlier)

    async def _taken_over(
        self, order: c.Start, facts: Facts, locks: tuple[str, ...], decided: Events, problems: list[str]
    ) -> c.Start:
        """The order to start instead of an earlier run, which has ended by then, with the locks of both."""
        assert order.earlier is not None
        for event in decided:
            if isinstance(event, RunStarted) and event.inherited is not None:
                problems = problems + superseding.lacks(facts.playbook, event.inherited)
        if problems:
            return msgspec.structs.replace(order, problems=tuple(problems))
        home, registrar = self._run.folder.home, self._run.registrar
        both = _both(locks, order.earlier)
        order = await superseding.take_over(home, registrar, order, self._run.state, both)
        return order if order.problems else self._with(order, facts, _both(locks, order.earlier))

    def _with(self, order: c.Start, facts: Facts, locks: tuple[str, ...]) -> c.Start:
        """The order with what the conductor knows, and nothing that its sender may have put there."""
        return msgspec.structs.replace(order, problems=(), facts=self._started(facts, locks))

    async def _migration(self, order: c.Migrate) -> c.Migrate:
        """The order with what the file says now, whatever its sender said of it."""
        state = self._run.state
        order = msgspec.structs.replace(order, proposal=None, problems=())
        if state.phase not in ("draft", "forward"):
            return order
        try:
            found = await propose(state, self._run.folder.home)
        except Unread as error:
            return msgspec.structs.replace(order, problems=(str(error),))
        order = msgspec.structs.replace(order, proposal=found)
        if not found.course.locks or isinstance(decide(self._run.state, order, self._run.scribe.now()), Said):
            return order
        taken = self._run.registrar.take(state.run, found.course.locks)
        return msgspec.structs.replace(order, problems=tuple(taken))

    def _started(self, facts: Facts, locks: tuple[str, ...]) -> RunStarted:
        playbook = facts.playbook
        services = service_facts(playbook)
        baseline: dict[str, dict[str, str | None]] = {}
        for name, service in services.items():
            readings = {unit: self._run.board.latest(name, unit) for unit in service.instances}
            baseline[name] = {unit: r.version if r else None for unit, r in readings.items()}
        return RunStarted(
            environment=playbook.release.environment,
            subject=facts.subject,
            plan=plan_of(facts, self._run.state.plan),
            baseline=baseline,
            services=services,
            triggers=triggers_of(playbook),
            on_blind=on_blind_of(playbook),
            integrity=checks_of(playbook),
            locks=locks,
            notes=str(facts.names["release"]["notes"])[:8000],
            warnings=facts.warnings,
            trust=None if self._run.state.sandbox else self._run.trust,
        )

    def events(self, after: int, limit: int) -> list[bytes]:
        return self._journal.read(after, limit)

    def board(self) -> dict[str, Any]:
        return self._run.board.values


def _both(locks: tuple[str, ...], earlier: State | None) -> tuple[str, ...]:
    """Those of the new run and of the earlier one."""
    return tuple(dict.fromkeys((*locks, *(earlier.locks if earlier is not None else ()))))
