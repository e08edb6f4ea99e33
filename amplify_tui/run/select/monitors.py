"""The monitors in the background, a line each: what their gates say and how long they still watch."""

from __future__ import annotations

from msgspec import Struct

from amplify_tui.run.select.gate import phase_progress, phase_sign
from amplify_tui.run.select.stages import in_order
from amplify_tui.run.select.words import Sign, safe
from amplify_tui.run.state import State
from amplify_tui.run.watching import time_left
from amplify_tui.verdict.words import duration


class MonitorRow(Struct, frozen=True):
    """`▶ soak  pass  04:51/2:00:00  1h55m left`."""

    ref: str
    sign: Sign
    word: str
    progress: str
    ends: str


def monitor_rows(state: State, now: float, shown: str = "") -> tuple[MonitorRow, ...]:
    """One for each monitor in the background, in the playbook's order; not for the step *shown* anyway."""
    rows = []
    for step in in_order(state):
        if not step.in_background or step.ref == shown:
            continue
        answer = step.verdict.answer if step.verdict is not None else "not judged yet"
        blind = step.verdict is not None and step.verdict.answer in ("blind", "error")
        rows.append(
            MonitorRow(
                ref=safe(step.ref, 24),
                sign="unknown" if blind and step.status == "observing" else phase_sign(state, step),
                word=answer,
                progress=phase_progress(state, step),
                ends=f"{duration(time_left(step))} left",
            )
        )
    return tuple(rows)
