"""The rules of every kind whose flags are lists of strategies: FlagRules over the neutral state. Pure, no I/O.

A kind says what it cannot hold by `cannot_hold`, and who gets a flag by its own evaluator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, assert_never

from amplify_tui.adapters.flags import plan as planning
from amplify_tui.adapters.flags import state as states
from amplify_tui.adapters.flags import undo as undoing
from amplify_tui.adapters.flags.port import Already, Diverged, Evaluates, Expose, FlagSpec, Off, State, Wish
from amplify_tui.adapters.ports import FlagState, FlagWrite, Invalid


class StrategyRules(ABC):
    """FlagRules on lists of strategies."""

    def state(self, key: str, env: str, raw: State) -> FlagState:
        return states.flag_state(key, env, raw)

    def plan(self, state: FlagState, wish: Wish) -> FlagWrite:
        match wish:
            case Expose():
                write = planning.expose(state, wish.percent, wish.strategy)
            case Off():
                return planning.switch_off(state)  # the brake: nothing may refuse it
            case FlagSpec():
                write = planning.target(state, wish)
            case _:
                assert_never(wish)
        if reason := self.cannot_hold(write):
            raise Invalid(f"{state.key}: {reason}", where=state.env)
        return write

    def cannot_hold(self, write: FlagWrite) -> str:
        """Why this kind cannot hold what is planned, and what to write instead; "" where it can."""
        return ""

    def undo(self, before: State, after: State, now: FlagState) -> FlagWrite | Already | Diverged:
        return undoing.restore(before, after, now)

    def same(self, one: State, other: State) -> bool:
        return states.same(one, other)

    def fingerprint(self, raw: State) -> str:
        return states.fingerprint(raw)

    def exposed(self, raw: State) -> float:
        return states.exposed(raw)

    def ramped(self, state: FlagState, raw: State, strategy: str | None) -> float:
        if not raw["enabled"]:
            return 0.0
        chosen = planning.the_rollout(state, strategy)
        found = next((one for one in raw["strategies"] if _is_that(one, chosen)), None)
        share = states.percent(found) if found is not None and not found.get("disabled") else 0.0
        return 100.0 if share is None else share

    def widens(self, before: State, after: State) -> bool:
        return planning.widens(before, after)

    def differences(self, expected: State, now: State) -> tuple[str, ...]:
        return undoing.differences(expected, now)

    def half_done(self, before: State, after: State) -> list[State]:
        return []

    @abstractmethod
    def evaluator(self, states: Sequence[FlagState]) -> Evaluates:
        """Who gets the flags of *states*. Raises Invalid where that cannot be told."""


def _is_that(one: dict[str, Any], chosen: dict[str, Any]) -> bool:
    """Whether two objects are the same strategy: by id, and where a kind gives none, by what it is called."""
    if chosen.get("id"):
        return bool(one.get("id") == chosen["id"])
    return not one.get("id") and (one["name"], one.get("title")) == (chosen["name"], chosen.get("title"))
