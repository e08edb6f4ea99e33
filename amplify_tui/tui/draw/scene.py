"""What a drawing function is given: the view, the room it has, and what the screen adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from amplify_tui.run.select.stages import current
from amplify_tui.run.state import State, StepState
from amplify_tui.tui.text import Line
from amplify_tui.tui.view import View


@dataclass(frozen=True, slots=True)
class Scene:
    """*cursor* names what is selected (a step, a condition, an undo item); *extra* is the panel's own text."""

    view: View = field(default_factory=View)
    width: int = 80
    height: int = 24
    cursor: str = ""
    extra: str = ""

    @property
    def state(self) -> State:
        return self.view.state

    @property
    def step(self) -> StepState | None:
        """The selected step; without a selection the one that matters now."""
        return selected_step(self.state, self.cursor)


Draw = Callable[[Scene], list[Line]]


def selected_step(state: State, cursor: str) -> StepState | None:
    """The step *cursor* names; where it names none, the one that matters now."""
    named = next((step for ref, step in state.steps.items() if ref == cursor), None)
    return named or current(state)


def window(lines: list[Line], at: int, height: int) -> list[Line]:
    """The part of *lines* that fits into *height* and shows line *at*."""
    first = first_shown(len(lines), at, height)
    return lines[first : first + height] if len(lines) > height else lines


def first_shown(total: int, at: int, height: int) -> int:
    """Which of *total* lines comes first where *height* of them are shown and line *at* is to be among them."""
    return min(max(0, at - height // 2), max(0, total - height))
