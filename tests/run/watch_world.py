"""A release with monitors after its ramp: the plan, and the run that is being watched."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.shapes import PhasePlan, Plan, StagePlan, StepPlan, Watch
from amplify_tui.verdict.gate import judge
from amplify_tui.verdict.model import Expected
from amplify_tui.verdict.seen import Seen, looked
from tests.run.world import ERRORS, PLAN, STEPS, Run, readings

SOAKED = 60.0
SOAK = Watch(
    phases=(PhasePlan(target="watched for 1m", bake=SOAKED),),
    gate=(ERRORS,),
    max_wait=3 * SOAKED,
    on_fail="ask",
    summed=True,
)
WATCHED = {"soak": StepPlan(id="soak", stage="after", verb="monitor", needs=("ramp",))}
WATCHED_PLAN = replace(
    PLAN,
    stages=(*PLAN.stages, StagePlan(id="after", title="After", steps=("soak",))),
    steps=STEPS | WATCHED,
)


class Watched(Run):
    """A run whose ramp is at 100 % and done, with its first monitor open."""

    def __init__(self, plan: Plan = WATCHED_PLAN, watch: Watch = SOAK, **more: Any) -> None:
        super().__init__(plan, **more)
        self.kept: dict[str, tuple[Seen, ...]] = {}  # what the conductor knows, and the journal not yet
        self.at_full().wait(60.0).observe()
        self.begin("soak", watch=watch)
        self.ok(c.Enter, step="soak")

    def seen_now(self, step: str, kind: str, seconds: float) -> tuple[Seen, ...]:
        """What the conductor would say has been seen, after one more look at *kind* of readings."""
        current = self.step(step)
        assert current.watch is not None
        since = current.phase_at or self.now
        verdict = judge(current.watch.gate, readings(kind, self.now), Expected(since=since), self.now)
        kept = self.kept.get(step, current.seen)
        self.kept[step] = looked(kept, verdict, current.watch.gate, seconds, self.now)
        return self.kept[step]

    def watch(self, kind: str = "good", *, step: str = "soak", seconds: float = 5.0) -> tuple[ev.EventData, ...]:
        """*seconds* later one look."""
        self.wait(seconds)
        seen = self.seen_now(step, kind, seconds)
        return self.ok(c.Observe, step=step, evidence=readings(kind, self.now), accrued=1e6, seen=seen)
