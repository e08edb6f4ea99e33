"""The outside world of one run, as its playbook names it: each adapter made once, on first use, and closed at the end.

Secrets are put in here, at the last moment; nothing that leaves this module towards the journal or a screen holds one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amplify_tui.adapters.flags.kills import Kills
from amplify_tui.adapters.git.repo import GitRepo
from amplify_tui.adapters.ports import FlagProvider, Invalid, MetricSource, Notifier, Outcome
from amplify_tui.engine.board import Board
from amplify_tui.engine.facts import Facts
from amplify_tui.engine.secret_values import Secrets
from amplify_tui.playbook.context import reveal
from amplify_tui.playbook.model import Source
from amplify_tui.verdict.model import Evidence

if TYPE_CHECKING:
    from amplify_tui.adapters.flags.port import FlagKind, FlagWatcher
    from amplify_tui.adapters.poll import Target

DEFAULT_TIMEOUT_S = 3.0


class LiveWorld:
    """Implements `steps.verb.World` on the real adapters. run: the run whose conductor this is; "" for none."""

    def __init__(self, facts: Facts, run_dir: Path, board: Board, run: str = "") -> None:
        self.playbook = facts.playbook
        self.run_dir = run_dir
        self.repo_path = facts.root
        self.playbook_dir = Path(facts.document.path).parent
        self.names = facts.names
        self._repo = facts.repo
        self._board = board
        self._secrets = Secrets(run)
        self._flags: dict[str, FlagProvider] = {}
        self._kills: dict[str, Kills] = {}
        self._metrics: dict[str, MetricSource] = {}
        self._fresh_look: list[Looker] = []

    def git(self) -> GitRepo:
        return self._repo

    def evidence(self) -> Evidence:
        return self._board.now_only()

    def reveal(self, text: str) -> str:
        return reveal(text, self._secrets)

    def flags(self, source: str) -> FlagProvider:
        """The provider of a source's flags. Raises Invalid for a name that is none, NoSecret: one has no value."""
        if source not in self._flags:
            from amplify_tui.adapters.flags.port import Opening

            spec = self._source(source)
            opening = Opening(
                name=source,
                source=spec,
                environment=spec.environment or self.playbook.release.environment,
                reveal=self.reveal,
                base=self.repo_path,
            )
            self._flags[source] = self.flag_kind(source).open(opening)
        return self._flags[source]

    async def kill(self, source: str, flag: str) -> Outcome:
        """Switches a flag off, in one call with all others of the source that are due now. Raises as `flags`."""
        if source not in self._kills:
            self._kills[source] = Kills(self.flags(source))
        return await self._kills[source].kill(flag)

    def flag_kind(self, source: str) -> FlagKind:
        """What the source's flags mean. Raises Invalid where it serves none, NotFound: its kind is not installed."""
        from amplify_tui.adapters.flags.kinds import kind_of

        return kind_of(self._source(source), source)

    def watch_flags(self, source: str, flags: Sequence[str]) -> FlagWatcher:
        """What polls the flags of a source. Raises as `flags`."""
        return self.flag_kind(source).watch(self.flags(source), source, flags)

    def metrics(self, source: str) -> MetricSource:
        """The metric source of that name. Raises Invalid where it gives no numbers, NoSecret: one has no value."""
        if source not in self._metrics:
            self._metrics[source] = self._open_metrics(source, self._source(source))
        return self._metrics[source]

    def _open_metrics(self, name: str, spec: Source) -> MetricSource:
        from amplify_tui.adapters.metrics.kinds import kind_of
        from amplify_tui.adapters.metrics.port import MetricOpening

        opening = MetricOpening(
            name=name,
            source=spec,
            reveal=self.reveal,
            base=self.repo_path,
            every=self._pace(name),
            timeout=spec.timeout or DEFAULT_TIMEOUT_S,
            targets=self._targets,
            listen=self._board.listen,
        )
        return kind_of(spec, name).open(opening)

    def _targets(self, service: str) -> list[Target]:
        from amplify_tui.adapters.poll import targets

        return targets(service, self.playbook.services[service])

    def notifier(self, stakeholder: str) -> Notifier:
        """One stakeholder's channel, with its secrets put in just now."""
        from amplify_tui.adapters.notify import open_notifier

        spec = self.playbook.stakeholders.get(stakeholder)
        if spec is None:
            known = ", ".join(self.playbook.stakeholders)
            raise Invalid(f"there is no stakeholder {stakeholder}", fix=f"known are {known}")
        return open_notifier(
            spec, url=self.reveal(spec.url or ""), token=self.reveal(spec.token or ""), base=self.repo_path
        )

    def _pace(self, source: str) -> float:
        """How often a source is worth asking: as often as the signal that reads it most often."""
        return min((s.every for s in self.playbook.signals.values() if s.source == source), default=5.0)

    def on_refresh(self, look: Looker) -> None:
        """Who is asked for a fresh look."""
        self._fresh_look.append(look)

    async def refresh(self) -> None:
        """Poll every instance once, now."""
        for look in self._fresh_look:
            await look()

    def _source(self, name: str) -> Source:
        spec = self.playbook.sources.get(name)
        if spec is None:
            raise Invalid(f"there is no source {name}", fix=f"known are {', '.join(self.playbook.sources)}")
        return spec

    async def open_metrics_anew(self) -> None:
        """Ask each metric source from its beginning: what it keeps was read before the clock was set back."""
        before, self._metrics = self._metrics, {}
        for source in before.values():
            await source.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        async with contextlib.AsyncExitStack() as stack:
            for provider in self._flags.values():
                stack.push_async_callback(provider.aclose)
            for kills in self._kills.values():
                stack.push_async_callback(kills.aclose)
            for source in self._metrics.values():
                stack.push_async_callback(source.aclose)


if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Looker = Callable[[], Awaitable[None]]
