"""The half of a verb that changes nothing: no tasks, so nothing to intend, act, probe or undo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from amplify_tui.adapters.ports import Outcome, Probe
from amplify_tui.run.shapes import UndoItem
from amplify_tui.run.state import EffectState
from amplify_tui.steps.verb import Context, Draft, Task


class Quiet:
    """Base of the verbs that only wait, look or judge. Asking one of them for an effect is a bug, and raises."""

    async def tasks(self, fields: Any, ctx: Context, phase: int) -> Sequence[Sequence[Task]]:
        return ()

    async def intend(self, task: Task, ctx: Context) -> Draft | None:
        self._nothing()

    async def act(self, draft: Draft, ctx: Context) -> Outcome:
        self._nothing()

    async def probe(self, effect: EffectState, ctx: Context) -> Probe:
        self._nothing()

    async def undo(self, item: UndoItem, ctx: Context) -> Task:
        self._nothing()

    def _nothing(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} has no effects")
