"""A release with monitors after its ramp: the plan, and the run that is being watched."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.shapes import PhasePlan, Plan, StagePlan, StepPlan, Watch
from amplify_tui.run.state import State, StepRef, StepState
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
BEHIND = replace(SOAK, background=True)
WATCHED_PLAN = replace(
    PLAN,
    stages=(*PLAN.stages, StagePlan(id="after", title="After", steps=("soak",))),
    steps=STEPS | WATCHED,
)


IN_BACKGROUND = {
    # Two monitors watch at once, `purge` goes on meanwhile, and `finish` waits for the end of the first.
    "soak": StepPlan(id="soak", stage="after", verb="monitor", needs=("ramp",)),
    "burn": StepPlan(id="burn", stage="after", verb="monitor", needs=("soak",)),
    "purge": StepPlan(id="purge", stage="after", verb="command", needs=("burn",), skippable=True),
    "finish": StepPlan(id="finish", stage="end", verb="command", needs=("soak", "burn", "purge"), named=("soak",)),
}
BACKGROUND_PLAN = replace(
    PLAN,
    stages=(
        *PLAN.stages,
        StagePlan(id="after", title="After", steps=("soak", "burn", "purge")),
        StagePlan(id="end", title="End", steps=("finish",)),
    ),
    steps=STEPS | IN_BACKGROUND,
)


def seen_now(
    run: Run, step: StepState, kind: str, seconds: float = 5.0, kept: tuple[Seen, ...] | None = None
) -> tuple[Seen, ...]:
    """What the conductor would say that a monitor has seen, after one more look at *kind* of readings."""
    assert step.watch is not None
    if not step.watch.summed:
        return ()
    verdict = judge(step.watch.gate, readings(kind, run.now), Expected(since=step.phase_at or run.now), run.now)
    return looked(step.seen if kept is None else kept, verdict, step.watch.gate, seconds, run.now)


class Watched(Run):
    """A run whose ramp is at 100 % and done, with its first monitor open."""

    def __init__(self, plan: Plan = WATCHED_PLAN, watch: Watch = SOAK, **more: Any) -> None:
        super().__init__(plan, **more)
        self.kept: dict[str, tuple[Seen, ...]] = {}  # what the conductor knows, and the journal not yet
        self.at_full().wait(60.0).observe()
        self.begin("soak", watch=watch)
        self.ok(c.Enter, step="soak")

    def watch(self, kind: str = "good", *, step: str = "soak", seconds: float = 5.0) -> tuple[ev.EventData, ...]:
        """*seconds* later one look."""
        self.wait(seconds)
        seen = self.kept[step] = seen_now(self, self.step(step), kind, seconds, self.kept.get(step))
        return self.ok(c.Observe, step=step, evidence=readings(kind, self.now), accrued=1e6, seen=seen)


def in_background() -> Watched:
    """Both monitors of the plan watch, and what follows them has not begun."""
    run = Watched(BACKGROUND_PLAN, BEHIND)
    run.begin("burn", watch=BEHIND)
    run.ok(c.Enter, step="burn")
    return run


def at_purge() -> Watched:
    """Both monitors watch, and `purge` has made its effect."""
    run = in_background()
    run.begin("purge")
    run.intend("purge")
    run.outcome()
    return run


LASTS = {name: replace(BACKGROUND_PLAN.steps[name], lasts=SOAKED) for name in ("soak", "burn")}


def opened(run: Run, until: float | None, freeze: str = "", name: str = "hours") -> State:
    """The state as a window step has left it."""
    plan = StepPlan(id=name, stage="go", verb="window")
    step = replace(run.step("agree"), step=name, outputs={"until": until, "freeze": freeze})
    steps: dict[StepRef, Any] = {**run.state.steps, StepRef(name): step}
    return replace(
        run.state, plan=replace(run.state.plan, steps=run.state.plan.steps | {name: plan} | LASTS), steps=steps
    )
