"""From a line of the agenda to the worker's act, or to the conductor's order that it stands for."""

from __future__ import annotations

from collections.abc import Callable

from amplify_tui.engine.drifts import Drifts
from amplify_tui.engine.effects import Effects
from amplify_tui.engine.facts import Facts
from amplify_tui.engine.looks import Looks
from amplify_tui.engine.undoing import Undoing
from amplify_tui.engine.worker import Worker
from amplify_tui.engine.world import LiveWorld
from amplify_tui.run import commands as c
from amplify_tui.run.agenda import Todo
from amplify_tui.verdict.model import Evidence


class Hands:
    """Who does the work on one run: forward, back, and looking."""

    def __init__(self, effects: Effects, facts: Facts, world: LiveWorld, evidence: Callable[[], Evidence]) -> None:
        self.effects = effects
        self.worker = Worker(effects, evidence)
        self.undoing = Undoing(effects)
        self.looks = Looks(effects, facts)
        self.drifts = Drifts(effects, world)


async def run_errand(todo: Todo, hands: Hands) -> bool:
    """Do *todo*; whether anything came of it. Raises what the work raises."""
    submit, looks = hands.effects.submit, hands.looks
    match todo:
        case Todo(kind="begin", step=step) if step is not None:
            return await hands.worker.begin(step)
        case Todo(kind="drive", step=step) if step is not None:
            return await hands.worker.drive(step)
        case Todo(kind="probe", effect=effect) if effect is not None:
            return await looks.probe(effect)
        case Todo(kind="poll", effect=effect) if effect is not None:
            return await looks.poll(effect)
        case Todo(kind="stop", effect=effect) if effect is not None:
            return await hands.undoing.stop(effect)
        case Todo(kind="reread", effect=effect) if effect is not None:
            return await looks.reread(effect)
        case Todo(kind="mend", name=hold):
            return await hands.drifts.mend(hold)
        case Todo(kind="undo", item=item) if item is not None:
            return await hands.undoing.take_back(item)
        case Todo(kind="retry", step=step) if step is not None:
            submit(c.Retry, step=step.step, key=step.key, reason="by its retries")
        case Todo(kind="integrity", name=name):
            when = "baseline" if hands.effects.state.phase == "forward" else "after"
            verdict, detail = await looks.integrity(name)
            submit(c.Judged, check=name, verdict=verdict, when=when, detail=detail)
        case Todo(kind="traffic", item=item, effect=effect) if item is not None and effect is not None:
            seen = looks.traffic(item, effect)
            if seen is None:
                return False
            submit(c.Judged, check=effect.id, verdict=seen.verdict, when="traffic", detail=seen.detail)
        case Todo(kind="backwards", name=service):
            verdict, detail = await looks.backwards(service)
            submit(c.Judged, check=service, verdict=verdict, when="backwards", detail=detail)
        case Todo(kind="expire", name=name):
            submit(c.Expire, what=name)
        case Todo(kind="mitigated"):
            submit(c.Mitigated)
        case Todo(kind="close"):
            submit(c.Close)
        case _:
            return False
    return True
