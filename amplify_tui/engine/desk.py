"""The conductor's desk: people's commands come in here, and go to `decide` with what only the conductor can add.

It adds the evidence of this moment to a command that is judged by it, and the facts of the world to a Start.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from amplify_tui.adapters.ports import Invalid
from amplify_tui.engine.facts import Facts, lasting, locks_of, plan_problems, service_facts, titles_of
from amplify_tui.engine.journal import Fenced, Journal, JournalError
from amplify_tui.engine.wire import Answer, Refusal
from amplify_tui.engine.wire import encode as encode_wire
from amplify_tui.playbook.model import Condition, Trigger
from amplify_tui.run import commands as c
from amplify_tui.run.decide import decide
from amplify_tui.run.events import RunStarted
from amplify_tui.run.plan import resolved_plan
from amplify_tui.run.shapes import OnBlindPlan, TriggerSpec
from amplify_tui.run.shapes import Refusal as Said
from amplify_tui.steps.terms import term_of

if TYPE_CHECKING:
    from amplify_tui.engine.conductor import Conductor


class Desk:
    """Answers the clients of one conductor (the `Handler` of its server)."""

    def __init__(self, run: Conductor, journal: Journal) -> None:
        self._run = run
        self._journal = journal

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
            return self._run.scribe.answer(await self._completed(order))
        except Fenced:
            raise
        except JournalError as error:
            return Answer(
                ok=False, seq=self._run.state.seq, refusal=Refusal("nothing was done", error.what, error.next)
            )

    async def _completed(self, order: c.Person) -> c.Person:
        """What only the conductor can add: the evidence of this moment, the facts of a start."""
        match order:
            case c.Advance() | c.Override():
                return msgspec.structs.replace(order, evidence=self._run.board.evidence())
            case c.Start() if self._run.state.phase == "draft":
                return await self._start_facts(order)
            case _:
                return order

    async def _start_facts(self, order: c.Start) -> c.Start:
        await self._run.look(again=True)
        if self._run.facts is None or self._run.problem:
            return msgspec.structs.replace(order, problems=(self._run.problem or "the playbook is not resolved yet",))
        facts = self._run.facts
        problems = plan_problems(self._run.state.plan)
        assert self._run.watchers is not None
        try:
            if isinstance(decide(self._run.state, self._with(order, facts, ()), time.time()), Said):
                return self._with(order, facts, ())  # refused whatever the services say, so they are not asked
        except Invalid as error:
            return msgspec.structs.replace(order, problems=(str(error),))
        self._run.watchers.start()
        await self._run.watchers.fleet_seen()
        # Every sandbox is a world of its own: two demos share names, and nothing else.
        locks = () if self._run.state.sandbox else locks_of(facts.playbook, facts.names)
        problems += self._run.registrar.take(self._run.state.run, locks)
        if problems:
            return msgspec.structs.replace(order, problems=tuple(problems))
        return self._with(order, facts, locks)

    def _with(self, order: c.Start, facts: Facts, locks: tuple[str, ...]) -> c.Start:
        """The order with what the conductor knows, and nothing that its sender may have put there."""
        return msgspec.structs.replace(order, problems=(), facts=self._started(facts, locks))

    def _started(self, facts: Facts, locks: tuple[str, ...]) -> RunStarted:
        playbook = facts.playbook
        services = service_facts(playbook)
        baseline: dict[str, dict[str, str | None]] = {}
        for name, service in services.items():
            readings = {unit: self._run.board.latest(name, unit) for unit in service.instances}
            baseline[name] = {unit: r.version if r else None for unit, r in readings.items()}
        triggers: list[TriggerSpec] = []
        for i, t in enumerate(playbook.rollback.when, 1):
            name = t.builtin or t.signal or f"trigger{i}"
            name = name if name not in {spec.id for spec in triggers} else f"{name}-{i}"
            term = term_of(t.builtin or _condition(t), playbook, name)
            triggers.append(
                TriggerSpec(id=name, term=term, mode=t.mode, answer_within=t.answer_within, then=t.then, scope=t.scope)
            )
        on_blind = playbook.rollback.on_blind
        return RunStarted(
            environment=playbook.release.environment,
            subject=facts.subject,
            plan=resolved_plan(
                self._run.state.plan,
                facts.document.structure(),
                playbook,
                titles_of(playbook, facts.names),
                lasting(playbook, facts.names),
            ),
            baseline=baseline,
            services=services,
            triggers=tuple(triggers),
            on_blind=OnBlindPlan(after=on_blind.after, do=on_blind.do),
            integrity=tuple(s.id for s in playbook.rollback.integrity),
            locks=locks,
            notes=str(facts.names["release"]["notes"])[:8000],
            warnings=facts.warnings,
            trust=None if self._run.state.sandbox else self._run.trust,
        )

    def events(self, after: int, limit: int) -> list[bytes]:
        return self._journal.read(after, limit)

    def board(self) -> dict[str, Any]:
        return self._run.board.values


def _condition(trigger: Trigger) -> Condition:
    """The condition alone: what a judge needs, and what is journaled."""
    return Condition(**{name: getattr(trigger, name) for name in Condition.__struct_fields__})
