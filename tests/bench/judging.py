"""Judging 200 conditions: a tick of a gate, against what any judge has to do, one comparison and one sentence each."""

from __future__ import annotations

from itertools import count
from typing import Final

from amplify_tui.engine.board import Board
from amplify_tui.playbook.model import Condition, Signal
from amplify_tui.verdict.gate import judge
from amplify_tui.verdict.model import Expected, Reading, Term, Verdict
from amplify_tui.verdict.words import against
from tests.bench.measure import Table, Target, by_turns, timed

CONDITIONS: Final = 200
EVERY: Final = 5.0
START: Final = 1_000_000.0


class World:
    """A board with five minutes of readings of each signal, all of them well."""

    def __init__(self) -> None:
        signal = Signal(golden="errors", source="prom", bad="b", total="t")
        self.names = [f"errors-{number}" for number in range(CONDITIONS)]
        condition = {name: Condition(signal=name, above=0.01, for_=30.0) for name in self.names}
        self.terms = [Term(id=name, condition=condition[name], signal=signal) for name in self.names]
        self.board = Board()
        self.now = START
        for _ in range(61):
            self.news()

    def news(self) -> None:
        """One poll of every signal."""
        self.now += EVERY
        for name in self.names:
            at = {"data_at": self.now, "received_at": self.now, "window_from": self.now - 30.0, "window_to": self.now}
            reading = Reading(signal=name, source="prom", status="ok", value=0.001, n=300.0, bad=0.1, total=100.0, **at)
            self.board.signal(reading)

    def tick(self, later: float = 0.0) -> Verdict:
        return judge(self.terms, self.board.evidence(), Expected(since=START - 60.0), self.now + later)

    def least(self) -> list[str]:
        """The newest value of each against its limit, in words."""
        said = []
        for name in self.names:
            reading = self.board.signal_reading(name)
            assert reading is not None
            value, limit = against(reading.value or 0.0, 0.01, "share")
            said.append(f"{name} {value}, limit {limit}: {'bad' if (reading.value or 0.0) > 0.01 else 'good'}")
        return said


def tables() -> list[Table]:
    """One tick, with and without news."""
    world = World()
    assert world.tick().answer == "pass"
    moment = count()

    def with_news() -> float:
        world.news()
        return timed(world.tick)()

    ways = {
        "compare and say": timed(world.least),
        "a tick without news": timed(lambda: world.tick(0.01 * (next(moment) % 100))),
        "a tick with news of all": with_news,
    }
    samples = by_turns(ways, rounds=20)
    targets = (Target("a tick without news", "compare and say", 10.0),)
    note = "A tick comes each second, the news of a signal each 5 s."
    return [Table("judge", f"Judging {CONDITIONS} conditions", samples, targets, note)]
