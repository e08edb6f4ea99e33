"""The palette (ctrl+p): every action, panel and run, from the same table as the keys."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from amplify_tui.run.select.words import safe
from amplify_tui.tui.acts import home
from amplify_tui.tui.acts.table import PALETTE_ONLY
from amplify_tui.tui.keys import KEYS
from amplify_tui.tui.screens.home import HomeScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from amplify_tui.tui.app import Cockpit

_HIDDEN = frozenset({"up", "down", "page_up", "page_down", "back"})


class Commands(Provider):
    """Finds acts by label and meaning, and runs by id, playbook and version."""

    @property
    def _cockpit(self) -> Cockpit:
        return cast("Cockpit", self.app)

    def _entries(self) -> Iterator[tuple[str, str, Callable[[], None]]]:
        app = self._cockpit
        for name, key in KEYS.items():
            if name not in _HIDDEN:
                yield f"{key.label} ({key.name})", key.tip, partial(app.action_act, name)
        for name, (label, tip) in PALETTE_ONLY.items():
            yield label, tip, partial(app.action_act, name)
        for screen in app.screen_stack:
            for run in screen.runs if isinstance(screen, HomeScreen) else ():
                label = safe(f"run {run.run[:8]} {run.playbook} {run.version}", 80)
                yield label, safe(run.word, 80), partial(home.attach, app, run.run)

    async def discover(self) -> Hits:
        for label, tip, act in self._entries():
            yield DiscoveryHit(label, act, help=tip)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for label, tip, act in self._entries():
            score = max(matcher.match(label), matcher.match(tip) * 0.8)
            if score > 0:
                yield Hit(score, matcher.highlight(label), act, help=tip)
