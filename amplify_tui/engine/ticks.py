"""The ticks of gates and triggers: readings to `decide`, at a steady pace. Triggers first, then gates.

What a bake has accrued is measured here, between one tick and the next, from the readings; `decide` bounds it by the
clock and journals it. A new conductor starts from what was journaled: the time nobody watched counts for nothing.
"""

from __future__ import annotations

from msgspec.structs import replace

from amplify_tui.engine.board import Board
from amplify_tui.engine.scribe import Scribe, new_id
from amplify_tui.run import commands as c
from amplify_tui.run.agenda import Todo
from amplify_tui.run.decide.guards import expected_world
from amplify_tui.run.decide.observe import judge_step
from amplify_tui.run.shapes import GateNow
from amplify_tui.run.state import StepState
from amplify_tui.steps.registry import verb
from amplify_tui.steps.verb import watched
from amplify_tui.verdict.bake import accrue
from amplify_tui.verdict.conditions import COUNTED_S, looks_back
from amplify_tui.verdict.fleet import upheaval
from amplify_tui.verdict.model import Evidence, Verdict
from amplify_tui.verdict.seen import Seen, looked


class Ticks:
    """Remembers, per open phase, up to when it has looked, how much the bake has accrued and what it has shown."""

    def __init__(self, scribe: Scribe, board: Board) -> None:
        self._scribe = scribe
        self._board = board
        self._last: dict[str, float] = {}
        self._bakes: dict[str, tuple[float, float, float]] = {}
        self._seen: dict[str, tuple[float, float, tuple[Seen, ...]]] = {}

    def tick(self, todo: Todo, now: float, every: float) -> None:
        """One observation or sense, if the last is at least *every* seconds ago."""
        if now - self._last.get(todo.id, 0.0) < every:
            return
        self._last[todo.id] = now
        if todo.step is not None:
            self._observe(todo.step, now)
        else:
            for trigger in self._scribe.state.triggers.values():
                self._board.keep(looks_back(trigger.spec.term))
            self._scribe.submit(c.Sense(id=new_id(), actor="conductor", via="trigger", evidence=self._board.evidence()))

    def _observe(self, step: StepState, now: float) -> None:
        current = self._scribe.state.steps[step.ref]
        if current.watch is None or current.phase_at is None or current.status not in ("observing", "stuck"):
            return
        # While a phase waits, requests are counted: a slow service needs all of it for its number of samples.
        self._board.keep(max([min(current.watch.max_wait, COUNTED_S), *map(looks_back, current.watch.gate)]))
        evidence = self._board.evidence()
        accrued, broken_by, upset = self._accrued(current, evidence, now)
        verdict, seen = current.verdict, current.seen
        if now >= current.settle_until:
            verdict = judge_step(self._scribe.state, current, evidence, now)
            seen = self._looked(current, verdict, now)
            self._board.gate(current.ref, GateNow(verdict=verdict, accrued=accrued, at=now, seen=seen))
        self._scribe.submit(
            c.Observe(
                id=new_id(),
                actor="conductor",
                via="engine",
                step=step.step,
                key=step.key,
                evidence=evidence,
                accrued=accrued,
                broken_by=upset or broken_by,
                starts_over=bool(upset),
                outputs=watched(verb(self._scribe.state.plan_of(current).verb), replace(current, seen=seen), verdict),
                seen=seen,
            )
        )

    def _looked(self, step: StepState, verdict: Verdict, now: float) -> tuple[Seen, ...]:
        """What a watch has shown so far, this look included. A new conductor goes on from what was journaled."""
        if step.watch is None or not step.watch.summed:
            return ()
        begun = step.phase_at or now
        phase_at, upto, seen = self._seen.get(step.ref, (-1.0, 0.0, ()))
        if phase_at != begun:
            upto, seen = max(step.settle_until, step.accrued_at), step.seen
        seen = looked(seen, verdict, step.watch.gate, now - upto, now)
        self._seen[step.ref] = (begun, now, seen)
        return seen

    def _accrued(self, step: StepState, evidence: Evidence, now: float) -> tuple[float, str, str]:
        """The bake of the open phase so far, the condition that stops it, and what makes it start over.

        Nothing is added while a condition fails; what an instance that was restarted had shown is lost.
        """
        assert step.watch is not None
        begun = step.phase_at or now
        phase_at, upto, seconds = self._bakes.get(step.ref, (-1.0, 0.0, 0.0))
        if phase_at != begun:
            upto, seconds = max(step.settle_until, step.accrued_at), step.accrued
        if now <= upto:
            return seconds, "", ""
        expected = expected_world(self._scribe.state, step, begun)
        found = accrue(step.watch.gate, evidence, expected, upto, now, now)
        upset = upheaval(evidence, expected, upto, now)
        seconds = 0.0 if upset else seconds + found.seconds
        self._bakes[step.ref] = (begun, now, seconds)
        return seconds, found.broken_by or "", upset
