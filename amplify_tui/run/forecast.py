"""When a monitor will have ended, against the window and the freeze that the release has to keep to. Pure.

Always at the earliest: its time counts only while there is evidence. What is known of the window is what a `window`
step of this run gave out; without one there is nothing to be late for.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from amplify_tui.run.state import State, StepState
from amplify_tui.verdict.words import duration

UNTOLD_S: Final = 30.0  # a bake is journaled this often


class Closing(Struct, frozen=True):
    """When the window closes (Unix seconds), and the freeze that closes it; "" where its hours end."""

    at: float
    freeze: str = ""

    @property
    def name(self) -> str:
        """`the window closes`, or `the freeze Christmas begins`."""
        return f"the freeze {self.freeze} begins" if self.freeze else "the window closes"


class Forecast(Struct, frozen=True):
    """ends: Unix seconds, at the earliest. begun: False where it would, if it began now. stands: no time counts."""

    ends: float
    lasts: float
    begun: bool
    stands: bool = False
    closing: Closing | None = None

    @property
    def late(self) -> float:
        """Seconds after the closing of the window at which it ends; 0 where it ends in time."""
        return max(0.0, self.ends - self.closing.at) if self.closing is not None else 0.0


def forecast(state: State, step: StepState, now: float) -> Forecast | None:
    """The end of a monitor, as it looks at *now*; None of another step, of one that is over, and of an unknown time."""
    plan = state.plan_of(step)
    if plan.verb != "monitor" or step.is_over or state.phase not in ("draft", "forward"):
        return None
    if step.phase_at is not None and step.watch is not None:
        stands = step.verdict is not None and step.verdict.answer in ("fail", "blind", "error")
        # What has been watched since the journal last said so may count: this is about the earliest end.
        since = max(step.accrued_at, step.settle_until)
        untold = 0.0 if stands else min(UNTOLD_S, max(0.0, now - since))
        left = max(0.0, step.need - step.accrued - untold)
        ends = max(now, step.settle_until) + left
        return Forecast(ends, left, begun=True, stands=stands, closing=closing(state, step.started_at or now))
    if plan.lasts is None:
        return None
    return Forecast(now + plan.lasts, plan.lasts, begun=False, closing=closing(state, now))


def closing(state: State, since: float) -> Closing | None:
    """When the window closes that was open at *since*; where all had closed by then, the last of them. None: never."""
    found = []
    for step in state.steps.values():
        until = step.outputs.get("until")
        if state.plan_of(step).verb == "window" and step.status == "succeeded" and isinstance(until, (int, float)):
            found.append(Closing(float(until), str(step.outputs.get("freeze") or "")))
    open_ = [one for one in found if one.at > since]
    if open_:
        return min(open_, key=lambda one: one.at)
    return max(found, key=lambda one: one.at, default=None)


def late_words(said: Forecast) -> str:
    """`32m after the window closes`; empty where it ends in time, or by less than the minute that a forecast knows."""
    if said.closing is None or said.late < 60.0:
        return ""
    return f"{duration(60.0 * round(said.late / 60.0))} after {said.closing.name}"


def forecast_words(said: Forecast) -> str:
    """`ends in 1h55m at the earliest, 32m after the window closes`: for a reader anywhere, so without a clock."""
    late = late_words(said)
    if not said.begun:
        return f"lasts {duration(said.lasts)}" + (f": begun now it would end {late}" if late else "")
    stands = "; its clock stands still meanwhile" if said.stands else ""
    return f"ends in {duration(said.lasts)} at the earliest" + (f", {late}" if late else "") + stands


def begin_by(lasts: float, closes: Closing) -> str:
    """`to end before the window closes (Fri 28 Nov 16:00 UTC) it has to begin by 14:00`: true whenever it is read."""
    end, begin = (datetime.fromtimestamp(at, tz=UTC) for at in (closes.at, closes.at - lasts))
    day = "%H:%M" if begin.date() == end.date() else "%a %d %b %H:%M"
    return f"to end before {closes.name} ({end:%a %d %b %H:%M} UTC) it has to begin by {begin.strftime(day)}"
