"""The monitors in the background, a line each: what their gates say and when they end."""

from __future__ import annotations

from msgspec import Struct

from amplify_tui.run.forecast import forecast, late_words
from amplify_tui.run.select.gate import phase_progress, phase_sign
from amplify_tui.run.select.stages import in_order
from amplify_tui.run.select.words import Sign, safe
from amplify_tui.run.state import State


class MonitorRow(Struct, frozen=True):
    """`▶ soak  pass  04:51/2:00:00`, when it ends at the earliest, and in words how much too late that is."""

    ref: str
    sign: Sign
    word: str
    progress: str
    ends: float | None
    late: str


def monitor_rows(state: State, now: float, shown: str = "") -> tuple[MonitorRow, ...]:
    """One for each monitor in the background, in the playbook's order; not for the step *shown* anyway."""
    rows = []
    for step in in_order(state):
        if not step.in_background or step.ref == shown:
            continue
        answer = step.verdict.answer if step.verdict is not None else "not judged yet"
        blind = step.verdict is not None and step.verdict.answer in ("blind", "error")
        ends = forecast(state, step, now)
        rows.append(
            MonitorRow(
                ref=safe(step.ref, 24),
                sign="unknown" if blind and step.status == "observing" else phase_sign(state, step),
                word=answer,
                progress=phase_progress(state, step),
                ends=ends.ends if ends is not None else None,
                late=safe(late_words(ends), 120) if ends is not None else "",
            )
        )
    return tuple(rows)
